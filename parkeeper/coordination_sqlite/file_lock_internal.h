#pragma once

// Files with locks that the kernel keeps: each is released when its process dies, however it dies.
// Locks belong to the open file (F_OFD_*), so two FileWithLocks of one process exclude each other
// as those of two processes do.

#include <cstddef>
#include <cstdint>
#include <string>

#include "parkeeper/base/result.h"

namespace pk::coordination::sqlite {

// An open file, made when missing, closed by the destructor, not inherited by exec.
class FileWithLocks {
 public:
  static Result<FileWithLocks> Open(const std::string& path);
  FileWithLocks(FileWithLocks&& other) noexcept;
  FileWithLocks& operator=(FileWithLocks&&) = delete;
  ~FileWithLocks();

  // Locks the byte for this open file alone; false when another has it.
  bool TryLock(int64_t byte);
  // The same, waiting in the kernel. A cancellation point of its thread.
  void LockAndWait(int64_t byte);
  void Unlock(int64_t byte);
  // Another open file has the byte locked.
  bool LockedByOther(int64_t byte) const;

  Result<> Write(int64_t offset, const void* bytes, size_t size);
  // False unless all bytes are there.
  bool Read(int64_t offset, void* bytes, size_t size) const;

  const std::string& path() const { return path_; }

 private:
  FileWithLocks(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

}  // namespace pk::coordination::sqlite
