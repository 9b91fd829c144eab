#include "parkeeper/coordination_sqlite/sqlite_coordinator.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "parkeeper/base/log.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/validate.h"
#include "parkeeper/coordination_sqlite/beating_session_internal.h"
#include "parkeeper/coordination_sqlite/folder_internal.h"
#include "parkeeper/coordination_sqlite/reader_pool_internal.h"
#include "parkeeper/coordination_sqlite/tree_internal.h"
#include "parkeeper/coordination_sqlite/watches_internal.h"
#include "parkeeper/coordination_sqlite/writer_lock_internal.h"

namespace pk::coordination {
namespace sqlite {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestSession{50};
// A log of about 4 MB; at 1,000 nodes a megabyte it is copied once in a few thousand commits.
constexpr int kCheckpointFrames = 1'000;
// Tried again after so many more when readers kept a part of the log in use.
constexpr int kCheckpointStride = 250;
// Beside what a transaction writes: pages of the tree on the way to its rows.
constexpr uint64_t kFreeSpaceReserve = uint64_t{256} * 1024;
constexpr milliseconds kLongestFarewell{2'000};
constexpr int64_t kMaxSlots = 100'000;  // far more sessions than a machine has processes

// The bell: a byte is written after each commit, and inotify wakes whoever watches.
class Bell {
 public:
  static Result<Bell> Open(const std::string& path) {
    FileWithLocks file = PK_TRY(FileWithLocks::Open(path));
    return Bell(std::move(file));
  }
  // A failure is made good by the slow poll.
  void Ring() { (void)file_.Write(0, "x", 1); }

 private:
  explicit Bell(FileWithLocks file) : file_(std::move(file)) {}
  FileWithLocks file_;
};

class SqliteCoordinator final : public Coordinator {
 public:
  SqliteCoordinator(FolderFiles files, SqliteOptions options, FileWithLocks lock,
                    FileWithLocks sessions, std::string boot)
      : files_(std::move(files)),
        options_(options),
        writer_lock_(std::move(lock)),
        liveness_(std::move(sessions), std::move(boot)),
        readers_(files_.database, options.lock_timeout) {}
  ~SqliteCoordinator() override;

  // Second half of the construction, which can fail.
  Result<> Start();

  Result<Node> Get(std::string_view path) override;
  Result<std::vector<std::string>> List(std::string_view path) override;
  Result<std::vector<Result<ReadReply>>> Read(const std::vector<ReadRequest>& requests) override;
  Result<std::vector<Result<NodeStat>>> Stats(const std::vector<std::string>& paths) override;
  Result<CommitOutcome> Commit(const Transaction& transaction) override;
  Result<std::unique_ptr<Watch>> StartWatch(std::string_view path, WatchScope scope) override;
  Result<> Sync() override;
  Session& session() override { return *session_; }

 private:
  Result<> AcquireWriter(SteadyTime deadline);
  Result<Connection*> Writer();
  Result<CommitOutcome> CommitLocked(const Transaction& transaction);
  void AfterCommit();
  Result<SessionRow> InsertOwnSession();
  Result<size_t> EndDeadSessions(TreeWriter& tree, uint64_t except);
  Result<> EndOwnSession();

  void KeepSession(std::stop_token stop);
  void LookAround();
  Result<std::vector<SessionRow>> Sessions();
  Result<> Reap();

  const FolderFiles files_;
  const SqliteOptions options_;
  WriterLock writer_lock_;
  Liveness liveness_;
  std::unique_ptr<Connection> writer_;  // under writer_lock_
  int checkpoint_at_ = kCheckpointFrames;
  std::optional<Bell> bell_;
  ReaderPool readers_;
  std::optional<BeatingSession> session_;

  std::mutex keeper_mutex_;
  std::condition_variable_any keeper_woken_;
  bool woken_ = false;
  // The keeper's own, so that no crowd of readers delays a heartbeat.
  std::unique_ptr<Connection> keeper_connection_;
  std::optional<WatchHub> watches_;
  std::jthread keeper_;
};

Result<> SqliteCoordinator::Start() {
  PK_TRY(AcquireWriter(SystemClock().Now() + options_.lock_timeout));
  const WriterLockGuard guard(writer_lock_);
  // Emptied by something else: to begin anew would hide that everything is lost. The bell comes
  // after the first commit, so it tells.
  const bool had_bell = access(files_.bell.c_str(), F_OK) == 0;
  PK_CHECK(!had_bell || access(files_.database.c_str(), F_OK) == 0,
           Corrupt(fmt::format("the coordinator's file is missing but was in use, restore it from "
                               "a backup: {}",
                               files_.database)));
  writer_ = PK_TRY(Connection::Open(files_.database, !had_bell, options_.lock_timeout));
  PK_TRY(PrepareLayout(*writer_, had_bell));
  if (!had_bell) PK_TRY(SyncFolder(files_.folder));
  bell_.emplace(PK_TRY(Bell::Open(files_.bell)));
  const SteadyTime now = SystemClock().Now();
  const SessionRow row = PK_TRY(InsertOwnSession());
  session_.emplace(liveness_, row, now);
  AfterCommit();
  watches_.emplace(files_, [this] {
    std::lock_guard waking(keeper_mutex_);
    woken_ = true;
    keeper_woken_.notify_all();
  });
  keeper_ = std::jthread([this](std::stop_token stop) { KeepSession(std::move(stop)); });
  return {};
}

SqliteCoordinator::~SqliteCoordinator() {
  if (!session_.has_value()) return;
  watches_.reset();
  keeper_.request_stop();
  keeper_.join();
  // When this fails, letting go of the slot shows everybody else that the session is over.
  if (const Result<> ended = EndOwnSession(); !ended.ok()) {
    Log(LogLevel::kInfo, fmt::format("session {} is left to others to end: {}", session_->id(),
                                     ended.error().ToString()));
  }
  session_->Lose();
}

Result<Node> SqliteCoordinator::Get(std::string_view path) {
  PK_TRY(ValidatePath(path));
  PK_TRY(session_->CheckAlive());
  Reader reader = PK_TRY(readers_.Begin());
  return ReadNode(*reader, path);
}

Result<std::vector<std::string>> SqliteCoordinator::List(std::string_view path) {
  PK_TRY(ValidatePath(path));
  PK_TRY(session_->CheckAlive());
  Reader reader = PK_TRY(readers_.Begin());
  return ReadChildren(*reader, path);
}

Result<std::vector<Result<ReadReply>>> SqliteCoordinator::Read(
    const std::vector<ReadRequest>& requests) {
  PK_TRY(ValidateReads(requests));
  PK_TRY(session_->CheckAlive());
  Reader reader = PK_TRY(readers_.Begin());
  std::vector<Result<ReadReply>> replies;
  replies.reserve(requests.size());
  for (const ReadRequest& request : requests) {
    const auto read = [&]() -> Result<ReadReply> {
      ReadReply reply;
      if (request.children) {
        reply.children = PK_TRY(ReadChildren(*reader, request.path));
      } else {
        reply.node = PK_TRY(ReadNode(*reader, request.path));
      }
      return reply;
    };
    Result<ReadReply> reply = read();
    if (!reply.ok() && reply.error().code() != ErrorCode::kNotFound) return reply.error();
    replies.push_back(std::move(reply));
  }
  return replies;
}

Result<std::vector<Result<NodeStat>>> SqliteCoordinator::Stats(
    const std::vector<std::string>& paths) {
  PK_TRY(ValidateStats(paths));
  PK_TRY(session_->CheckAlive());
  Reader reader = PK_TRY(readers_.Begin());
  std::vector<Result<NodeStat>> stats;
  stats.reserve(paths.size());
  for (const std::string& path : paths) {
    Result<NodeStat> stat = ReadStat(*reader, path);
    if (!stat.ok() && stat.error().code() != ErrorCode::kNotFound) return stat.error();
    stats.push_back(std::move(stat));
  }
  return stats;
}

Result<> SqliteCoordinator::Sync() {
  // Every read begins at the last commit of all processes; this only shows that reading works.
  PK_TRY(session_->CheckAlive());
  PK_TRY(readers_.Begin());
  return {};
}

Result<std::unique_ptr<Watch>> SqliteCoordinator::StartWatch(std::string_view path,
                                                             WatchScope scope) {
  PK_TRY(ValidatePath(path));
  PK_TRY(session_->CheckAlive());
  std::unique_ptr<Watch> watch = PK_TRY(watches_->Start(path, scope, session_->lost()));
  // After the start: a removal from now on rings.
  if (scope == WatchScope::kChildren) PK_TRY(Get(path));
  return watch;
}

Result<CommitOutcome> SqliteCoordinator::Commit(const Transaction& transaction) {
  PK_TRY(ValidateTransaction(transaction));
  PK_TRY(session_->CheckAlive());
  PK_TRY(AcquireWriter(SystemClock().Now() + options_.lock_timeout));
  const WriterLockGuard guard(writer_lock_);
  Result<CommitOutcome> outcome = CommitLocked(transaction);
  if (!outcome.ok()) {
    // Whatever state the failure left it in, closing it ends its transaction.
    writer_.reset();
    return outcome;
  }
  session_->SetConnected(true);
  if (std::holds_alternative<Applied>(*outcome)) AfterCommit();
  return outcome;
}

Result<> SqliteCoordinator::AcquireWriter(SteadyTime deadline) {
  if (writer_lock_.Acquire(deadline)) return {};
  if (session_.has_value()) session_->SetConnected(false);
  return Unavailable(
      fmt::format("another process has held the coordinator's write lock all the time, perhaps it "
                  "is stopped: {}",
                  files_.folder));
}

// Called with the write lock.
Result<Connection*> SqliteCoordinator::Writer() {
  // One that could not end its transaction is closed, which ends it.
  if (writer_ != nullptr && writer_->in_transaction()) writer_.reset();
  if (writer_ == nullptr) {
    writer_ = PK_TRY(Connection::Open(files_.database, false, options_.lock_timeout));
  }
  return writer_.get();
}

Result<CommitOutcome> SqliteCoordinator::CommitLocked(const Transaction& transaction) {
  PK_TRY(CheckFreeSpace(files_.folder, kFreeSpaceReserve + 3 * RequestBytes(transaction)));
  Connection& writer = *PK_TRY(Writer());
  auto begun = SqlTransaction::Begin(writer, SqlTransaction::Kind::kWrite);
  if (!begun.ok()) {
    if (begun.error().code() == ErrorCode::kUnavailable) session_->SetConnected(false);
    return std::move(begun).error();
  }
  SqlTransaction step = std::move(begun).value();
  const std::optional<uint64_t> zxid = PK_TRY(NextZxidFor(writer, session_->id()));
  if (!zxid.has_value()) {
    session_->Lose();
    PK_TRY(session_->CheckAlive());
  }
  Applied applied{.zxid = *zxid, .paths = {}, .stats = {}};
  TreeWriter tree(writer, session_->id(), *zxid, SystemClock().WallMs());
  for (size_t i = 0; i < transaction.operations().size(); ++i) {
    std::optional<Error> reason = PK_TRY(tree.Apply(transaction.operations()[i], applied));
    if (reason.has_value()) return CommitOutcome(Refused{i, std::move(*reason)});
  }
  PK_TRY(tree.PruneChanges());
  PK_TRY(step.Commit());
  return CommitOutcome(std::move(applied));
}

// Called with the write lock, which also keeps every writer away from a checkpoint: older versions
// of SQLite can damage the file when a checkpoint meets a writer that starts the log again.
void SqliteCoordinator::AfterCommit() {
  bell_->Ring();
  const int frames = writer_->log_frames();
  if (frames < kCheckpointFrames) checkpoint_at_ = kCheckpointFrames;
  if (frames < checkpoint_at_) return;
  checkpoint_at_ = frames + kCheckpointStride;
  if (const Result<> done = writer_->Checkpoint(); !done.ok()) {
    Log(LogLevel::kWarning, "the log goes on growing: " + done.error().ToString());
  }
}

// Called with the write lock.
Result<SessionRow> SqliteCoordinator::InsertOwnSession() {
  Connection& writer = *PK_TRY(Writer());
  SqlTransaction step = PK_TRY(SqlTransaction::Begin(writer, SqlTransaction::Kind::kWrite));
  const uint64_t zxid = PK_TRY(NextZxid(writer));
  TreeWriter tree(writer, 0, zxid, SystemClock().WallMs());
  PK_TRY(EndDeadSessions(tree, 0));
  SessionRow row{.id = zxid,
                 .slot = 0,
                 .timeout = std::max(options_.session_timeout, kShortestSession),
                 .boot = liveness_.boot()};
  std::set<int64_t> used;
  for (const SessionRow& other : PK_TRY(ReadSessions(writer))) used.insert(other.slot);
  // The slot of a session that is over may still be locked by a process that does not know.
  while (used.contains(row.slot) || !liveness_.Claim(row.slot)) {
    PK_CHECK(++row.slot < kMaxSlots,
             Unavailable(fmt::format("no session can lock its slot: {}", files_.sessions)));
  }
  PK_TRY(liveness_.Beat(row.slot, row.id, SystemClock().Now()));
  PK_TRY(InsertSession(writer, row));
  PK_TRY(tree.PruneChanges());
  PK_TRY(step.Commit());
  return row;
}

// Inside a write transaction: so each look is at a session that nobody else ends meanwhile.
Result<size_t> SqliteCoordinator::EndDeadSessions(TreeWriter& tree, uint64_t except) {
  size_t ended = 0;
  for (const SessionRow& session : PK_TRY(ReadSessions(*writer_))) {
    if (session.id == except || !liveness_.IsDead(session, SystemClock().Now())) continue;
    PK_TRY(tree.EndSession(session.id));
    ++ended;
  }
  return ended;
}

Result<> SqliteCoordinator::EndOwnSession() {
  const SteadyTime deadline =
      SystemClock().Now() + std::min<Duration>(options_.lock_timeout, kLongestFarewell);
  PK_TRY(AcquireWriter(deadline));
  const WriterLockGuard guard(writer_lock_);
  Connection& writer = *PK_TRY(Writer());
  SqlTransaction step = PK_TRY(SqlTransaction::Begin(writer, SqlTransaction::Kind::kWrite));
  const std::optional<uint64_t> zxid = PK_TRY(NextZxidFor(writer, session_->id()));
  if (!zxid.has_value()) return {};
  TreeWriter tree(writer, session_->id(), *zxid, SystemClock().WallMs());
  PK_TRY(tree.EndSession(session_->id()));
  PK_TRY(tree.PruneChanges());
  PK_TRY(step.Commit());
  AfterCommit();
  return {};
}

// The one background thread of a session: its heartbeat, and the end of others.
void SqliteCoordinator::KeepSession(std::stop_token stop) {
  while (!stop.stop_requested()) {
    session_->Beat();
    if (session_->state() == SessionState::kLost) {
      // Nobody else may be there to end it. A failure leaves that to whoever comes.
      (void)EndOwnSession();
      return;
    }
    LookAround();
    std::unique_lock guard(keeper_mutex_);
    keeper_woken_.wait_for(guard, stop, session_->interval(), [&] { return woken_; });
    woken_ = false;
  }
}

// Whether this session was ended by others, and whether others are to be ended. Failures are tried
// again at the next heartbeat.
void SqliteCoordinator::LookAround() {
  const Result<std::vector<SessionRow>> sessions = Sessions();
  if (!sessions.ok()) return session_->SetConnected(false);
  const auto is_own = [&](const SessionRow& s) { return s.id == session_->id(); };
  if (std::ranges::none_of(*sessions, is_own)) return session_->Lose();
  const SteadyTime now = SystemClock().Now();
  const bool found = std::ranges::any_of(
      *sessions, [&](const SessionRow& s) { return !is_own(s) && liveness_.IsDead(s, now); });
  if (found || session_->state() == SessionState::kSuspended) (void)Reap();
}

Result<std::vector<SessionRow>> SqliteCoordinator::Sessions() {
  if (keeper_connection_ == nullptr) {
    const auto busy = std::chrono::ceil<milliseconds>(session_->interval());
    keeper_connection_ = PK_TRY(Connection::Open(files_.database, false, busy));
  }
  return ReadSessions(*keeper_connection_);
}

// Ends the sessions of the dead. For a suspended session also the proof that writing works again.
Result<> SqliteCoordinator::Reap() {
  // Shortly, for the heartbeat's sake; that the lock is wanted by many does not suspend.
  PK_CHECK(writer_lock_.Acquire(SystemClock().Now() + session_->interval()),
           Unavailable("the write lock is not free"));
  const WriterLockGuard guard(writer_lock_);
  Connection& writer = *PK_TRY(Writer());
  SqlTransaction step = PK_TRY(SqlTransaction::Begin(writer, SqlTransaction::Kind::kWrite));
  const std::optional<uint64_t> zxid = PK_TRY(NextZxidFor(writer, session_->id()));
  if (!zxid.has_value()) {
    session_->Lose();
    return {};
  }
  TreeWriter tree(writer, session_->id(), *zxid, SystemClock().WallMs());
  const size_t ended = PK_TRY(EndDeadSessions(tree, session_->id()));
  session_->SetConnected(true);
  if (ended == 0) return {};
  PK_TRY(tree.PruneChanges());
  PK_TRY(step.Commit());
  AfterCommit();
  return {};
}

}  // namespace
}  // namespace sqlite

Result<std::unique_ptr<Coordinator>> OpenSqlite(const std::string& folder, SqliteOptions options) {
  using sqlite::FileWithLocks;
  const auto open = [&]() -> Result<std::unique_ptr<Coordinator>> {
    const sqlite::FolderFiles files = PK_TRY(sqlite::PrepareFolder(folder));
    FileWithLocks lock = PK_TRY(FileWithLocks::Open(files.lock));
    FileWithLocks sessions = PK_TRY(FileWithLocks::Open(files.sessions));
    auto coordinator = std::make_unique<sqlite::SqliteCoordinator>(
        files, options, std::move(lock), std::move(sessions), PK_TRY(sqlite::ReadBootId()));
    PK_TRY(coordinator->Start());
    return coordinator;
  };
  return open().With(fmt::format("open coordinator in {}", folder));
}

}  // namespace pk::coordination
