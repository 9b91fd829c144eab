#pragma once

// Locations: how the names that metadata hold become paths below a root. Pure: no I/O.
//
// A location is the root's URI, a slash, and segments joined by slashes, taken byte by byte: a
// space, '%', '#', '?' or an emoji is itself. Percent signs are never decoded, because the writers
// of Iceberg tables put raw paths into locations: "p=a%2Fb" is the very name of a folder. For a
// root "file:///lake" the spellings "file:/lake/..." and "/lake/..." name the same file; "file://"
// with a host is refused.
//
// Refused with kPermissionDenied: whatever is not below the root ("/lake2/x" is not below "/lake"),
// a segment "..", and a segment that begins with kReservedPrefix. Refused with kInvalidArgument: an
// empty segment, ".", a NUL byte, no absolute location at all, more than kMaxSegments segments.

#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::storage {

// Names that begin so are Parkeeper's own (the embedded coordinator's folder, files on their way)
// and never part of a location; listings leave them out.
inline constexpr std::string_view kReservedPrefix = ".parkeeper";

// Keeps a recursive listing's open folders few; tables need about ten.
inline constexpr int kMaxSegments = 64;

// The canonical spelling of a root, without a slash at its end: "file:///lake" for "/lake/",
// "file:/lake" and "file:///lake". The root of the file system is "file://". Fails with
// kInvalidArgument when `uri` is neither "scheme://authority[/path]" nor a local path from "/".
Result<std::string> ParseRoot(std::string_view uri);

// The path of the file `location` below `root` (canonical, as from ParseRoot): a part of
// `location`, "sales/t/data/a.parquet". kInvalidArgument too when it names the root, or ends with a
// slash as a folder's may.
Result<std::string_view> FileBelow(std::string_view root, std::string_view location);

// The path of the folder `location` below `root`, without a slash at its end; empty for the root.
Result<std::string_view> FolderBelow(std::string_view root, std::string_view location);

// The canonical location of the path `relative` below `root`.
std::string LocationOf(std::string_view root, std::string_view relative);

}  // namespace pk::storage
