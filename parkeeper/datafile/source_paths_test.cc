#include "parkeeper/datafile/source_paths.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::datafile {
namespace {

using testing::IsErrorWith;
using testing::IsOkAnd;
using testing::TempFolder;

TEST(ExpandPaths, FindsEachFileOnceAndNamesWhatIsNone) {
  TempFolder folder;
  const std::string a = folder / "a.csv", b = folder / "b.csv", odd = folder / "c[1].csv";
  for (const std::string& path : {a, b, odd}) std::ofstream(path) << "x";
  EXPECT_THAT(MatchPaths(folder / "[ab].csv"), ::testing::ElementsAre(a, b));
  EXPECT_THAT(MatchPaths(odd), ::testing::ElementsAre(odd));
  EXPECT_THAT(MatchPaths(folder / "*.parquet"), ::testing::IsEmpty());
  EXPECT_THAT(ExpandPaths({folder / "[ab].csv"}), IsOkAnd(::testing::ElementsAre(a, b)));
  EXPECT_THAT(ExpandPaths({folder / "{b,a}.csv"}), IsOkAnd(::testing::ElementsAre(b, a)));
  EXPECT_THAT(ExpandPaths({b, folder / "*.csv"}), IsOkAnd(::testing::ElementsAre(b, a, odd)));
  EXPECT_THAT(ExpandPaths({odd}), IsOkAnd(::testing::ElementsAre(odd)));
  EXPECT_THAT(ExpandPaths({a, folder / "*.parquet"}),
              IsErrorWith(ErrorCode::kNotFound, "*.parquet"));
  EXPECT_THAT(ExpandPaths({folder.path()}), IsErrorWith(ErrorCode::kNotFound, "is no file"));
}

}  // namespace
}  // namespace pk::datafile
