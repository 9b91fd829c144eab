#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "parkeeper/storage/descriptor_internal.h"

namespace pk::storage {

// The folders below one root folder, entered without following a symbolic link. Paths are relative,
// checked already ("a/b"; empty: the root). Thread-safe. Failure: a Descriptor's errno, ELOOP for a
// link on the way.
class Folders {
 public:
  // `use_openat2`: one system call per path instead of one per segment; needs Linux 5.6.
  Folders(Descriptor root, bool use_openat2);

  // open(2) of `path` with `flags`; with O_PATH alone, a symbolic link at its end may be opened as
  // itself.
  Descriptor Open(std::string_view path, int flags) const;

  // The folder `path`, made with all above it when missing.
  Descriptor Make(std::string_view path) const;

  // Fsyncs whatever folder holds the name of `path` or of one above it, unless this object knows
  // that it did so before. Zero, or errno.
  int MakeDurable(std::string_view path);

 private:
  Descriptor OpenAtOnce(std::string_view path, int flags) const;
  Descriptor OpenStepwise(std::string_view path, int flags) const;
  bool IsDurable(const std::string& path);

  const Descriptor root_;
  const bool use_openat2_;
  std::mutex mutex_;
  std::unordered_set<std::string> durable_;
};

// Whether the kernel has openat2 and lets us call it (a sandbox may refuse it).
bool HasOpenat2(int folder);

// open(2) of one name in `folder`, new files with mode 0666; ELOOP when it is a symbolic link.
Descriptor OpenStep(int folder, const std::string& name, int flags);

// Makes the names in `folder` durable. Zero, or errno.
int SyncFolder(int folder);

// "a/b/c" -> {"a/b", "c"}, "c" -> {"", "c"}.
std::pair<std::string_view, std::string_view> SplitPath(std::string_view path);

}  // namespace pk::storage
