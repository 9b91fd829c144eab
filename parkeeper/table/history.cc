#include "parkeeper/table/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace pk::table {

using iceberg::Snapshot;
using iceberg::TableMetadata;

namespace {

// Of one call; a log that was damaged may lead in a circle.
constexpr int kMostFiles = 5'000;

class History {
 public:
  History(storage::Storage& storage, const TableMetadata& metadata, int64_t from)
      : storage_(storage), metadata_(metadata), from_(from) {}

  Result<TableMetadata> Restore() {
    const auto current = metadata_.current_snapshot();
    at_ = current == nullptr ? std::nullopt : std::optional(current->snapshot_id);
    Walk(metadata_);
    Loaded earlier;
    while (!found_) {
      PK_CHECK(at_ && !passed_, InvalidArgument(fmt::format(
                                    "snapshot {} is no ancestor of the current one", from_)));
      earlier = PK_TRY(Earlier(earlier == nullptr ? metadata_ : *earlier));
      Walk(*earlier);
    }
    TableMetadata whole = metadata_;
    whole.snapshots.insert(whole.snapshots.begin(), expired_.rbegin(), expired_.rend());
    return whole;
  }

 private:
  using Loaded = std::shared_ptr<const TableMetadata>;

  // To older snapshots, as far as this metadata lists them.
  void Walk(const TableMetadata& where) {
    std::unordered_map<int64_t, std::shared_ptr<const Snapshot>> listed;
    for (const auto& snapshot : where.snapshots) listed[snapshot->snapshot_id] = snapshot;
    const auto from = listed.find(from_);
    // A parent is older; one that was damaged may be no parent.
    for (size_t left = listed.size(); left > 0 && at_ && !found_ && !passed_; --left) {
      const auto snapshot = listed.find(*at_);
      if (snapshot == listed.end()) return;
      if (&where != &metadata_ && metadata_.FindSnapshot(*at_) == nullptr) {
        expired_.push_back(snapshot->second);
      }
      found_ = *at_ == from_;
      child_ = snapshot->second;
      at_ = child_->parent_id;
      passed_ = !found_ && from != listed.end() && IsOlder(*child_, *from->second);
    }
  }

  static bool IsOlder(const Snapshot& one, const Snapshot& other) {
    if (one.sequence_number == 0) return one.timestamp_ms < other.timestamp_ms;
    return one.sequence_number < other.sequence_number;
  }
  bool Lists(const TableMetadata& where) const { return where.FindSnapshot(*at_) != nullptr; }
  // It is of a time when the snapshot that is looked for had a child already. Tables of version 1
  // have no sequence numbers.
  bool IsLater(const TableMetadata& where) const {
    if (child_->sequence_number == 0) return where.last_updated_ms >= child_->timestamp_ms;
    return where.last_sequence_number >= child_->sequence_number;
  }

  // An earlier metadata that lists the snapshot, or from which one such is nearer.
  Result<Loaded> Earlier(const TableMetadata& where) {
    const auto& log = where.metadata_log;
    PK_CHECK(!log.empty() && child_ != nullptr, Gone("no earlier metadata is known"));
    Loaded oldest = PK_TRY(Load(log.front().metadata_file));
    if (Lists(*oldest) || IsLater(*oldest)) return oldest;
    // It came, and got its child, between this one and `where`.
    for (size_t before = 0, after = log.size(); after - before > 1;) {
      const size_t middle = before + (after - before) / 2;
      Loaded between = PK_TRY(Load(log[middle].metadata_file));
      if (Lists(*between)) return between;
      (IsLater(*between) ? after : before) = middle;
    }
    return Gone("no earlier metadata lists it");
  }

  Result<Loaded> Load(const std::string& location) {
    PK_CHECK(++files_ <= kMostFiles, Gone(fmt::format("{} earlier ones were read", kMostFiles)));
    const auto json = storage::ReadAll(storage_, location);
    const bool gone = !json.ok() && json.error().code() == ErrorCode::kNotFound;
    PK_CHECK(!gone, Gone(fmt::format("the metadata file {} is gone", location)));
    PK_CHECK(json.ok(), json.error());
    return std::make_shared<const TableMetadata>(
        PK_TRY(iceberg::ParseTableMetadata(*json).With(location)));
  }

  Error Gone(const std::string& why) const {
    return FailedPrecondition(
        fmt::format("snapshot {} has expired, so nobody can say what came after snapshot {}: {}",
                    at_.value_or(from_), from_, why));
  }

  storage::Storage& storage_;
  const TableMetadata& metadata_;
  const int64_t from_;
  std::optional<int64_t> at_;                             // the next one
  std::shared_ptr<const Snapshot> child_;                 // of it
  std::vector<std::shared_ptr<const Snapshot>> expired_;  // newest first
  bool found_ = false;
  bool passed_ = false;  // it would have come by now
  int files_ = 0;
};

}  // namespace

Result<TableMetadata> WithHistorySince(storage::Storage& storage, const TableMetadata& metadata,
                                       int64_t from) {
  return History(storage, metadata, from).Restore();
}

}  // namespace pk::table
