#pragma once

// Part of coordinator_contract.h: nodes, one operation at a time.

#include <set>

#include "parkeeper/coordination/limits.h"
#include "parkeeper/coordination/path.h"
#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::IsOkAnd;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(CoordinatorContract, ANewNodeHasItsValueAndVersionZero) {
  EXPECT_THAT(a().Create("/n", "value"), IsOkAnd(std::string("/n")));
  PK_ASSERT_OK(const Node node, a().Get("/n"));
  EXPECT_EQ(node.value, "value");
  EXPECT_EQ(node.stat.version, 0);
  EXPECT_EQ(node.stat.children, 0);
  EXPECT_EQ(node.stat.ephemeral_owner, 0u);
  EXPECT_EQ(node.stat.czxid, node.stat.mzxid);
  EXPECT_EQ(node.stat.ctime_ms, node.stat.mtime_ms);
  EXPECT_GT(node.stat.ctime_ms, 0);
}

TEST_P(CoordinatorContract, ValuesAreAnyBytes) {
  std::string every_byte;
  for (int i = 0; i < 512; ++i) every_byte += static_cast<char>(i);
  for (const std::string& value : {std::string(), every_byte, std::string(3, '\0')}) {
    ASSERT_THAT(a().Create("/n", value), IsOk());
    EXPECT_EQ(Latest(b(), "/n")->value, value);
    EXPECT_THAT(a().Remove("/n", 0), IsOk());
  }
}

TEST_P(CoordinatorContract, ASetRaisesTheVersionByOneAndKeepsWhenItWasCreated) {
  ASSERT_THAT(a().Create("/n", "0"), IsOk());
  PK_ASSERT_OK(const Node before, a().Get("/n"));
  PK_ASSERT_OK(const NodeStat stat, a().Set("/n", "1", 0));
  EXPECT_EQ(stat.version, 1);
  PK_ASSERT_OK(const Node after, a().Get("/n"));
  EXPECT_EQ(after.value, "1");
  EXPECT_EQ(after.stat, stat);
  EXPECT_EQ(after.stat.czxid, before.stat.czxid);
  EXPECT_EQ(after.stat.ctime_ms, before.stat.ctime_ms);
  EXPECT_GT(after.stat.mzxid, before.stat.mzxid);
  EXPECT_GE(after.stat.mtime_ms, before.stat.mtime_ms);
  EXPECT_THAT(a().Set("/n", "2", kAnyVersion), IsOk());
  EXPECT_EQ(a().Get("/n")->stat.version, 2);
}

TEST_P(CoordinatorContract, ASetToTheSameValueIsASetToo) {
  ASSERT_THAT(a().Create("/n", "same"), IsOk());
  EXPECT_THAT(a().Set("/n", "same", 0), IsOk());
  EXPECT_EQ(a().Get("/n")->stat.version, 1);
}

TEST_P(CoordinatorContract, ASetOrRemovalOfAnotherVersionIsAConflictAndChangesNothing) {
  ASSERT_THAT(a().Create("/n", "0"), IsOk());
  ASSERT_THAT(a().Set("/n", "1", 0), IsOk());
  PK_ASSERT_OK(const Node before, a().Get("/n"));
  for (int32_t version : {0, 2, 1'000'000, -2}) {
    EXPECT_THAT(a().Set("/n", "x", version), IsErrorWith(ErrorCode::kConflict, "/n"));
    EXPECT_THAT(a().Remove("/n", version), IsErrorWith(ErrorCode::kConflict, "/n"));
  }
  EXPECT_THAT(a().Get("/n"), IsOkAnd(before));
}

TEST_P(CoordinatorContract, AMissingNodeIsNotFound) {
  EXPECT_THAT(a().Get("/none"), IsErrorWith(ErrorCode::kNotFound, "/none"));
  EXPECT_THAT(a().List("/none"), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(a().Set("/none", "", kAnyVersion), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(a().Remove("/none", kAnyVersion), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(a().Find("/none"), IsOkAnd(std::optional<Node>()));
}

TEST_P(CoordinatorContract, ANodeIsCreatedOnlyOnceAndOnlyUnderAParent) {
  ASSERT_THAT(a().Create("/n", "first"), IsOk());
  EXPECT_THAT(b().Create("/n", "second"), IsErrorWith(ErrorCode::kAlreadyExists, "/n"));
  EXPECT_EQ(a().Get("/n")->value, "first");
  EXPECT_THAT(a().Create("/none/n", ""), IsErrorWith(ErrorCode::kNotFound, "/none"));
}

TEST_P(CoordinatorContract, ANodeCreatedAgainStartsAtVersionZeroWithALaterCzxid) {
  ASSERT_THAT(a().Create("/n", ""), IsOk());
  PK_ASSERT_OK(const NodeStat first, a().Set("/n", "x", 0));
  ASSERT_THAT(a().Remove("/n", 1), IsOk());
  EXPECT_THAT(a().Get("/n"), IsError(ErrorCode::kNotFound));
  ASSERT_THAT(a().Create("/n", ""), IsOk());
  EXPECT_EQ(a().Get("/n")->stat.version, 0);
  EXPECT_GT(a().Get("/n")->stat.czxid, first.mzxid);
}

TEST_P(CoordinatorContract, ANodeWithChildrenIsNotRemoved) {
  ASSERT_THAT(EnsurePath(a(), "/n/child"), IsOk());
  EXPECT_THAT(a().Remove("/n", kAnyVersion), IsErrorWith(ErrorCode::kFailedPrecondition, "/n"));
  EXPECT_TRUE(Latest(b(), "/n/child").has_value());
  EXPECT_THAT(a().Remove("/n/child", kAnyVersion), IsOk());
  EXPECT_THAT(a().Remove("/n", kAnyVersion), IsOk());
}

TEST_P(CoordinatorContract, ChildrenAreListedByNameInByteOrderAndCounted) {
  ASSERT_THAT(a().Create("/p", ""), IsOk());
  EXPECT_THAT(a().List("/p"), IsOkAnd(IsEmpty()));
  for (const char* name : {"b", "a", "B", "a-", "a0", "\xC3\xA9", "10", "9"}) {
    ASSERT_THAT(a().Create(Join("/p", name), ""), IsOk());
  }
  ASSERT_THAT(a().Create("/p/a/grandchild", ""), IsOk());
  EXPECT_THAT(a().List("/p"),
              IsOkAnd(ElementsAre("10", "9", "B", "a", "a-", "a0", "b", "\xC3\xA9")));
  EXPECT_EQ(a().Get("/p")->stat.children, 8);
  EXPECT_EQ(a().Get("/p")->stat.version, 0) << "children are not part of the version";
  ASSERT_THAT(a().Remove("/p/b", kAnyVersion), IsOk());
  EXPECT_EQ(a().Get("/p")->stat.children, 7);
  EXPECT_THAT(a().List("/"), IsOkAnd(::testing::Contains("p")));
}

TEST_P(CoordinatorContract, TheRootExistsCanBeSetAndCannotBeCreatedOrRemoved) {
  PK_ASSERT_OK(const Node root, a().Get("/"));
  EXPECT_THAT(a().Set("/", "x", root.stat.version), IsOk());
  EXPECT_EQ(Latest(b(), "/")->value, "x");
  EXPECT_THAT(a().Create("/", ""), IsError(ErrorCode::kAlreadyExists));
  EXPECT_THAT(a().Remove("/", kAnyVersion), IsError(ErrorCode::kInvalidArgument));
}

TEST_P(CoordinatorContract, SequentialNodesGetTenGrowingDigitsThatAreNeverUsedTwice) {
  ASSERT_THAT(EnsurePath(a(), "/q"), IsOk());
  std::string last;
  for (int i = 0; i < 12; ++i) {
    const auto mode =
        i % 3 == 0 ? CreateMode::kEphemeralSequential : CreateMode::kPersistentSequential;
    PK_ASSERT_OK(const std::string path, a().Create("/q/n-", std::to_string(i), mode));
    ASSERT_EQ(path.size(), std::string("/q/n-").size() + kSequenceDigits);
    EXPECT_EQ(path.substr(0, 5), "/q/n-");
    EXPECT_EQ(path.find_first_not_of("0123456789", 5), std::string::npos);
    EXPECT_GT(path, last);
    last = path;
    EXPECT_EQ(a().Get(path)->value, std::to_string(i));
    EXPECT_EQ(a().Get(path)->stat.ephemeral_owner, i % 3 == 0 ? a().session().id() : 0u);
    // Neither a removal nor another prefix brings a number back.
    if (i % 2 == 0) {
      ASSERT_THAT(a().Remove(path, 0), IsOk());
    }
    if (i % 4 == 0) {
      ASSERT_THAT(b().Create("/q/m-", "", CreateMode::kPersistentSequential), IsOk());
    }
  }
}

TEST_P(CoordinatorContract, ASequenceGoesOnWhenAllItsNodesAreGone) {
  ASSERT_THAT(EnsurePath(a(), "/q"), IsOk());
  PK_ASSERT_OK(const std::string first, a().Create("/q/n", "", CreateMode::kPersistentSequential));
  PK_ASSERT_OK(const std::string second, a().Create("/q/n", "", CreateMode::kPersistentSequential));
  ASSERT_THAT(a().Remove(first, 0), IsOk());
  ASSERT_THAT(a().Remove(second, 0), IsOk());
  PK_ASSERT_OK(const std::string third, b().Create("/q/n", "", CreateMode::kPersistentSequential));
  EXPECT_GT(third, second);
}

TEST_P(CoordinatorContract, EveryVerbRefusesABadPath) {
  const auto bad = ErrorCode::kInvalidArgument;
  for (const char* path : {"", "a", "/a/", "//", "/./a", "/a/..", "/zookeeper/x", "/\x01", "/\xFF",
                           "/\xF0\x9F\x98\x80"}) {
    EXPECT_THAT(a().Get(path), IsError(bad)) << path;
    EXPECT_THAT(a().List(path), IsError(bad)) << path;
    EXPECT_THAT(a().Find(path), IsError(bad)) << path;
    EXPECT_THAT(a().Create(path, ""), IsError(bad)) << path;
    EXPECT_THAT(a().Create(path, "", CreateMode::kEphemeralSequential), IsError(bad)) << path;
    EXPECT_THAT(a().Set(path, "", kAnyVersion), IsError(bad)) << path;
    EXPECT_THAT(a().Remove(path, kAnyVersion), IsError(bad)) << path;
    EXPECT_THAT(a().Commit(Transaction().Check(path)), IsError(bad)) << path;
    EXPECT_THAT(a().StartWatch(path, WatchScope::kNode), IsError(bad)) << path;
    EXPECT_THAT(a().Read({{.path = "/"}, {.path = path}}), IsError(bad)) << path;
    EXPECT_THAT(EnsurePath(a(), path), IsError(bad)) << path;
  }
}

TEST_P(CoordinatorContract, AnyNameIsSafeOnceItIsEscaped) {
  const std::vector<std::string> names = {
      "",    ".",   "..", "a/b", "zookeeper", "a b\n\t", std::string("\0", 1), "\xF0\x9F\x98\x80",
      "%2F", "\xFF"};
  for (const std::string& name : names) {
    const std::string path = Join("/", EscapeSegment(name));
    ASSERT_THAT(a().Create(path, name), IsOk()) << path;
    EXPECT_THAT(a().Create(Join(path, EscapeSegment(name)), ""), IsOk());
  }
  PK_ASSERT_OK(const std::vector<std::string> segments, a().List("/"));
  std::set<std::string> found;
  for (const std::string& segment : segments) {
    PK_ASSERT_OK(std::string name, UnescapeSegment(segment));
    EXPECT_EQ(a().Get(Join("/", segment))->value, name);
    found.insert(std::move(name));
  }
  EXPECT_EQ(found, std::set<std::string>(names.begin(), names.end()));
}

TEST_P(CoordinatorContract, EnsurePathCreatesWhatIsMissingAndKeepsWhatIsThere) {
  ASSERT_THAT(a().Create("/a", "kept"), IsOk());
  EXPECT_THAT(EnsurePath(a(), "/"), IsOk());
  EXPECT_THAT(EnsurePath(a(), "/a/b/c"), IsOk());
  EXPECT_THAT(EnsurePath(b(), "/a/b/c"), IsOk());
  EXPECT_EQ(Latest(b(), "/a")->value, "kept");
  EXPECT_EQ(Latest(b(), "/a/b/c")->stat.ephemeral_owner, 0u);
  ASSERT_THAT(a().Create("/e", "", CreateMode::kEphemeral), IsOk());
  EXPECT_THAT(EnsurePath(a(), "/e/x"), IsError(ErrorCode::kFailedPrecondition));
}

}  // namespace pk::coordination
