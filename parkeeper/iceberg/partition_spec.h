#pragma once

// Partition specs and sort orders (spec, "Partitioning" and "Sorting"), as values.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/iceberg/transform.h"

namespace pk::iceberg {

struct PartitionField {
  int32_t source_id = 0;
  int32_t field_id = 0;  // from 1000 on, unique in the table
  std::string name;
  Transform transform;
  UnknownMembers unknown = {};
  bool operator==(const PartitionField&) const = default;
};

struct PartitionSpec {
  int32_t spec_id = 0;
  std::vector<PartitionField> fields;
  UnknownMembers unknown = {};
  bool unpartitioned() const { return fields.empty(); }
  bool operator==(const PartitionSpec&) const = default;
};

inline constexpr int32_t kFirstPartitionFieldId = 1000;

// Source columns exist and are primitive and not repeated and transforms take them (void asks for
// none of this: its column may be gone), names unique and not a column's (but for identity and
// void of that column), ids unique. kInvalidArgument.
Result<> Validate(const PartitionSpec& spec, const Schema& schema);

// The types of the partition values, in field order. What a dropped source column or an unknown
// transform leaves undetermined is carried as string (null values only).
std::vector<PrimitiveType> PartitionTypes(const PartitionSpec& spec, const Schema& schema);
// The same as a struct with the partition field ids, all optional: the type of `partition` in
// manifests.
StructType PartitionStruct(const PartitionSpec& spec, const Schema& schema);

// "ts_day=2017-11-16/id_bucket=3", names and values URL-encoded as the reference implementation
// does (form encoding: a space is "+"); "" when unpartitioned. As many values as fields, of
// PartitionTypes; anything else is a programmer's error.
std::string PartitionPath(const PartitionSpec& spec, const Schema& schema,
                          const std::vector<Value>& values);

// "day(ts), bucket(16, id), category, truncate(4, name) as prefix": the text of --partition-by,
// bound to the schema; field ids from kFirstPartitionFieldId on, names as the reference
// implementation derives them (ts_day, id_bucket, name_trunc). Spark's forms days(ts) and
// bucket(id, 16) are read too; "" is unpartitioned. kInvalidArgument names position or column.
Result<PartitionSpec> ParsePartitionText(std::string_view text, const Schema& schema);

struct SortField {
  int32_t source_id = 0;
  Transform transform;
  bool descending = false;
  bool nulls_first = true;
  UnknownMembers unknown = {};
  bool operator==(const SortField&) const = default;
};

struct SortOrder {
  int32_t order_id = 0;  // 0: unsorted
  std::vector<SortField> fields;
  UnknownMembers unknown = {};
  bool unsorted() const { return fields.empty(); }
  bool operator==(const SortOrder&) const = default;
};

// Id 0 stands for unsorted and for nothing else; source columns as in partition specs.
// kInvalidArgument.
Result<> Validate(const SortOrder& order, const Schema& schema);

// "ts desc, bucket(16, id) nulls last"; ascending puts nulls first and descending last unless said
// otherwise. The order gets id 1, "" is unsorted (id 0). kInvalidArgument names position or column.
Result<SortOrder> ParseSortText(std::string_view text, const Schema& schema);

}  // namespace pk::iceberg
