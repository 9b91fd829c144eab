#include "parkeeper/iceberg/property_step.h"

#include <fmt/format.h>

#include <set>
#include <string_view>

#include "parkeeper/base/json.h"
#include "parkeeper/iceberg/utf8_internal.h"

namespace pk::iceberg {
namespace {

constexpr int64_t kShownCharacters = 80;

std::string Shown(std::string_view text) {
  const std::string_view first = FirstCharacters(text, kShownCharacters);
  return fmt::format("'{}{}'", first, first.size() < text.size() ? "..." : "");
}

std::string Shown(const std::optional<std::string>& value) {
  return value ? Shown(std::string_view(*value)) : "none";
}

}  // namespace

Result<> Validate(const std::vector<PropertyStep>& steps) {
  std::set<std::string_view> names;
  for (const PropertyStep& step : steps) {
    const std::string& name = step.name;
    PK_CHECK(!name.empty(), InvalidArgument("a property needs a name"));
    PK_CHECK(json::IsUtf8(name) && json::IsUtf8(step.expected.value_or("")) &&
                 json::IsUtf8(step.value.value_or("")),
             InvalidArgument(fmt::format("the property {} is not UTF-8",
                                         Shown(std::string_view(json::ReplaceInvalid(name))))));
    PK_CHECK(!IsReservedProperty(name),
             InvalidArgument(fmt::format("'{}' is no property of its own but reserved", name)));
    PK_CHECK(names.insert(name).second,
             InvalidArgument(
                 fmt::format("two steps are of the property {}", Shown(std::string_view(name)))));
  }
  return {};
}

Result<> Check(const std::vector<PropertyStep>& steps, const TableMetadata& metadata) {
  for (const PropertyStep& step : steps) {
    std::optional<std::string> found;
    const auto property = metadata.properties.find(step.name);
    if (property != metadata.properties.end()) found = property->second;
    PK_CHECK(found == step.expected,
             Conflict(fmt::format("the property {} is not as expected: expected {}, found {}",
                                  Shown(std::string_view(step.name)), Shown(step.expected),
                                  Shown(found))));
  }
  return {};
}

void Apply(const std::vector<PropertyStep>& steps, std::map<std::string, std::string>& properties) {
  for (const PropertyStep& step : steps) {
    if (step.value) {
      properties[step.name] = *step.value;
    } else {
      properties.erase(step.name);
    }
  }
}

}  // namespace pk::iceberg
