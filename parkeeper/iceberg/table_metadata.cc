#include "parkeeper/iceberg/table_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "parkeeper/iceberg/calendar_internal.h"
#include "parkeeper/iceberg/location_internal.h"

namespace pk::iceberg {
namespace {

std::optional<int32_t> Number(std::string_view text) {
  int32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <class Element, class Id>
const Element* Find(const std::vector<Element>& elements, int32_t wanted, Id id) {
  const auto found = std::find_if(elements.rbegin(), elements.rend(),
                                  [&](const Element& element) { return element.*id == wanted; });
  return found == elements.rend() ? nullptr : &*found;
}

}  // namespace

std::string_view StripTrailingSlash(std::string_view location) {
  while (location.ends_with('/') && !location.ends_with("://")) location.remove_suffix(1);
  return location;
}

const Schema* TableMetadata::FindSchema(int32_t id) const {
  const auto found = std::find_if(schemas.rbegin(), schemas.rend(),
                                  [&](const auto& schema) { return schema->schema_id() == id; });
  return found == schemas.rend() ? nullptr : found->get();
}

const PartitionSpec* TableMetadata::FindSpec(int32_t id) const {
  return Find(specs, id, &PartitionSpec::spec_id);
}

const SortOrder* TableMetadata::FindSortOrder(int32_t id) const {
  return Find(sort_orders, id, &SortOrder::order_id);
}

std::shared_ptr<const Snapshot> TableMetadata::FindSnapshot(int64_t id) const {
  const auto found = std::find_if(snapshots.rbegin(), snapshots.rend(), [&](const auto& snapshot) {
    return snapshot->snapshot_id == id;
  });
  return found == snapshots.rend() ? nullptr : *found;
}

std::shared_ptr<const Snapshot> TableMetadata::FindRef(std::string_view name) const {
  const auto found = refs.find(std::string(name));
  return found == refs.end() ? nullptr : FindSnapshot(found->second.snapshot_id);
}

const Schema& TableMetadata::schema() const {
  const Schema* found = FindSchema(current_schema_id);
  assert(found != nullptr);
  return *found;
}

const PartitionSpec& TableMetadata::spec() const {
  const PartitionSpec* found = FindSpec(default_spec_id);
  assert(found != nullptr);
  return *found;
}

const SortOrder& TableMetadata::sort_order() const {
  const SortOrder* found = FindSortOrder(default_sort_order_id);
  assert(found != nullptr);
  return *found;
}

std::string TableMetadata::Property(std::string_view name, std::string_view fallback) const {
  const auto found = properties.find(std::string(name));
  return found == properties.end() ? std::string(fallback) : found->second;
}

namespace {

// For people: "2026-11-22T20:15:00.123Z"; as milliseconds when no calendar reaches it.
std::string UtcText(int64_t ms) {
  int64_t micros = 0;
  if (__builtin_mul_overflow(ms, 1000, &micros)) return fmt::format("{} ms", ms);
  return TimestampText(micros) + "Z";
}

}  // namespace

Result<std::shared_ptr<const Snapshot>> SnapshotAsOf(const TableMetadata& metadata,
                                                     int64_t timestamp_ms) {
  const std::vector<SnapshotLogEntry>& log = metadata.snapshot_log;
  PK_CHECK(!log.empty(), NotFound(fmt::format("the table has no history: nothing is known of {}",
                                              UtcText(timestamp_ms))));
  const auto entry = std::find_if(log.rbegin(), log.rend(), [&](const SnapshotLogEntry& candidate) {
    return candidate.timestamp_ms <= timestamp_ms;
  });
  PK_CHECK(
      entry != log.rend(),
      NotFound(fmt::format("the history of the table begins at {}, after the time asked for: {}",
                           UtcText(log.front().timestamp_ms), UtcText(timestamp_ms))));
  std::shared_ptr<const Snapshot> snapshot = metadata.FindSnapshot(entry->snapshot_id);
  PK_CHECK(snapshot != nullptr,
           NotFound(fmt::format("the snapshot that was current at {} has expired: {}",
                                UtcText(timestamp_ms), entry->snapshot_id)));
  return snapshot;
}

void AppendMetadataLog(TableMetadata& metadata, std::string previous_location,
                       int64_t previous_updated_ms) {
  constexpr int32_t kDefaultMax = 100;
  const std::string text = metadata.Property("write.metadata.previous-versions-max", "");
  const auto max = size_t(std::max(1, Number(text).value_or(kDefaultMax)));
  std::vector<MetadataLogEntry>& log = metadata.metadata_log;
  log.push_back(
      {.timestamp_ms = previous_updated_ms, .metadata_file = std::move(previous_location)});
  if (log.size() > max) log.erase(log.begin(), log.end() - ptrdiff_t(max));
}

}  // namespace pk::iceberg
