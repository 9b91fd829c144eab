"""Usage: initializers_test.py"""
import unittest

from initializers import unsafe_tries


class UnsafeTries(unittest.TestCase):
    def expect(self, text, *lines):
        self.assertEqual(list(unsafe_tries(text)), list(lines), text)

    def test_a_later_member_is_found(self):
        self.expect("A a{.x = 1, .y = PK_TRY(Y())};", 1)
        self.expect("return A{x, PK_TRY(Y())};", 1)
        self.expect("v.push_back({.x = 1,\n .y = Of(PK_TRY(Y()))});", 2)
        self.expect("f({.x = \"{\",\n .y = {PK_TRY(Y())}});", 2)
        self.expect("if (a) {\n b = B{c, {PK_TRY(C())}};\n}", 2)
        self.expect("const auto f = [&]() -> Result<A> {\n  return A{1, PK_TRY(Y())};\n};", 2)
        self.expect("a = {\n  1,\n  PK_TRY(X()),\n  PK_TRY(Y())};", 3, 4)

    def test_the_first_one_and_arguments_are_none(self):
        self.expect("A a{.x = PK_TRY(X()), .y = 1};")
        self.expect("return f(a, PK_TRY(X()));")
        self.expect("A a{g(b, c)};\nint d = PK_TRY(X());")

    def test_blocks_are_none(self):
        self.expect("f(a, [&](int b) -> Result<> {\n  PK_TRY(X());\n});")
        self.expect("A a{x, [&] { return PK_TRY(X()); }};")
        self.expect("struct A {\n  int a, b;\n  Result<> F() const override { PK_TRY(X()); }\n};")
        self.expect("switch (a) {\n  case 1: {\n    f(a, b);\n    PK_TRY(X());\n  }\n}")
        self.expect("#include <a>\n\nnamespace a::b {\nResult<> F(int a, int b) {\n  int c, d;\n  PK_TRY(X());\n}\n}")
        self.expect("for (a : b) {\n  if (c) {\n    d(a, b);\n  } else {\n    PK_TRY(X());\n  }\n}")
        self.expect("// A a{x, PK_TRY(X())};\nf(\"A a{x, PK_TRY(X())}\");")


if __name__ == "__main__":
    unittest.main()
