#include "parkeeper/storage/location.h"

#include <fmt/format.h>

#include <algorithm>

namespace pk::storage {
namespace {

constexpr std::string_view kFile = "file:";
constexpr std::string_view kLocal = "file://";

Error Bad(std::string_view why, std::string_view location) {
  return InvalidArgument(fmt::format("not a location, {}: '{}'", why, location));
}

bool HasScheme(std::string_view uri) {
  const size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  return std::ranges::all_of(uri.substr(0, colon), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
  });
}

// The path of a local spelling ("file:///a", "file:/a", "/a" -> "/a"); empty when it is none.
std::string_view LocalPath(std::string_view location) {
  if (location.starts_with(kLocal))
    location.remove_prefix(kLocal.size());
  else if (location.starts_with(kFile))
    location.remove_prefix(kFile.size());
  return location.starts_with('/') ? location : std::string_view();
}

Result<> CheckSegments(std::string_view relative, std::string_view location) {
  int count = 0;
  for (size_t at = 0; at <= relative.size();) {
    const size_t end = std::min(relative.find('/', at), relative.size());
    const std::string_view segment = relative.substr(at, end - at);
    at = end + 1;
    PK_CHECK(!segment.empty(), Bad("it has an empty segment", location));
    PK_CHECK(segment != ".", Bad("it has a segment '.'", location));
    PK_CHECK(segment != "..",
             Error(ErrorCode::kPermissionDenied,
                   fmt::format("a location must not leave the root by '..': '{}'", location)));
    PK_CHECK(!segment.starts_with(kReservedPrefix),
             Error(ErrorCode::kPermissionDenied,
                   fmt::format("names that begin with '{}' are Parkeeper's own: '{}'",
                               kReservedPrefix, location)));
    PK_CHECK(++count <= kMaxSegments,
             Bad(fmt::format("it has more than {} segments", kMaxSegments), location));
  }
  return {};
}

// What follows the root in `location`: empty, or from the slash on.
Result<std::string_view> AfterRoot(std::string_view root, std::string_view location) {
  PK_CHECK(location.find('\0') == std::string_view::npos, Bad("it has a NUL byte", location));
  std::string_view path = location;
  std::string_view root_path = root;
  if (root.starts_with(kLocal)) {
    path = LocalPath(location);
    root_path = root.substr(kLocal.size());
  }
  if (path.starts_with(root_path)) {
    const std::string_view rest = path.substr(root_path.size());
    if (rest.starts_with('/') || (rest.empty() && !path.empty())) return rest;
  }
  PK_CHECK(location.starts_with('/') || HasScheme(location), Bad("it is relative", location));
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("a location must be below the root {}: '{}'", root, location));
}

}  // namespace

Result<std::string> ParseRoot(std::string_view uri) {
  PK_CHECK(uri.find('\0') == std::string_view::npos, Bad("it has a NUL byte", uri));
  std::string_view prefix;
  std::string_view path = LocalPath(uri);
  if (!path.empty()) {
    prefix = kLocal;
  } else {
    const size_t colon = uri.find("://");
    PK_CHECK(HasScheme(uri) && colon == uri.find(':') && !uri.starts_with(kFile),
             Bad("a root is 'scheme://authority/path' or a local path from '/'", uri));
    const size_t authority_end = std::min(uri.find('/', colon + 3), uri.size());
    PK_CHECK(authority_end > colon + 3, Bad("its authority is empty", uri));
    prefix = uri.substr(0, authority_end);
    path = uri.substr(authority_end);
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view segment = path.substr(at + 1, end - at - 1);
    PK_CHECK(!segment.empty() && segment != "." && segment != "..",
             Bad("a root has no empty segment, no '.' and no '..'", uri));
    at = end;
  }
  return std::string(prefix).append(path);
}

Result<std::string_view> FileBelow(std::string_view root, std::string_view location) {
  std::string_view relative = PK_TRY(AfterRoot(root, location));
  PK_CHECK(relative.size() > 1, Bad("it names the root, not a file", location));
  PK_CHECK(!relative.ends_with('/'), Bad("it names a folder, not a file", location));
  relative.remove_prefix(1);
  PK_TRY(CheckSegments(relative, location));
  return relative;
}

Result<std::string_view> FolderBelow(std::string_view root, std::string_view location) {
  std::string_view relative = PK_TRY(AfterRoot(root, location));
  if (relative.size() <= 1) return std::string_view();
  relative.remove_prefix(1);
  if (relative.ends_with('/')) relative.remove_suffix(1);
  PK_TRY(CheckSegments(relative, location));
  return relative;
}

std::string LocationOf(std::string_view root, std::string_view relative) {
  std::string location;
  location.reserve(root.size() + 1 + relative.size());
  location.append(root);
  if (!relative.empty() || root == kLocal) location.append("/").append(relative);
  return location;
}

}  // namespace pk::storage
