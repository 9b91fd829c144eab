#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/iceberg/table_update.h"

namespace pk::iceberg {
namespace {

bool EqualIgnoringCase(std::string_view left, std::string_view right) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  return std::ranges::equal(left, right, {}, lower, lower);
}

template <class T>
Result<> Same(std::string_view what, const T& expected, const T& found) {
  PK_CHECK(expected == found,
           Conflict(fmt::format("{} has changed: expected {}, found {}", what, expected, found)));
  return {};
}

Result<> CheckOne(const AssertCreate&, const TableMetadata&) {
  return Conflict("the table exists already");
}

Result<> CheckOne(const AssertTableUuid& requirement, const TableMetadata& metadata) {
  PK_CHECK(EqualIgnoringCase(requirement.uuid, metadata.table_uuid),
           Conflict(fmt::format("it is another table: expected uuid {}, found {}", requirement.uuid,
                                metadata.table_uuid)));
  return {};
}

Result<> CheckOne(const AssertRefSnapshotId& requirement, const TableMetadata& metadata) {
  const auto found = metadata.refs.find(requirement.ref);
  if (found == metadata.refs.end()) {
    PK_CHECK(!requirement.snapshot_id,
             Conflict(fmt::format("ref '{}' is gone: expected snapshot {}", requirement.ref,
                                  requirement.snapshot_id.value_or(0))));
    return {};
  }
  PK_CHECK(requirement.snapshot_id,
           Conflict(fmt::format("ref '{}' exists: expected none, found snapshot {}",
                                requirement.ref, found->second.snapshot_id)));
  PK_CHECK(
      *requirement.snapshot_id == found->second.snapshot_id,
      Conflict(fmt::format("ref '{}' has moved: expected snapshot {}, found {}", requirement.ref,
                           *requirement.snapshot_id, found->second.snapshot_id)));
  return {};
}

Result<> CheckOne(const AssertLastAssignedFieldId& requirement, const TableMetadata& metadata) {
  return Same("last assigned field id", requirement.id, metadata.last_column_id);
}

Result<> CheckOne(const AssertCurrentSchemaId& requirement, const TableMetadata& metadata) {
  return Same("current schema id", requirement.id, metadata.current_schema_id);
}

Result<> CheckOne(const AssertLastAssignedPartitionId& requirement, const TableMetadata& metadata) {
  return Same("last assigned partition id", requirement.id, metadata.last_partition_id);
}

Result<> CheckOne(const AssertDefaultSpecId& requirement, const TableMetadata& metadata) {
  return Same("default partition spec id", requirement.id, metadata.default_spec_id);
}

Result<> CheckOne(const AssertDefaultSortOrderId& requirement, const TableMetadata& metadata) {
  return Same("default sort order id", requirement.id, metadata.default_sort_order_id);
}

}  // namespace

Result<> Check(const TableRequirement& requirement, const TableMetadata* metadata) {
  if (metadata == nullptr) {
    PK_CHECK(std::holds_alternative<AssertCreate>(requirement),
             Conflict(fmt::format("{}: the table does not exist", TypeOf(requirement))));
    return {};
  }
  return std::visit([&](const auto& one) { return CheckOne(one, *metadata); }, requirement)
      .With(TypeOf(requirement));
}

}  // namespace pk::iceberg
