#include "parkeeper/iceberg/lineage.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsErrorWith;
using testing::IsOkAnd;

struct Of {
  int64_t id = 0;
  std::optional<int64_t> parent = std::nullopt;
};

TableMetadata Table(const std::vector<Of>& snapshots, std::optional<int64_t> current) {
  TableMetadata metadata;
  for (const Of& of : snapshots) {
    metadata.snapshots.push_back(
        std::make_shared<const Snapshot>(Snapshot{.snapshot_id = of.id, .parent_id = of.parent}));
  }
  if (current) metadata.refs[kMainBranch] = {.snapshot_id = *current};
  return metadata;
}

std::vector<int64_t> Ids(const Snapshots& snapshots) {
  std::vector<int64_t> ids;
  for (const auto& snapshot : snapshots) ids.push_back(snapshot->snapshot_id);
  return ids;
}
Result<std::vector<int64_t>> Ids(const Result<Snapshots>& snapshots) {
  if (!snapshots.ok()) return snapshots.error();
  return Ids(*snapshots);
}

// 1 <- 2 <- 3 <- 4 is main, 2 <- 9 is beside it.
const std::vector<Of> kAll = {{1}, {2, 1}, {9, 2}, {3, 2}, {4, 3}};

TEST(Lineage, GoesFromOneSnapshotToAnother) {
  const TableMetadata table = Table(kAll, 4);
  EXPECT_THAT(Ids(SnapshotsAfter(table, 1, 4)), IsOkAnd(ElementsAre(2, 3, 4)));
  EXPECT_THAT(Ids(SnapshotsAfter(table, 2, 9)), IsOkAnd(ElementsAre(9)));
  EXPECT_THAT(Ids(SnapshotsAfter(table, 4, 4)), IsOkAnd(IsEmpty()));
  EXPECT_THAT(Ids(SnapshotsUpTo(table, 9)), IsOkAnd(ElementsAre(1, 2, 9)));
}

TEST(Lineage, TellsWhatIsNoAncestorFromWhatHasExpired) {
  const TableMetadata table = Table(kAll, 4);
  EXPECT_THAT(SnapshotsAfter(table, 9, 4),
              IsErrorWith(ErrorCode::kInvalidArgument, "9 is no ancestor of snapshot 4"));
  EXPECT_THAT(SnapshotsAfter(table, 4, 1), IsErrorWith(ErrorCode::kInvalidArgument, "no ancestor"));
  EXPECT_THAT(SnapshotsAfter(table, 1, 7), IsErrorWith(ErrorCode::kNotFound, "no snapshot 7"));
  const TableMetadata expired = Table({{3, 2}, {4, 3}}, 4);
  EXPECT_THAT(SnapshotsAfter(expired, 1, 4),
              IsErrorWith(ErrorCode::kFailedPrecondition, "snapshot 2 has expired"));
  EXPECT_THAT(Ids(SnapshotsAfter(expired, 2, 4)), IsOkAnd(ElementsAre(3, 4)));
  EXPECT_THAT(SnapshotsUpTo(expired, 4),
              IsErrorWith(ErrorCode::kFailedPrecondition, "the history that is left is 3"));
}

TEST(Lineage, EndsInACircle) {
  const TableMetadata circle = Table({{1, 2}, {2, 1}}, 2);
  EXPECT_FALSE(SnapshotsAfter(circle, 7, 2).ok());
  EXPECT_FALSE(SnapshotsUpTo(circle, 2).ok());
}

TEST(Lineage, ComparesTheHistoryOfTwoVersions) {
  const auto compare = [](const TableMetadata& before, const TableMetadata& after) {
    HistoryChange change = CompareHistory(before, after);
    return std::tuple(Ids(change.added), change.rewound, change.expired);
  };
  using Ints = std::vector<int64_t>;
  const auto is = [](Ints added, bool rewound = false, std::optional<int64_t> expired = {}) {
    return std::tuple(std::move(added), rewound, expired);
  };
  const TableMetadata empty = Table({}, {}), at2 = Table(kAll, 2), at4 = Table(kAll, 4),
                      at9 = Table(kAll, 9);
  EXPECT_EQ(compare(empty, empty), is({}));
  EXPECT_EQ(compare(empty, at4), is({1, 2, 3, 4}));
  EXPECT_EQ(compare(at2, at4), is({3, 4}));
  EXPECT_EQ(compare(at4, at4), is({}));
  EXPECT_EQ(compare(at4, at2), is({}, true)) << "rolled back";
  EXPECT_EQ(compare(at4, at9), is({9}, true)) << "and something else came";
  EXPECT_EQ(compare(at4, empty), is({}, true));
  EXPECT_EQ(compare(at2, Table({{3, 2}, {4, 3}}, 4)), is({3, 4})) << "the old one has expired";
  EXPECT_EQ(compare(at2, Table({{4, 3}}, 4)), is({4}, false, 3));
  EXPECT_EQ(compare(empty, Table({{4, 3}}, 4)), is({4}, false, 3));
  EXPECT_EQ(compare(at4, Table({{9, 2}}, 9)), is({9}, true)) << "its parent was an ancestor";
  EXPECT_EQ(compare(at4, Table({{20}}, 20)), is({20}, true)) << "replaced";
}

}  // namespace
}  // namespace pk::iceberg
