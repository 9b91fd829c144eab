#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parkeeper/sql/query_text_internal.h"

namespace pk::sql {
namespace {

using ::testing::ElementsAre;

TEST(QueryText, SkipsBlanksAndCommentsOfEachKind) {
  const std::string text = " \t-- one ' (\n/* two /* nested */ ' */x";
  EXPECT_EQ(text[SkipBlanks(text, 0)], 'x');
  EXPECT_EQ(SkipBlanks("-- no end", 0), 9U);
  EXPECT_EQ(SkipBlanks("/* no end", 0), 9U);
}

TEST(QueryText, TakesStringsAndQuotedNamesAsOneToken) {
  for (const std::string token :
       {"'it''s -- no ( comment'", "\"a \"\"b\"\" (\"", "E'a\\'b'", "$$ ' ( $$", "$tag$ $$ ' $tag$",
        "word_1$", "\xC3\xA9t\xC3\xA9", "(", "'no end"}) {
    EXPECT_EQ(SkipToken(token, 0), token.size()) << token;
  }
  EXPECT_EQ(SkipToken("$1+2", 0), 1U);
}

TEST(QueryText, FindsTheParenthesisThatCloses) {
  const std::string text = "(a(b) ')' \")\" /* ) */ $$)$$) rest";
  EXPECT_EQ(SkipParentheses(text, 0), text.size() - 5);
  EXPECT_EQ(SkipParentheses("((a)", 0), std::nullopt);
}

TEST(QueryText, FirstWordIsInLowerCaseAndBehindWhatOpensIt) {
  EXPECT_EQ(FirstWord(" /* x */ ( SELECT 1)"), "select");
  EXPECT_EQ(FirstWord("1 + 1"), "");
  EXPECT_EQ(FirstWord(""), "");
  EXPECT_TRUE(HasWord("with x as (select 'insert') INSERT into y", "insert"));
  EXPECT_FALSE(HasWord("with x as (select 'insert', \"insert\", inserted) from x", "insert"));
}

TEST(QueryText, ReadsNamesWithoutTheirQuotes) {
  const std::string text = "a . \"b\"\"c\" /* d */ . e f";
  const auto name = ReadName(text, 0);
  ASSERT_TRUE(name);
  EXPECT_THAT(name->parts, ElementsAre("a", "b\"c", "e"));
  EXPECT_EQ(text.substr(name->end), " f");
  EXPECT_FALSE(ReadName("1a", 0));
  EXPECT_FALSE(ReadName("a.", 0));
  EXPECT_FALSE(ReadName("", 0));
}

TEST(QueryText, FindsANameWithItsClauseBehindTheAlias) {
  const std::string text = "from s.t AS x (a, b) at ( version => f(')') ) where";
  const auto place = FindName(text, 5, {"s", "t"}, "x", true);
  ASSERT_TRUE(place);
  EXPECT_EQ(text.substr(place->begin, place->end - place->begin), "s.t");
  EXPECT_EQ(text.substr(place->at_begin, place->at_end - place->at_begin),
            "at ( version => f(')') )");
  EXPECT_EQ(place->at_value, " f(')') ");
  EXPECT_FALSE(FindName(text, 5, {"s", "u"}, "x", true));
  EXPECT_FALSE(FindName(text, 5, {"s", "t"}, "y", true));
  EXPECT_FALSE(FindName(text, 6, {"s", "t"}, "x", true));
  EXPECT_FALSE(FindName(text, 500, {"s", "t"}, "x", true));
  EXPECT_FALSE(FindName("s.t x", 0, {"s", "t"}, "x", true));
}

}  // namespace
}  // namespace pk::sql
