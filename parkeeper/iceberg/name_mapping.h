#pragma once

// Name mapping (spec, "Column Projection"; table property schema.name-mapping.default): field ids
// for the columns of files that hold none.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::iceberg {

struct MappedField {
  std::vector<std::string> names;
  std::optional<int32_t> field_id = std::nullopt;
  std::vector<MappedField> fields = {};
  bool operator==(const MappedField&) const = default;
};
struct NameMapping {
  std::vector<MappedField> fields;
  bool operator==(const NameMapping&) const = default;
};

Result<NameMapping> ParseNameMapping(std::string_view json);
std::string ToJson(const NameMapping& mapping);
// By the schema's own names: what is used when a table has no mapping and its files have no ids.
NameMapping MappingOf(const Schema& schema);

}  // namespace pk::iceberg
