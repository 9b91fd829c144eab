#include "parkeeper/sql/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::sql {
namespace {

using ::testing::ElementsAre;
using testing::IsErrorWith;
using ::testing::StartsWith;

TEST(Library, IsLookedForBesideTheProgramThenInstalledThenFetched) {
  EXPECT_THAT(LibraryCandidates("/bin", "/cache"),
              ElementsAre("/bin/libduckdb.so", "libduckdb.so", "/cache/duckdb/libduckdb.so"));
  EXPECT_THAT(LibraryCandidates("", ""), ElementsAre("libduckdb.so"));
}

TEST(Library, IsOneForTheProcess) {
  PK_ASSERT_OK(const LibraryFound found, FindDuckDb(""));
  EXPECT_THAT(found.version, StartsWith("v"));
  PK_ASSERT_OK(const LibraryFound again, FindDuckDb(found.path));
  EXPECT_EQ(again.path, found.path);
  EXPECT_THAT(FindDuckDb("/another/libduckdb.so"),
              IsErrorWith(ErrorCode::kFailedPrecondition, found.path));
}

}  // namespace
}  // namespace pk::sql
