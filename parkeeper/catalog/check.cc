#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/catalog/coordinated_catalog_internal.h"

namespace pk::catalog {
namespace {

constexpr int64_t kRecordsPerRead = 500;

}  // namespace

Result<std::vector<std::string>> CoordinatedCatalog::CheckPointers(const LoadedTable& table) {
  std::vector<std::string> findings;
  Backoff backoff = context_.NewBackoff();
  const ReadHead head = PK_TRY(LoadHead(sessions_, table.key, backoff));
  if (head.node.version == table.version) {
    if (head.node.table_uuid != table.metadata->table_uuid) {
      findings.push_back(fmt::format("head {} has uuid {}, its metadata {}", HeadPath(table.key),
                                     head.node.table_uuid, table.metadata->table_uuid));
    }
    const auto current = table.metadata->current_snapshot();
    if (head.node.snapshot_id.value_or(-1) != (current == nullptr ? -1 : current->snapshot_id)) {
      findings.push_back(
          fmt::format("head {} names another snapshot than its metadata", HeadPath(table.key)));
    }
  }
  for (int64_t first = head.node.floor; first <= head.node.version; first += kRecordsPerRead) {
    std::vector<coordination::ReadRequest> requests;
    for (int64_t n = first; n <= std::min(first + kRecordsPerRead - 1, head.node.version); ++n) {
      requests.push_back({.path = RecordPath(table.key, n)});
    }
    auto replies = PK_TRY(ReadUntilKnown(sessions_, requests, backoff));
    for (size_t i = 0; i < replies.size(); ++i) {
      if (!replies[i].ok()) {
        findings.push_back(fmt::format("record {} is missing", requests[i].path));
        continue;
      }
      const Result<RecordNode> record = DecodeRecord(replies[i]->node.value);
      if (!record.ok()) {
        findings.push_back(fmt::format("{}: {}", requests[i].path, record.error().message()));
      } else if (first + int64_t(i) == head.node.version &&
                 record->metadata_location != head.node.metadata_location) {
        findings.push_back(
            fmt::format("record {} and the head name different metadata", requests[i].path));
      }
    }
  }
  // Records swept by a commit that came in between are no gap.
  const ReadHead after = PK_TRY(LoadHead(sessions_, table.key, backoff));
  if (after.node.floor != head.node.floor && !findings.empty()) return CheckPointers(table);
  return findings;
}

}  // namespace pk::catalog
