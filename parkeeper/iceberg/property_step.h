#pragma once

// PropertyStep: what a commit requires of one property of its table, and what it makes of it. A
// position that only the commit itself moves on, such as how far into its source a transform has
// come, is thereby moved on exactly once, whoever repeats the work: of two commits that require the
// same old value one is rejected.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/table_metadata.h"

namespace pk::iceberg {

struct PropertyStep {
  std::string name;
  std::optional<std::string> expected;  // nullopt: it must not be set
  std::optional<std::string> value;     // nullopt: it is removed

  bool operator==(const PropertyStep&) const = default;
};

// kInvalidArgument: what no table can take. A name that is empty or reserved (see
// IsReservedProperty), a name or value that is not UTF-8, a property that two steps name.
Result<> Validate(const std::vector<PropertyStep>& steps);

// kConflict names the first property that is not as expected, what was expected and what was found,
// each shortened to 80 characters. Whoever found it so has nothing to apply.
Result<> Check(const std::vector<PropertyStep>& steps, const TableMetadata& metadata);

// Sets and removes what the steps say, whatever was there.
void Apply(const std::vector<PropertyStep>& steps, std::map<std::string, std::string>& properties);

}  // namespace pk::iceberg
