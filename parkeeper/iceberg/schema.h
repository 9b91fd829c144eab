#pragma once

// Schema: the columns of a table by field id. Immutable; share it by shared_ptr<const Schema>.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/type.h"

namespace pk::iceberg {

class Schema {
 public:
  Schema() : Schema(StructType{}) {}
  explicit Schema(StructType type, int32_t schema_id = 0, std::vector<int32_t> identifier_ids = {});

  const StructType& type() const { return *type_; }
  const std::vector<Field>& fields() const { return type_->fields; }
  int32_t schema_id() const { return schema_id_; }
  const std::vector<int32_t>& identifier_ids() const { return identifier_ids_; }

  // The field with this id at any depth (elements, keys and values of lists and maps are fields
  // named "element", "key", "value"); null when there is none. O(1). Valid as long as the schema.
  const Field* FindById(int32_t id) const;
  // By full name, "point.x", "tags.element"; exact, or without regard to ASCII case when exactly
  // one matches.
  const Field* FindByName(std::string_view full_name, bool case_sensitive = true) const;
  // "point.x"; empty when there is no such id. O(1).
  std::string FullName(int32_t id) const;
  // Of all fields at any depth, in alphabetical order.
  std::vector<std::string> FullNames() const;
  // Ids of the top-level field down to the field `id`, both included; empty when there is none.
  std::vector<int32_t> PathTo(int32_t id) const;
  // The field is inside a list or a map, so a row has no single value of it.
  bool IsRepeated(int32_t id) const;
  // 0 in a schema without columns.
  int32_t HighestFieldId() const { return highest_id_; }

  // Same columns and identifier fields; the schema id does not count.
  bool SameColumns(const Schema& other) const;
  bool operator==(const Schema& other) const;

 private:
  struct Entry {
    Field field;
    std::string full_name;
    int32_t parent = kNoParent;
    bool repeated = false;
  };
  static constexpr int32_t kNoParent = -1;
  void Index(const StructType& type, const Entry& parent, int32_t parent_id);
  void Add(const Field& field, const Entry& parent, int32_t parent_id, bool repeated);

  std::shared_ptr<const StructType> type_;
  int32_t schema_id_;
  std::vector<int32_t> identifier_ids_;
  int32_t highest_id_ = 0;
  std::unordered_map<int32_t, Entry> by_id_;
  std::map<std::string, int32_t, std::less<>> by_name_;
};

// Ids from here on are reserved for metadata columns (spec, "Reserved Field IDs").
inline constexpr int32_t kFirstReservedFieldId = 2147483447;

// Rules of the specification: ids unique and below the reserved ones, full names unique and not
// empty, decimals and fixeds within bounds, identifier fields required, primitive, not float or
// double, not in lists, maps or optional structs. kInvalidArgument.
Result<> Validate(const Schema& schema);

// The same columns with ids from `first_id` on, numbered level by level as the reference
// implementation does for a new table; `last_id` receives the highest id given.
Schema AssignFreshIds(const Schema& schema, int32_t first_id, int32_t& last_id);

// The error for a column that is not there, kInvalidArgument, with the nearest known names.
Error UnknownColumn(const Schema& schema, std::string_view name);

// The column of this full name; an exact match counts whatever other columns differ from it by case
// only. kInvalidArgument as of UnknownColumn, or names two that match without regard to case.
Result<const Field*> FindColumn(const Schema& schema, std::string_view name,
                                bool case_sensitive = true);

// Only the columns named (full names, nested allowed), in the schema's order; kInvalidArgument
// names an unknown column and the nearest known ones. A struct that is named comes whole; a map
// keeps its key. The schema id and those identifier fields that are left are kept.
Result<Schema> Select(const Schema& schema, const std::vector<std::string>& names);

// "ts timestamptz not null, tags list<string>, point struct<x: double, y: double>, price
// decimal(9,2)": the text of --schema, ids assigned from 1. SQL names are accepted too (bigint,
// varchar, integer, smallint as int, real, bytea, "timestamp with time zone"), names with odd
// characters in double quotes, `comment 'text'` as a column's doc, and "not null" inside lists,
// maps and structs; kInvalidArgument gives the position.
Result<Schema> ParseSchemaText(std::string_view text);

}  // namespace pk::iceberg
