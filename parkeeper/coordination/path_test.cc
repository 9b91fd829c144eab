#include "parkeeper/coordination/path.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "parkeeper/coordination/limits.h"
#include "tests/support/matchers.h"

namespace pk::coordination {
namespace {

using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::IsOkAnd;

const auto kBad = ErrorCode::kInvalidArgument;

TEST(Path, AcceptsTheRootAndSegmentsOfAnyAllowedCharacter) {
  for (const char* path : {"/", "/a", "/a/b/c", "/a b", "/caf\xC3\xA9", "/\xE4\xBD\xA0\xE5\xA5\xBD",
                           "/...", "/.a", "/a..", "/zookeepers", "/a/zookeeper", "/%"}) {
    EXPECT_THAT(ValidatePath(path), IsOk()) << path;
  }
}

TEST(Path, RefusesWhatIsNoPath) {
  EXPECT_THAT(ValidatePath(""), IsErrorWith(kBad, "does not start"));
  EXPECT_THAT(ValidatePath("a"), IsErrorWith(kBad, "does not start"));
  EXPECT_THAT(ValidatePath("//"), IsErrorWith(kBad, "empty segment"));
  EXPECT_THAT(ValidatePath("/a/"), IsErrorWith(kBad, "empty segment: '/a/'"));
  EXPECT_THAT(ValidatePath("/a//b"), IsErrorWith(kBad, "empty segment"));
  EXPECT_THAT(ValidatePath("/./a"), IsErrorWith(kBad, "relative"));
  EXPECT_THAT(ValidatePath("/a/.."), IsErrorWith(kBad, "relative"));
}

TEST(Path, RefusesZooKeepersOwnNodes) {
  EXPECT_THAT(ValidatePath("/zookeeper"), IsErrorWith(kBad, "reserved"));
  EXPECT_THAT(ValidatePath("/zookeeper/quota"), IsErrorWith(kBad, "reserved"));
}

TEST(Path, RefusesCharactersThatZooKeeperRefuses) {
  const std::string_view forbidden[] = {
      {"\0", 1},      "\x01",         "\x1F",         "\x7F",         "\xC2\x80",        "\xC2\x9F",
      "\xEE\x80\x80", "\xEF\xA3\xBF", "\xEF\xBF\xB0", "\xEF\xBF\xBF", "\xF0\x9F\x98\x80"};
  for (std::string_view c : forbidden) {
    EXPECT_THAT(ValidatePath("/a" + std::string(c)), IsErrorWith(kBad, "not allowed"))
        << EscapeSegment(c);
  }
  for (std::string_view c :
       {" ", "~", "\xC2\xA0", "\xED\x9F\xBF", "\xEF\xA4\x80", "\xEF\xBF\xAF"}) {
    EXPECT_THAT(ValidatePath("/a" + std::string(c)), IsOk()) << EscapeSegment(c);
  }
}

TEST(Path, RefusesBytesThatAreNotUtf8) {
  for (std::string_view bytes :
       {"\x80", "\xC3", "\xC3(", "\xC0\xAF", "\xC1\x81", "\xE0\x80\x80", "\xE4\xBD", "\xED\xA0\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xF0\x9F\x98"}) {
    EXPECT_THAT(ValidatePath("/" + std::string(bytes)), IsErrorWith(kBad, "not UTF-8"))
        << EscapeSegment(bytes);
  }
}

TEST(Path, IsLimitedInLength) {
  EXPECT_THAT(ValidatePath("/" + std::string(kMaxPathBytes - 1, 'a')), IsOk());
  EXPECT_THAT(ValidatePath("/" + std::string(kMaxPathBytes, 'a')), IsErrorWith(kBad, "4096"));
}

TEST(Path, HasAParentAndALastSegment) {
  EXPECT_EQ(Parent("/a/b"), "/a");
  EXPECT_EQ(Parent("/a"), "/");
  EXPECT_EQ(Parent("/"), "/");
  EXPECT_EQ(LastSegment("/a/b"), "b");
  EXPECT_EQ(LastSegment("/a"), "a");
  EXPECT_EQ(LastSegment("/"), "");
  EXPECT_EQ(Join("/", "a"), "/a");
  EXPECT_EQ(Join("/a", "b"), "/a/b");
}

TEST(Path, IsBelowAnotherOnlyAtASlash) {
  EXPECT_TRUE(IsAtOrBelow("/a", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a/b/c", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a", "/"));
  EXPECT_FALSE(IsAtOrBelow("/ab", "/a"));
  EXPECT_FALSE(IsAtOrBelow("/a", "/a/b"));
}

TEST(EscapeSegment, FollowsTheDocumentedScheme) {
  EXPECT_EQ(EscapeSegment("Orders_2024-v1.0"), "Orders_2024-v1.0");
  EXPECT_EQ(EscapeSegment("a/b c%"), "a%2Fb%20c%25");
  EXPECT_EQ(EscapeSegment("caf\xC3\xA9"), "caf%C3%A9");
  EXPECT_EQ(EscapeSegment("\xF0\x9F\x98\x80"), "%F0%9F%98%80");
  EXPECT_EQ(EscapeSegment(std::string_view("\0\x1F", 2)), "%00%1F");
  EXPECT_EQ(EscapeSegment(""), "%");
  EXPECT_EQ(EscapeSegment("."), "%2E");
  EXPECT_EQ(EscapeSegment(".."), "%2E.");
  EXPECT_EQ(EscapeSegment("..."), "...");
  EXPECT_EQ(EscapeSegment("zookeeper"), "%7Aookeeper");
}

TEST(EscapeSegment, MakesAnyBytesAValidSegmentThatComesBack) {
  std::mt19937_64 random(7);
  std::set<std::string> names{"",  ".",  "..",  "...",       "/",
                              "%", "%%", "%2E", "zookeeper", "ZooKeeper"};
  for (int i = 0; i < 2'000; ++i) {
    std::string name(random() % 8, '\0');
    for (char& c : name) c = static_cast<char>(random() % 4 == 0 ? "./%z"[random() % 4] : random());
    names.insert(name);
  }
  std::set<std::string> segments;
  for (const std::string& name : names) {
    const std::string segment = EscapeSegment(name);
    EXPECT_THAT(ValidatePath(Join("/", segment)), IsOk());
    EXPECT_LE(segment.size(), std::max<size_t>(1, 3 * name.size()));
    EXPECT_THAT(UnescapeSegment(segment), IsOkAnd(name)) << segment;
    segments.insert(segment);
  }
  EXPECT_EQ(segments.size(), names.size());
}

TEST(UnescapeSegment, RefusesWhatEscapeNeverMakes) {
  for (const char* segment : {"", ".", "..", "zookeeper", "a b", "a/b", "%41", "%2f", "%2", "%GG",
                              "a%", "%%", "caf\xC3\xA9", "%7Aebra", "%2Ea"}) {
    EXPECT_THAT(UnescapeSegment(segment), IsError(ErrorCode::kCorrupt)) << segment;
  }
}

}  // namespace
}  // namespace pk::coordination
