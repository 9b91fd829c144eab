#pragma once

// What plans and requests have in common as JSON.

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/input.h"

namespace pk::jobs {

boost::json::object InputJson(const datafile::InputOptions& input);
Result<datafile::InputOptions> ParseInputJson(const boost::json::object& object);

boost::json::array TextsJson(const std::vector<std::string>& texts);
Result<std::vector<std::string>> ParseTextsJson(const boost::json::array& array);

}  // namespace pk::jobs
