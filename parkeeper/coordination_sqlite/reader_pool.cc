#include "parkeeper/coordination_sqlite/reader_pool_internal.h"

namespace pk::coordination::sqlite {

Reader::~Reader() {
  if (connection_ != nullptr) pool_->GiveBack(std::move(connection_));
}

Result<Reader> ReaderPool::Begin() {
  Reader reader(*this, PK_TRY(Take()));
  PK_TRY((*reader).Execute("BEGIN"));
  return reader;
}

Result<std::unique_ptr<Connection>> ReaderPool::Take() {
  std::unique_lock guard(mutex_);
  const bool free =
      freed_.wait_until(guard, SystemClock().Now() + busy_, [&] { return taken_ < kMaxReaders; });
  PK_CHECK(free, Unavailable("too many threads read at once from " + file_));
  ++taken_;
  if (!idle_.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  guard.unlock();
  Result<std::unique_ptr<Connection>> opened = Connection::Open(file_, false, busy_);
  if (!opened.ok()) {
    guard.lock();
    --taken_;
    freed_.notify_one();
  }
  return opened;
}

void ReaderPool::GiveBack(std::unique_ptr<Connection> connection) {
  // One whose transaction cannot be ended is closed instead of kept.
  const bool sound = !connection->in_transaction() || connection->Execute("ROLLBACK").ok();
  if (!sound) connection.reset();
  std::lock_guard guard(mutex_);
  if (sound) idle_.push_back(std::move(connection));
  --taken_;
  freed_.notify_one();
}

}  // namespace pk::coordination::sqlite
