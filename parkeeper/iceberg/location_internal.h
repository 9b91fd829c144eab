#pragma once

#include <string_view>

namespace pk::iceberg {

// As the reference implementation keeps table locations: "s3://b/t//" is "s3://b/t".
std::string_view StripTrailingSlash(std::string_view location);

}  // namespace pk::iceberg
