#pragma once

#include <string>
#include <string_view>

namespace pk::jobs {

// SHA-256, 32 bytes: names derived from it do not collide, whoever chooses what is in them.
std::string Digest(std::string_view bytes);
std::string HexDigest(std::string_view bytes);

}  // namespace pk::jobs
