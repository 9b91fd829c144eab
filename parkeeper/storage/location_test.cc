#include "parkeeper/storage/location.h"

#include "tests/support/matchers.h"

namespace pk::storage {
namespace {

using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOkAnd;
using ::testing::Eq;

constexpr auto kDenied = ErrorCode::kPermissionDenied;
constexpr auto kInvalid = ErrorCode::kInvalidArgument;

TEST(Location, SpellsLocalRootsInOneWay) {
  for (const char* root : {"/lake/x", "/lake/x/", "file:/lake/x", "file:///lake/x//"})
    EXPECT_THAT(ParseRoot(root), IsOkAnd(Eq("file:///lake/x"))) << root;
  EXPECT_THAT(ParseRoot("/"), IsOkAnd(Eq("file://")));
}

TEST(Location, TakesRootsOfObjectStores) {
  EXPECT_THAT(ParseRoot("s3://bucket/"), IsOkAnd(Eq("s3://bucket")));
  EXPECT_THAT(ParseRoot("abfss://c@account.dfs.core.windows.net/a b"),
              IsOkAnd(Eq("abfss://c@account.dfs.core.windows.net/a b")));
}

TEST(Location, RefusesRootsThatAreNone) {
  for (const char* root : {"", "lake", "./lake", "s3:bucket", "://x", "s3:///x", "file://host/x",
                           "file:lake", "/a//b", "/a/../b", "/a/.", "s3://b/../c"})
    EXPECT_THAT(ParseRoot(root), IsErrorWith(kInvalid, root)) << root;
  EXPECT_THAT(ParseRoot(std::string_view("/a\0b", 4)), IsError(kInvalid));
}

TEST(Location, KnowsThreeSpellingsOfALocalFile) {
  for (const char* location : {"file:///lake/t/a", "file:/lake/t/a", "/lake/t/a"}) {
    EXPECT_THAT(FileBelow("file:///lake", location), IsOkAnd(Eq("t/a"))) << location;
    EXPECT_THAT(FileBelow("file://", location), IsOkAnd(Eq("lake/t/a"))) << location;
    EXPECT_THAT(FileBelow("s3://lake", location), IsError(kDenied)) << location;
  }
  EXPECT_EQ(LocationOf("file:///lake", "t/a"), "file:///lake/t/a");
  EXPECT_EQ(LocationOf("file://", "t/a"), "file:///t/a");
}

TEST(Location, RefusesWhatIsNotBelowTheRoot) {
  for (const char* location :
       {"file:///lake2/a", "/lake2/a", "/la", "/", "file://host/lake/a", "FILE:///lake/a",
        "s3://lake/a", "file:////lake/a", "//lake/a", "/x/../lake/a", "file:lake/a", "http:"})
    EXPECT_THAT(FileBelow("file:///lake", location), IsErrorWith(kDenied, location)) << location;
  for (const char* location : {"s3://bucket2/a", "s3://bucket", "s3a://bucket/a", "/bucket/a"})
    EXPECT_FALSE(FileBelow("s3://bucket", location).ok()) << location;
}

TEST(Location, NeverDecodesPercentSigns) {
  EXPECT_THAT(FileBelow("/lake", "file:///lake/a"), IsError(kDenied)) << "roots are canonical";
  EXPECT_THAT(FileBelow("file:///lake", "file:///lake/%2e%2e/p=a%2Fb"),
              IsOkAnd(Eq("%2e%2e/p=a%2Fb")));
  EXPECT_THAT(FileBelow("file:///my lake", "file:///my%20lake/a"), IsError(kDenied));
}

TEST(Location, TellsFilesFromFolders) {
  const char* root = "s3://bucket/lake";
  EXPECT_THAT(FolderBelow(root, "s3://bucket/lake"), IsOkAnd(Eq("")));
  EXPECT_THAT(FolderBelow(root, "s3://bucket/lake/"), IsOkAnd(Eq("")));
  EXPECT_THAT(FolderBelow(root, "s3://bucket/lake/t/"), IsOkAnd(Eq("t")));
  EXPECT_THAT(FolderBelow(root, "s3://bucket/lake/t"), IsOkAnd(Eq("t")));
  EXPECT_THAT(FolderBelow(root, "s3://bucket/lake//"), IsError(kInvalid));
  EXPECT_THAT(FileBelow(root, "s3://bucket/lake"), IsErrorWith(kInvalid, "root"));
  EXPECT_THAT(FileBelow(root, "s3://bucket/lake/"), IsErrorWith(kInvalid, "root"));
  EXPECT_THAT(FileBelow(root, "s3://bucket/lake/t/"), IsErrorWith(kInvalid, "folder"));
}

TEST(Location, AllowsAsManySegmentsAsItSays) {
  std::string location = "s3://b/f";
  for (int i = 1; i < kMaxSegments; ++i) location += "/f";
  EXPECT_TRUE(FileBelow("s3://b", location).ok());
  EXPECT_THAT(FileBelow("s3://b", location + "/f"), IsErrorWith(kInvalid, "64 segments"));
}

TEST(Location, KeepsReservedNamesForParkeeper) {
  EXPECT_THAT(FileBelow("s3://b", "s3://b/.parkeeper/db"), IsErrorWith(kDenied, ".parkeeper"));
  EXPECT_THAT(FileBelow("s3://b", "s3://b/t/.parkeeper-1.tmp"), IsError(kDenied));
  EXPECT_TRUE(FileBelow("s3://b", "s3://b/t/x.parkeeper").ok());
}

}  // namespace
}  // namespace pk::storage
