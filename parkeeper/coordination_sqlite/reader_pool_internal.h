#pragma once

// Connections for reading: one for each thread that reads now, kept for the next, at most
// kMaxReaders (each caches up to 2 MB of pages); further threads wait for one. Thread-safe.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/coordination_sqlite/database_internal.h"

namespace pk::coordination::sqlite {

inline constexpr size_t kMaxReaders = 8;

class ReaderPool;

// A connection with a read transaction open: everything read through it is of one point of the
// order. Goes back to the pool when it goes.
class Reader {
 public:
  Reader(ReaderPool& pool, std::unique_ptr<Connection> connection)
      : pool_(&pool), connection_(std::move(connection)) {}
  Reader(Reader&&) = default;
  Reader& operator=(Reader&&) = delete;
  ~Reader();

  Connection& operator*() { return *connection_; }

 private:
  ReaderPool* pool_;
  std::unique_ptr<Connection> connection_;
};

class ReaderPool {
 public:
  ReaderPool(std::string file, std::chrono::milliseconds busy)
      : file_(std::move(file)), busy_(busy) {}

  Result<Reader> Begin();

 private:
  friend class Reader;
  Result<std::unique_ptr<Connection>> Take();
  void GiveBack(std::unique_ptr<Connection> connection);

  const std::string file_;
  const std::chrono::milliseconds busy_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> idle_;
  size_t taken_ = 0;
};

}  // namespace pk::coordination::sqlite
