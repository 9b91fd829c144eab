#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/coordination/limits.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/validate.h"
#include "parkeeper/coordination_zookeeper/client_internal.h"
#include "parkeeper/coordination_zookeeper/connect_string_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"
#include "parkeeper/coordination_zookeeper/session_key_internal.h"

namespace pk::coordination {
namespace {

using namespace zookeeper;

// A server hangs up at 1,048,575 bytes (jute.maxbuffer).
constexpr size_t kMaxFrameBytes = 1'040'000;
constexpr std::string_view kReserved = "zookeeper";  // below the root of a server
constexpr int kCreateRounds = 5;

bool IsRefusal(int32_t error) {
  switch (error) {
    case kNoNode:
    case kBadVersion:
    case kEphemeralParent:
    case kNodeExists:
    case kNotEmpty:
      return true;
    default:
      return false;
  }
}

// Of an error with which a server may answer after it has begun to apply a request.
bool IsIndefinite(int32_t error) {
  return (error < kServerOk && error > -100 && error != kUnimplemented && error != kBadArguments);
}

const std::string& PathOf(const Operation& operation) {
  return std::visit([](const auto& o) -> const std::string& { return o.path; }, operation);
}

bool OnlyChecks(const Transaction& transaction) {
  return std::ranges::all_of(transaction.operations(), [](const Operation& operation) {
    return std::holds_alternative<CheckOperation>(operation);
  });
}

// All of it but the values: what it takes to read its answer.
Transaction WithoutValues(const Transaction& transaction) {
  Transaction shape;
  for (const Operation& operation : transaction.operations()) {
    if (const auto* check = std::get_if<CheckOperation>(&operation)) {
      shape.Check(check->path, check->version);
    } else if (const auto* create = std::get_if<CreateOperation>(&operation)) {
      shape.Create(create->path, "", create->mode);
    } else if (const auto* set = std::get_if<SetOperation>(&operation)) {
      shape.Set(set->path, "", set->version);
    } else {
      const auto& remove = std::get<RemoveOperation>(operation);
      shape.Remove(remove.path, remove.version);
    }
  }
  return shape;
}

// Waits by a call of `finish`.
template <class T, class Finish>
class Later final : public Pending<T>::Source {
 public:
  explicit Later(Finish finish) : finish_(std::move(finish)) {}
  Result<T> Wait() override { return finish_(); }

 private:
  Finish finish_;
};
template <class T, class Finish>
Pending<T> WaitLater(Finish finish) {
  return Pending<T>(std::make_unique<Later<T, Finish>>(std::move(finish)));
}

class ZooKeeperWatch final : public Watch {
 public:
  // Paths of the caller are below the chroot, `path` is not.
  ZooKeeperWatch(Client& client, std::string_view chroot, std::string path,
                 std::shared_ptr<WatchState> state)
      : client_(client), chroot_(chroot), path_(std::move(path)), state_(std::move(state)) {}
  ~ZooKeeperWatch() override { client_.StopWatch(path_, state_); }
  ZooKeeperWatch(const ZooKeeperWatch&) = delete;
  ZooKeeperWatch& operator=(const ZooKeeperWatch&) = delete;

  bool Wait(SteadyTime deadline, std::stop_token stop) override {
    return state_->Wait(client_.session(), client_.clock(), deadline, std::move(stop));
  }
  std::optional<std::vector<std::string>> TakeChanged() override {
    auto changed = state_->TakeChanged();
    if (!changed.has_value() || chroot_.empty()) return changed;
    for (std::string& path : *changed) {
      path.erase(0, std::min(chroot_.size(), path.size()));
      if (path.empty()) path = "/";
    }
    return changed;
  }

 private:
  Client& client_;
  const std::string chroot_;
  const std::string path_;
  const std::shared_ptr<WatchState> state_;
};

class ZooKeeperCoordinator final : public Coordinator {
 public:
  ZooKeeperCoordinator(std::unique_ptr<Client> client, std::string chroot)
      : client_(std::move(client)), chroot_(std::move(chroot)) {}

  Result<Node> Get(std::string_view path) override { return BeginGet(path).Wait(); }

  Result<std::vector<std::string>> List(std::string_view path) override {
    PK_TRY(ValidatePath(path));
    const Reply reply =
        PK_TRY(Ask(OpCode::kGetChildren, EncodeRead(Absolute(chroot_, path)), path));
    auto children = PK_TRY(Checked(DecodeChildren(reply.body), reply, path));
    HideReserved(path, children);
    return children;
  }

  Result<std::vector<Result<ReadReply>>> Read(const std::vector<ReadRequest>& requests) override;
  Result<std::vector<Result<NodeStat>>> Stats(const std::vector<std::string>& paths) override;
  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    return Committed(transaction, PK_TRY(Send(transaction))->Wait());
  }

  Pending<Node> BeginGet(std::string_view path) override;
  Pending<CommitOutcome> BeginCommit(const Transaction& transaction) override {
    auto answer = PK_TRY(Send(transaction));
    return WaitLater<CommitOutcome>([this, shape = WithoutValues(transaction), answer] {
      return Committed(shape, answer->Wait());
    });
  }

  Result<std::unique_ptr<Watch>> StartWatch(std::string_view path, WatchScope scope) override {
    PK_TRY(ValidatePath(path));
    auto state = std::make_shared<WatchState>(scope);
    // Made first, so that it takes the watch away again when it cannot be started.
    auto watch =
        std::make_unique<ZooKeeperWatch>(*client_, chroot_, Absolute(chroot_, path), state);
    PK_TRY(client_->StartWatch(Absolute(chroot_, path), path, state));
    return watch;
  }

  // An empty step. A server's own sync is no barrier: the leader answers it at once, while it may
  // be behind a follower in applying what is committed, and so does a leader that is one no more.
  Result<> Sync() override {
    const CommitOutcome outcome = PK_TRY(Commit(Transaction()));
    PK_CHECK(std::holds_alternative<Applied>(outcome), Internal("an empty step was refused"));
    return {};
  }

  Session& session() override { return client_->session(); }

  SessionKey key() const { return {client_->session().id(), client_->password()}; }

  // kNotFound or kPermissionDenied when the chroot is not usable.
  Result<> CheckChroot(bool create);

 private:
  // The reply to a request that only reads, without error.
  Result<Reply> Ask(OpCode code, std::string frame, std::string_view path) {
    return Accepted(client_->Call(code, std::move(frame), false), path);
  }
  Result<Reply> Accepted(Result<Reply> answer, std::string_view path) const {
    Reply reply = PK_TRY(std::move(answer).With(path));
    PK_CHECK(reply.error == kServerOk, FromServer(reply.error, Where(path, reply)));
    return reply;
  }

  // `decoded`, or its error after the connection on which it came is ended.
  template <class T>
  Result<T> Checked(Result<T> decoded, const Reply& reply, std::string_view path) {
    if (!decoded.ok()) {
      decoded = std::move(decoded).With(Where(path, reply));
      client_->EndConnection(decoded.error());
    }
    return decoded;
  }

  std::string Where(std::string_view path, const Reply& reply) const {
    return chroot_.empty() ? fmt::format("{} at {}", path, *reply.server)
                           : fmt::format("{} at {}{}", path, *reply.server, chroot_);
  }

  Result<std::shared_ptr<Answer>> Send(const Transaction& transaction);
  // `transaction` may be without its values.
  Result<CommitOutcome> Committed(const Transaction& transaction, Result<Reply> answer);
  Result<CommitOutcome> Outcome(const Transaction& transaction, const Reply& reply);
  Error NotCommitted(int32_t error, const std::string& where, bool modifies);
  Applied ToApplied(const Transaction& transaction, std::vector<OperationResult> results,
                    uint64_t zxid) const;
  Result<> CreateChroot();
  // Of creates to which an old server gives none, from the nodes as they are now; a node
  // that is gone again keeps zeros.
  void ReadMissingStats(const Transaction& transaction, std::vector<OperationResult>& results);

  // The path that a server gave, without the chroot; `asked` when it gave none.
  std::string Relative(const std::string& path, const std::string& asked) const {
    const bool below = path.size() > chroot_.size() && path.starts_with(chroot_);
    return below ? path.substr(chroot_.size()) : asked;
  }

  // A server's own node, which no path can name, is not among the children of the root.
  void HideReserved(std::string_view path, NodeStat& stat) const {
    if (chroot_.empty() && path == "/" && stat.children > 0) --stat.children;
  }
  void HideReserved(std::string_view path, std::vector<std::string>& children) const {
    if (chroot_.empty() && path == "/") std::erase(children, kReserved);
  }

  const std::unique_ptr<Client> client_;
  const std::string chroot_;  // "" or "/a/b"
};

Result<> CheckFrame(const std::string& frame) {
  PK_CHECK(frame.size() <= kMaxFrameBytes,
           InvalidArgument(fmt::format("request with the chroot has {} bytes, more than {}",
                                       frame.size(), kMaxFrameBytes)));
  return {};
}

Result<std::vector<Result<ReadReply>>> ZooKeeperCoordinator::Read(
    const std::vector<ReadRequest>& requests) {
  PK_TRY(ValidateReads(requests));
  std::string frame = EncodeReads(requests, chroot_);
  const std::string_view first = requests.empty() ? "/" : std::string_view(requests[0].path);
  PK_TRY(CheckFrame(frame).With(first));
  const Reply reply = PK_TRY(Ask(OpCode::kMultiRead, std::move(frame), first));
  auto results = PK_TRY(Checked(DecodeReads(reply.body, requests), reply, first));
  std::vector<Result<ReadReply>> replies;
  replies.reserve(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string& path = requests[i].path;
    if (const auto* error = std::get_if<ServerError>(&results[i])) {
      replies.emplace_back(FromServer(*error, Where(path, reply)));
      continue;
    }
    auto& read = std::get<ReadReply>(results[i]);
    HideReserved(path, read.node.stat);
    HideReserved(path, read.children);
    replies.emplace_back(std::move(read));
  }
  return replies;
}

// A multiRead has no stats without values, so these are requests of their own.
Result<std::vector<Result<NodeStat>>> ZooKeeperCoordinator::Stats(
    const std::vector<std::string>& paths) {
  PK_TRY(ValidateStats(paths));
  std::vector<std::shared_ptr<Answer>> answers;
  answers.reserve(paths.size());
  for (const std::string& path : paths) {
    answers.push_back(client_->Begin(OpCode::kExists, EncodeRead(Absolute(chroot_, path)), false));
  }
  std::vector<Result<NodeStat>> stats;
  stats.reserve(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    const Reply reply = PK_TRY(answers[i]->Wait().With(paths[i]));
    if (reply.error != kServerOk) {
      Error error = FromServer(reply.error, Where(paths[i], reply));
      PK_CHECK(error.code() == ErrorCode::kNotFound, error);
      stats.emplace_back(std::move(error));
      continue;
    }
    NodeStat stat = PK_TRY(Checked(DecodeStat(reply.body), reply, paths[i]));
    HideReserved(paths[i], stat);
    stats.emplace_back(stat);
  }
  return stats;
}

Pending<Node> ZooKeeperCoordinator::BeginGet(std::string_view path) {
  PK_TRY(ValidatePath(path));
  auto answer = client_->Begin(OpCode::kGetData, EncodeRead(Absolute(chroot_, path)), false);
  return WaitLater<Node>([this, path = std::string(path), answer]() -> Result<Node> {
    const Reply reply = PK_TRY(Accepted(answer->Wait(), path));
    Node node = PK_TRY(Checked(DecodeNode(reply.body), reply, path));
    HideReserved(path, node.stat);
    return node;
  });
}

Result<std::shared_ptr<Answer>> ZooKeeperCoordinator::Send(const Transaction& transaction) {
  PK_TRY(ValidateTransaction(transaction));
  std::string frame = EncodeTransaction(transaction, chroot_, client_->has_user());
  const auto& operations = transaction.operations();
  PK_TRY(
      CheckFrame(frame).With(operations.empty() ? std::string_view("/") : PathOf(operations[0])));
  return client_->Begin(CodeOf(transaction), std::move(frame), !OnlyChecks(transaction));
}

Result<CommitOutcome> ZooKeeperCoordinator::Committed(const Transaction& transaction,
                                                      Result<Reply> answer) {
  const auto& operations = transaction.operations();
  const std::string_view first = operations.empty() ? std::string_view("/") : PathOf(operations[0]);
  const Reply reply = PK_TRY(std::move(answer).With(first));
  if (reply.error != kServerOk && reply.body.empty()) {
    if (CodeOf(transaction) != OpCode::kMulti && IsRefusal(reply.error)) {
      return CommitOutcome(Refused{0, FromServer(reply.error, Where(first, reply))});
    }
    return NotCommitted(reply.error, Where(first, reply), !OnlyChecks(transaction));
  }
  return Outcome(transaction, reply);
}

Error ZooKeeperCoordinator::NotCommitted(int32_t error, const std::string& where, bool modifies) {
  if (error == kSessionExpired) client_->EndSession(fmt::format("it has expired: {}", where));
  Error reason = FromServer(error, where);
  // No request on this connection will ever be taken again; the next one takes the session back.
  if (error == kSessionMoved) client_->EndConnection(reason);
  return modifies && IsIndefinite(error) ? OutcomeUnknown(reason.message()) : reason;
}

Result<CommitOutcome> ZooKeeperCoordinator::Outcome(const Transaction& transaction,
                                                    const Reply& reply) {
  auto decoded = Checked(DecodeTransaction(reply.body, transaction), reply, "commit");
  if (!decoded.ok()) {
    // Applied or refused, but not how.
    return OnlyChecks(transaction) ? decoded.error() : OutcomeUnknown(decoded.error().message());
  }
  for (size_t i = 0; i < decoded->size(); ++i) {
    // Before the one that failed the error is 0, after it kRolledBack.
    const int32_t error = (*decoded)[i].error;
    if (error == kServerOk) continue;
    const std::string where = Where(PathOf(transaction.operations()[i]), reply);
    if (IsRefusal(error)) return CommitOutcome(Refused{i, FromServer(error, where)});
    return NotCommitted(error, where, false).With(fmt::format("operation {}", i));
  }
  ReadMissingStats(transaction, *decoded);
  return CommitOutcome(ToApplied(transaction, std::move(decoded).value(), reply.zxid));
}

void ZooKeeperCoordinator::ReadMissingStats(const Transaction& transaction,
                                            std::vector<OperationResult>& results) {
  std::vector<ReadRequest> requests;
  std::vector<size_t> missing;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].path.empty() || results[i].stat.czxid != 0) continue;
    missing.push_back(i);
    requests.push_back({.path = Relative(results[i].path, PathOf(transaction.operations()[i]))});
  }
  if (missing.empty()) return;
  const auto replies = Read(requests);
  for (size_t i = 0; i < missing.size(); ++i) {
    NodeStat& stat = results[missing[i]].stat;
    const auto& create = std::get<CreateOperation>(transaction.operations()[missing[i]]);
    if (create.mode == CreateMode::kEphemeral || create.mode == CreateMode::kEphemeralSequential) {
      stat.ephemeral_owner = session().id();
    }
    if (!replies.ok() || !(*replies)[i].ok()) continue;
    const NodeStat& now = (*replies)[i]->node.stat;
    stat.czxid = stat.mzxid = now.czxid;
    stat.ctime_ms = stat.mtime_ms = now.ctime_ms;
  }
}

Applied ZooKeeperCoordinator::ToApplied(const Transaction& transaction,
                                        std::vector<OperationResult> results, uint64_t zxid) const {
  Applied applied{.zxid = zxid, .paths = {}, .stats = {}};
  applied.paths.reserve(results.size());
  applied.stats.reserve(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string& asked = PathOf(transaction.operations()[i]);
    OperationResult& result = results[i];
    // The reply's header may be of a later transaction.
    if (result.stat.mzxid != 0) applied.zxid = result.stat.mzxid;
    HideReserved(asked, result.stat);
    applied.paths.push_back(Relative(result.path, asked));
    applied.stats.push_back(result.stat);
  }
  return applied;
}

Result<> ZooKeeperCoordinator::CheckChroot(bool create) {
  if (chroot_.empty()) return {};
  Result<Node> root = Get("/");
  if (root.ok()) return {};
  if (root.error().code() != ErrorCode::kNotFound) return std::move(root).error().With("chroot");
  if (create) return CreateChroot();
  // Not because this server is behind the one at which it was made just now.
  PK_TRY(Sync());
  root = Get("/");
  if (root.ok()) return {};
  return NotFound(fmt::format("the chroot does not exist: {}", root.error().message()));
}

Result<> ZooKeeperCoordinator::CreateChroot() {
  Result<> made;
  for (int round = 0; round < kCreateRounds; ++round) {
    size_t end = 0;
    while (end != chroot_.size()) {
      end = std::min(chroot_.find('/', end + 1), chroot_.size());
      const std::string path = chroot_.substr(0, end);
      Transaction transaction;
      transaction.Create(path, "");
      // From the server's root, not from the chroot.
      // Sent again when its reply is lost: that it is there is enough.
      const Reply reply =
          PK_TRY(client_
                     ->Call(CodeOf(transaction),
                            EncodeTransaction(transaction, "", client_->has_user()), false)
                     .With(path));
      const int32_t error = reply.error;
      made = Result<>();
      if (error != kServerOk && error != kNodeExists) {
        made = FromServer(error, fmt::format("create the chroot's {} at {}", path, *reply.server));
        break;
      }
    }
    // A part may have been removed by somebody else in between.
    if (made.ok() || made.error().code() != ErrorCode::kNotFound) return made;
  }
  return made;
}

}  // namespace

SessionKey zookeeper::KeyOf(Coordinator& coordinator) {
  return static_cast<ZooKeeperCoordinator&>(coordinator).key();
}

Result<std::unique_ptr<Coordinator>> OpenZooKeeper(ZooKeeperOptions options) {
  ConnectString connect = PK_TRY(ParseConnectString(options.connect));
  const bool create = options.create_chroot;
  std::string chroot = connect.chroot;
  auto client = PK_TRY(Client::Open(std::move(options), std::move(connect))
                           .With(fmt::format("open {}", chroot.empty() ? "/" : chroot)));
  auto coordinator = std::make_unique<ZooKeeperCoordinator>(std::move(client), std::move(chroot));
  PK_TRY(coordinator->CheckChroot(create));
  return coordinator;
}

}  // namespace pk::coordination
