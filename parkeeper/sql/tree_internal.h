#pragma once

// Trees that DuckDB hands over as JSON: parsed queries and plans, nested deeper than other JSON.

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::sql {

// Nested at most 4,000 deep, as deep expressions are. Numbers with a point may be off in their last
// digit. kUnsupported: it is no such JSON.
Result<boost::json::value> ParseTree(std::string_view text);

// The member of this name; "" or null when there is none of that kind.
std::string Member(const boost::json::object& object, std::string_view key);
const boost::json::object* ObjectMember(const boost::json::object& object, std::string_view key);
const boost::json::array* ArrayMember(const boost::json::object& object, std::string_view key);
// An entry of a plan's node is a text, or several when it has line breaks or is a list.
std::vector<std::string> TextsOf(const boost::json::object& object, std::string_view key);

}  // namespace pk::sql
