"""Where PK_TRY stands behind another member of a braced initializer. When it fails there it returns out of the middle of
an object, and no compiler destroys the members that are there already: what they hold leaks.
"""
import re

IGNORED = re.compile(
    r"//[^\n]*|/\*.*?\*/|R\"(\w*)\(.*?\)\1\"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|^\s*#(?:\\\n|[^\n])*",
    re.S | re.M)
# What a block, not an initializer, begins behind.
BLOCK = re.compile(r"\)[\sa-z]*(->[^;{}]*)?$|\b(else|do|try)$|->[\w:<>,\s*&()]*$|\]$")
DECLARATION = re.compile(r"\b(struct|class|enum|union|namespace|extern)\b[^=()]*$")


def _blank(found):
    return re.sub(r"[^\n]", "_" if found[0][0] in "\"'R" else " ", found[0])


def _is_initializer(before, outer):
    before = before.strip()
    if not before:
        return outer in ("(", "[", "initializer")
    if before.endswith((",", "=", "return")):
        return True
    return not (BLOCK.search(before) or DECLARATION.search(before) or before.endswith(":"))


def unsafe_tries(text):
    """Line numbers."""
    code = IGNORED.sub(_blank, text)
    stack = []  # what each open bracket is, where its present part begins, and whether there were others before
    start = 0
    for found in re.finditer(r"[(){}\[\];,]|\bPK_TRY\b", code):
        token, at = found[0], found.start()
        if token == "PK_TRY":
            for kind, _, later in reversed(stack):
                if kind == "block":
                    break
                if kind == "initializer" and later:
                    yield code.count("\n", 0, at) + 1
                    break
        elif token in "({[":
            kind = token
            if token == "{":
                outer = stack[-1][0] if stack else "block"
                kind = "initializer" if _is_initializer(code[start:at], outer) else "block"
            stack.append([kind, start, False])
            start = at + 1
        elif token in ")}]" and stack:
            kind, start, _ = stack.pop()
            if kind == "block":
                start = at + 1
        elif token == ";" or (token == "," and stack and stack[-1][0] != "block"):
            start = at + 1
            if token == "," and stack:
                stack[-1][2] = True
