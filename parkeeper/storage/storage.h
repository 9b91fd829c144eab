#pragma once

// Storage: bytes by location, below one root. A local folder, memory, or an object store.
//
// A location is a URI below the root, as Iceberg metadata holds it, byte by byte and never percent-
// decoded: "file:///lake/sales/t/data/a.parquet" (spellings and rules: location.h). Whatever is not
// below the root, by ".." or by a symbolic link on the way too, is refused with kPermissionDenied;
// nothing is ever written or read there. Names that begin with ".parkeeper" are refused as well.
//
// A file is visible only when it is complete, never changes afterwards, and is durable once the
// call that made it visible has returned. There is no overwrite and no rename: only a new name, and
// removal.
//
// Errors: kNotFound, kAlreadyExists, kPermissionDenied, kInvalidArgument (a location that is none),
// kFailedPrecondition (a local file stands where a folder must be); kUnavailable when the store
// says no for now (disk full, too many open files), kCorrupt for an I/O error of the medium. An
// object store may lose a reply: then kOutcomeUnknown, and as names are never used twice the caller
// finds out by Stat(). Each message names the location.
//
// Thread-safe, all implementations. A file or writer obtained from it outlives nothing: keep the
// Storage longer.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::storage {

struct FileStatus {
  std::string location;     // in its canonical spelling
  int64_t size = 0;         // bytes
  int64_t modified_ms = 0;  // since 1970, by the store's clock

  bool operator==(const FileStatus&) const = default;
};

// An open file, read at any place, by several threads at once.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  virtual int64_t size() const = 0;
  virtual const std::string& location() const = 0;
  // Reads exactly `out.size()` bytes from `offset`; kCorrupt when the file is shorter,
  // kInvalidArgument when `offset` is negative.
  virtual Result<> Read(int64_t offset, std::span<char> out) = 0;
};

// A new file on its way. Not thread-safe. Nothing is visible before Finish(); destroyed without it,
// the file never was. After an error, and after Finish(), only destruction is useful: each further
// call fails.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  virtual Result<> Append(std::string_view bytes) = 0;
  // Bytes appended so far.
  virtual int64_t size() const = 0;
  // Makes the file durable, then visible. kAlreadyExists when the name was taken meanwhile: the
  // other file stays.
  virtual Result<> Finish() = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;

  // The root's URI without a slash at its end: "file:///lake", "memory://lake",
  // "s3://bucket/prefix".
  virtual const std::string& root() const = 0;

  virtual Result<std::unique_ptr<RandomAccessFile>> Open(std::string_view location) = 0;
  // Does not look whether the name is taken: that is Finish()'s answer.
  virtual Result<std::unique_ptr<FileWriter>> Create(std::string_view location) = 0;
  virtual Result<FileStatus> Stat(std::string_view location) = 0;

  // Calls `visit` for each file below the folder `location`, recursively, in no order; files still
  // on their way are not among them, and those that come or go meanwhile may be or not. A folder
  // that does not exist is empty. Stops at the first error that `visit` returns; `visit` may call
  // this Storage.
  virtual Result<> List(std::string_view location,
                        const std::function<Result<>(const FileStatus&)>& visit) = 0;

  // Removes a file; kNotFound when there is none. Who has it open reads on. A crash of the machine
  // may bring it back. Folders come and go by themselves.
  virtual Result<> Remove(std::string_view location) = 0;
};

// The whole file, at most `limit` bytes; kUnsupported names the size when it is larger.
Result<std::string> ReadAll(Storage& storage, std::string_view location,
                            int64_t limit = int64_t{1} << 30);

// A new file of these bytes, durable and visible on return; kAlreadyExists leaves the present one
// as it is.
Result<> WriteIfAbsent(Storage& storage, std::string_view location, std::string_view bytes);

}  // namespace pk::storage
