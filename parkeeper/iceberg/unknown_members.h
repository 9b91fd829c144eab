#pragma once

// What a JSON object of Iceberg holds beyond the members that this version knows: a later format
// version's, or another engine's. Carried through a round trip, never interpreted.

#include <map>
#include <string>

namespace pk::iceberg {

// Member name to JSON text. Numbers beyond 64 bits are carried as doubles.
using UnknownMembers = std::map<std::string, std::string>;

}  // namespace pk::iceberg
