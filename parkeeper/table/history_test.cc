#include "parkeeper/table/history.h"

#include <gmock/gmock.h>

#include "parkeeper/iceberg/lineage.h"
#include "parkeeper/iceberg/table_update.h"
#include "parkeeper/table/scan.h"
#include "tests/support/table_in_memory.h"

namespace pk::table {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;

// A table whose versions are kept as a catalog keeps them: a file each, the last of them named in a
// log, and no more than some snapshots.
class LongHistory : public ::testing::Test {
 protected:
  LongHistory(size_t log, size_t snapshots)
      : table_({.properties = {{"write.metadata.previous-versions-max", std::to_string(log)}}}),
        most_(snapshots) {}

  void AddVersion(int appends) {
    auto& metadata = table_.metadata();
    const std::string location = LocationOf(versions_++);
    ASSERT_THAT(storage::WriteIfAbsent(table_.storage(), location, ToJson(metadata)), IsOk());
    for (int i = 0; i < appends; ++i) {
      ids_.push_back(table_.Append({R"({"id": )" + std::to_string(ids_.size()) + "}"}));
    }
    iceberg::AppendMetadataLog(metadata, location, metadata.last_updated_ms);
    if (appends > 0) metadata.last_updated_ms = metadata.snapshots.back()->timestamp_ms;
    auto& snapshots = metadata.snapshots;
    if (snapshots.size() > most_) {
      snapshots.erase(snapshots.begin(), snapshots.end() - ptrdiff_t(most_));
    }
  }
  static std::string LocationOf(int version) {
    return "memory://lake/t/metadata/" + std::to_string(version) + ".json";
  }

  void ExpectAllRowsAfter(size_t number) {
    const auto whole = WithHistorySince(table_.storage(), table_.metadata(), ids_[number]);
    ASSERT_THAT(whole, IsOk());
    const auto after = iceberg::SnapshotsAfter(*whole, ids_[number], ids_.back());
    ASSERT_THAT(after, IsOk());
    EXPECT_EQ(after->size(), ids_.size() - number - 1);
    ASSERT_NE(whole->FindSnapshot(ids_[number]), nullptr);
    // It is metadata like any other, in which rows are found.
    const auto read = iceberg::ParseTableMetadata(ToJson(*whole));
    ASSERT_THAT(read, IsOk());
    ScanRequest request;
    request.after_snapshot = ids_[number];
    const auto plan = PlanScan(table_.storage(), *read, request, {});
    ASSERT_THAT(plan, IsOk());
    EXPECT_EQ(plan->tasks.size(), ids_.size() - number - 1);
  }

  testing::TableInMemory table_;
  const size_t most_;
  int versions_ = 0;
  std::vector<int64_t> ids_;
};

class OneSnapshotAVersion : public LongHistory {
 protected:
  OneSnapshotAVersion() : LongHistory(4, 10) {}
};
class ManySnapshotsAVersion : public LongHistory {
 protected:
  ManySnapshotsAVersion() : LongHistory(7, 5) {}
};

TEST_F(OneSnapshotAVersion, IsReadBackFromEarlierMetadataHoweverOldItIs) {
  for (int i = 0; i < 60; ++i) AddVersion(1);
  ASSERT_EQ(table_.metadata().snapshots.size(), 10u);
  for (const size_t number : {59u, 50u, 49u, 48u, 40u, 20u, 1u, 0u}) ExpectAllRowsAfter(number);
}

TEST_F(OneSnapshotAVersion, EndsWhereAFileIsGone) {
  for (int i = 0; i < 60; ++i) AddVersion(1);
  for (int version = 0; version < 30; ++version) {
    ASSERT_THAT(table_.storage().Remove(LocationOf(version)), IsOk());
  }
  ExpectAllRowsAfter(40);
  EXPECT_THAT(WithHistorySince(table_.storage(), table_.metadata(), ids_[5]),
              IsErrorWith(ErrorCode::kFailedPrecondition, "is gone"));
}

TEST_F(OneSnapshotAVersion, KnowsNoSnapshotOfAnotherHistory) {
  for (int i = 0; i < 30; ++i) AddVersion(1);
  EXPECT_THAT(WithHistorySince(table_.storage(), table_.metadata(), 12'345),
              IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(WithHistorySince(table_.storage(), testing::MakeTable({}), 1),
              IsError(ErrorCode::kInvalidArgument));
}

TEST_F(OneSnapshotAVersion, IsNotLookedForBeforeItsTime) {
  for (int i = 0; i < 60; ++i) AddVersion(1);
  const int64_t abandoned = ids_[57];
  table_.metadata().refs["main"].snapshot_id = ids_[55];  // rolled back
  for (int version = 0; version < 40; ++version) {
    ASSERT_THAT(table_.storage().Remove(LocationOf(version)), IsOk());
  }
  EXPECT_THAT(WithHistorySince(table_.storage(), table_.metadata(), abandoned),
              IsError(ErrorCode::kInvalidArgument));
}

// As a table of format version 1: without sequence numbers.
iceberg::TableMetadata AsVersion1(iceberg::TableMetadata metadata) {
  metadata.format_version = 1;
  metadata.last_sequence_number = 0;
  for (auto& snapshot : metadata.snapshots) {
    iceberg::Snapshot copy = *snapshot;
    copy.sequence_number = 0;
    snapshot = std::make_shared<const iceberg::Snapshot>(std::move(copy));
  }
  return metadata;
}

TEST_F(ManySnapshotsAVersion, IsReadBackWithoutSequenceNumbers) {
  for (int i = 0; i < 40; ++i) AddVersion(1);
  auto& storage = table_.storage();
  for (int version = 0; version < versions_; ++version) {
    const std::string location = LocationOf(version);
    auto metadata = iceberg::ParseTableMetadata(*storage::ReadAll(storage, location)).value();
    ASSERT_THAT(storage.Remove(location), IsOk());
    ASSERT_THAT(storage::WriteIfAbsent(storage, location, ToJson(AsVersion1(metadata))), IsOk());
  }
  const auto now = AsVersion1(table_.metadata());
  for (const size_t number : {36u, 34u, 33u, 20u, 0u}) {
    const auto whole = WithHistorySince(storage, now, ids_[number]);
    ASSERT_THAT(whole, IsOk());
    EXPECT_THAT(iceberg::SnapshotsAfter(*whole, ids_[number], ids_.back()), IsOk());
  }
}

TEST_F(ManySnapshotsAVersion, IsReadBackFromTheVersionsBetween) {
  // So that snapshots come and go between the metadata that a log names first and last.
  for (int i = 0; i < 40; ++i) AddVersion(i % 4);
  for (const size_t number : {size_t{0}, ids_.size() / 3, ids_.size() / 2, ids_.size() - 6}) {
    ExpectAllRowsAfter(number);
  }
}

TEST_F(ManySnapshotsAVersion, EndsAtASnapshotThatNoVersionLists) {
  for (int i = 0; i < 10; ++i) AddVersion(1);
  AddVersion(8);  // more than are kept, so three of them are in no metadata
  for (int i = 0; i < 10; ++i) AddVersion(1);
  ExpectAllRowsAfter(14);
  EXPECT_THAT(WithHistorySince(table_.storage(), table_.metadata(), ids_[3]),
              IsErrorWith(ErrorCode::kFailedPrecondition, "has expired"));
}

}  // namespace
}  // namespace pk::table
