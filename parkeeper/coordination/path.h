#pragma once

// Paths of nodes, and names of people as one segment of a path. Pure functions.
//
// A path is "/" (the root) or "/" and segments joined by "/": "/a/b". What ZooKeeper refuses is
// refused for every back end: empty segments, a trailing slash, "." and "..", bytes that are not
// UTF-8, U+0000 to U+001F, U+007F to U+009F, U+E000 to U+F8FF, U+FFF0 to U+FFFF, all above U+FFFF,
// and its own "/zookeeper".

#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::coordination {

// kInvalidArgument says what is wrong and shows the path. At most kMaxPathBytes.
Result<> ValidatePath(std::string_view path);

// "/a" of "/a/b", "/" of "/a" and of "/". `path` must be valid; the result views into it.
std::string_view Parent(std::string_view path);

// "b" of "/a/b", "" of "/".
std::string_view LastSegment(std::string_view path);

// "/a/b" from "/a" and "b", "/b" from "/" and "b".
std::string Join(std::string_view parent, std::string_view segment);

// Is `path` the same as `ancestor` or below it? "/ab" is not below "/a".
bool IsAtOrBelow(std::string_view path, std::string_view ancestor);

// Any bytes as one valid segment, at most three times as long; different names give different
// segments.
//
// Scheme: ASCII letters, digits, '-', '_' and '.' stand for themselves; every other byte is '%' and
// two upper-case hex digits. Three names would not be valid so: "." is "%2E", ".." is "%2E.",
// "zookeeper" is "%7Aookeeper". The empty name is "%".
std::string EscapeSegment(std::string_view name);

// The name that EscapeSegment made `segment` of; kCorrupt for anything it never makes, so that a
// name has exactly one segment.
Result<std::string> UnescapeSegment(std::string_view segment);

}  // namespace pk::coordination
