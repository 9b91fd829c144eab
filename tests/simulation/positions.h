#pragma once

// What simulations of commits share that move a property "position" of a table on, and what a
// checker finds of it in the end: in the records, in each version's metadata, in the files.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "parkeeper/catalog/catalog.h"
#include "tests/simulation/table_state.h"

namespace pk::catalog {

enum class Fate { kUnknown, kCommitted, kRejected };

// A commit by somebody who found the position at `from` and sets it to the next.
struct PositionWrite {
  std::optional<int64_t> from;  // nullopt: it leaves the position alone
  std::string file;             // empty: it brings none
  int64_t rows = 0;             // of the file
  Fate fate = Fate::kUnknown;
};

inline std::vector<iceberg::PropertyStep> StepFrom(int64_t from) {
  iceberg::PropertyStep step{.name = "position", .expected = {}, .value = std::to_string(from + 1)};
  if (from > 0) step.expected = std::to_string(from);
  return {step};
}

inline int64_t PositionOf(const iceberg::TableMetadata& metadata) {
  return std::stoll(metadata.Property("position", "0"));
}

// Asks with the same id until the answer is no longer unknown.
template <class Commit>
Fate AskUntilKnown(const std::function<bool()>& alive, const Commit& commit) {
  CommitId id = CommitId::kNew;
  for (int calls = 0; alive() && calls < 20; ++calls) {
    const auto result = commit(id);
    if (result.ok()) {
      // The only alternative that stands for a success is the first.
      return result->index() == 0 ? Fate::kCommitted : Fate::kRejected;
    }
    if (result.error().code() != ErrorCode::kOutcomeUnknown) {
      EXPECT_EQ(id, CommitId::kNew) << result.error().message();
      return Fate::kRejected;
    }
    id = CommitId::kMaybeRepeated;
  }
  return Fate::kUnknown;
}

class PositionCheck {
 public:
  PositionCheck(coordination::Coordinator& client, storage::Storage& storage,
                const LoadedTable& table, const std::map<Uuid, PositionWrite>& writes)
      : client_(client), storage_(storage), key_(table.key), writes_(writes) {}

  // Fails unless the commits that moved the position on are a chain, each of which is in the table
  // once, with its rows and nobody else's.
  void Run() {
    const HeadNode head = HeadOf(client_, key_);
    ASSERT_EQ(head.floor, 1) << "records are swept, and the chain cannot be told";
    for (int64_t n = 1; n <= head.version; ++n) CheckVersion(n);
    CheckFiles(head);
    int64_t acknowledged = 0, unknown = 0;
    for (const auto& [id, write] : writes_) {
      if (write.fate != Fate::kUnknown) {
        EXPECT_EQ(committed.contains(id), write.fate == Fate::kCommitted) << write.file;
      }
      if (!write.from) continue;
      acknowledged += write.fate == Fate::kCommitted;
      unknown += write.fate == Fate::kUnknown;
    }
    EXPECT_GE(position, acknowledged);
    EXPECT_LE(position, acknowledged + unknown);
  }

  // What it found.
  int64_t position = 0;
  std::set<Uuid> committed;
  int outrun = 0;  // rejected, for somebody else had moved the position on
  int joined = 0;  // snapshots of several commits, one of which moved the position on

 private:
  void CheckVersion(int64_t n) {
    const RecordNode record = RecordOf(client_, key_, n);
    for (const RecordedCommit& each : record.commits) {
      const auto write = writes_.find(each.id);
      if (!seen_.insert(each.id).second || write == writes_.end()) continue;
      if (each.committed) {
        TakeIn(n, write->second, each);
      } else if (each.reason.find("'position'") != std::string::npos) {
        EXPECT_NE(write->second.from.value_or(-1), position) << "version " << n << ", not outrun";
        ++outrun;
      }
    }
    const auto metadata = MetadataAt(storage_, record.metadata_location);
    ASSERT_NE(metadata, nullptr);
    EXPECT_EQ(PositionOf(*metadata), position) << "version " << n;
  }

  void TakeIn(int64_t n, const PositionWrite& write, const RecordedCommit& recorded) {
    committed.insert(recorded.id);
    if (write.from) {
      EXPECT_EQ(*write.from, position) << "version " << n << ": a step twice, or one left out";
      ++position;
    }
    EXPECT_EQ(recorded.snapshot_id.has_value(), !write.file.empty()) << "version " << n;
    if (write.file.empty()) return;
    files_.insert(write.file);
    Snapshot& snapshot = snapshots_[recorded.snapshot_id.value_or(0)];
    snapshot.rows += write.rows;
    ++snapshot.commits;
    snapshot.moves_on |= write.from.has_value();
  }

  void CheckFiles(const HeadNode& head) {
    std::map<std::string, int> expected;
    for (const std::string& file : files_) expected[file] = 1;
    EXPECT_EQ(FilesOf(storage_, head.metadata_location), expected);
    const auto metadata = MetadataAt(storage_, head.metadata_location);
    ASSERT_NE(metadata, nullptr);
    int64_t rows = 0;
    for (const auto& snapshot : metadata->snapshots) {
      const Snapshot& told = snapshots_[snapshot->snapshot_id];
      EXPECT_EQ(snapshot->summary.at("added-records"), std::to_string(told.rows));
      rows += told.rows;
      joined += told.commits > 1 && told.moves_on;
    }
    EXPECT_EQ(snapshots_.size(), metadata->snapshots.size());
    if (const auto current = metadata->current_snapshot()) {
      EXPECT_EQ(current->summary.at("total-records"), std::to_string(rows));
    }
  }

  struct Snapshot {
    int64_t rows = 0;
    int commits = 0;
    bool moves_on = false;
  };

  coordination::Coordinator& client_;
  storage::Storage& storage_;
  const std::string& key_;
  const std::map<Uuid, PositionWrite>& writes_;
  std::set<Uuid> seen_;
  std::set<std::string> files_;
  std::map<int64_t, Snapshot> snapshots_;  // by id
};

}  // namespace pk::catalog
