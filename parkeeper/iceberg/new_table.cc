#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "parkeeper/iceberg/json_internal.h"
#include "parkeeper/iceberg/location_internal.h"
#include "parkeeper/iceberg/table_metadata.h"

namespace pk::iceberg {
namespace {

constexpr std::string_view kReservedProperties[] = {
    "format-version",      "uuid",
    "snapshot-count",      "current-snapshot-summary",
    "current-snapshot-id", "current-snapshot-timestamp-ms",
    "current-schema",      "default-partition-spec",
    "default-sort-order"};

Result<int32_t> FormatVersion(const std::map<std::string, std::string>& properties) {
  const auto found = properties.find("format-version");
  if (found == properties.end()) return 2;
  if (found->second == "1") return 1;
  if (found->second == "2") return 2;
  if (found->second == "3" || found->second == "4")
    return Unsupported(fmt::format("format version {}", found->second));
  return InvalidArgument(
      fmt::format("property format-version must be 1 or 2, found '{}'", found->second));
}

// The id in `fresh` of the column that has `id` in `old`.
Result<int32_t> FreshId(const Schema& old, const Schema& fresh, int32_t id) {
  const Field* field = fresh.FindByName(old.FullName(id));
  PK_CHECK(old.FindById(id) != nullptr && field != nullptr,
           InvalidArgument(fmt::format("source column is not in the schema: id {}", id)));
  return field->id;
}

}  // namespace

bool IsReservedProperty(std::string_view name) {
  return std::ranges::find(kReservedProperties, name) != std::end(kReservedProperties);
}

Result<TableMetadata> MakeTableMetadata(NewTable table) {
  PK_TRY(Validate(table.schema));
  PK_CHECK(!table.location.empty(), InvalidArgument("a table needs a location"));
  PK_CHECK(!table.table_uuid.empty(), InvalidArgument("a table needs a uuid"));
  TableMetadata metadata;
  metadata.format_version = PK_TRY(FormatVersion(table.properties));
  metadata.table_uuid = std::move(table.table_uuid);
  metadata.location = StripTrailingSlash(table.location);
  metadata.last_updated_ms = table.now_ms;

  const Schema numbered = AssignFreshIds(table.schema, 1, metadata.last_column_id);
  const Schema schema(numbered.type(), 0, numbered.identifier_ids());
  metadata.schemas = {std::make_shared<const Schema>(schema)};

  PartitionSpec spec{.spec_id = 0, .fields = std::move(table.spec.fields)};
  for (PartitionField& field : spec.fields) {
    field.source_id = PK_TRY(FreshId(table.schema, schema, field.source_id));
    field.field_id = ++metadata.last_partition_id;
  }
  PK_TRY(Validate(spec, schema));
  metadata.specs = {std::move(spec)};

  SortOrder order{.order_id = table.sort_order.unsorted() ? 0 : 1,
                  .fields = std::move(table.sort_order.fields)};
  for (SortField& field : order.fields)
    field.source_id = PK_TRY(FreshId(table.schema, schema, field.source_id));
  PK_TRY(Validate(order, schema));
  metadata.default_sort_order_id = order.order_id;
  metadata.sort_orders = {std::move(order)};

  for (const auto& [name, value] : table.properties) {
    PK_CHECK(json::IsUtf8(name) && json::IsUtf8(value),
             InvalidArgument(fmt::format("a table property is not UTF-8: '{}'", name)));
  }
  metadata.properties = std::move(table.properties);
  std::erase_if(metadata.properties,
                [](const auto& each) { return IsReservedProperty(each.first); });
  return metadata;
}

}  // namespace pk::iceberg
