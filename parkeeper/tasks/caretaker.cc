#include "parkeeper/tasks/caretaker.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "parkeeper/coordination/path.h"
#include "parkeeper/tasks/files_internal.h"
#include "parkeeper/tasks/queue_internal.h"
#include "parkeeper/tasks/stages_internal.h"
#include "parkeeper/tasks/transitions_internal.h"

namespace pk::tasks {

using coordination::kAnyVersion;
using coordination::Node;
using coordination::ReadRequest;
using coordination::Transaction;

namespace {

// In one transaction, which is refused as a whole when somebody is faster.
constexpr size_t kAtOnce = 16;
// In one read.
constexpr size_t kReadsAtOnce = 500;
// A worker has so long to say anything about a new claim.
constexpr int64_t kSilentMs = 60'000;

// The coordinator's clock, by a stamp of its own: one write.
Result<int64_t> CoordinatorTime(const Context& context, Backoff& backoff) {
  const auto set = Transaction().Set(kClockPath, "", kAnyVersion);
  const Sent sent = PK_TRY(SendUntilKnown(context.sessions, set, backoff));
  const auto* applied = std::get_if<coordination::Applied>(&sent.outcome);
  PK_CHECK(applied != nullptr, sent.refused()->reason);
  return applied->stats[0].mtime_ms;
}

// Children at `path`; none when it is missing.
Result<std::vector<std::string>> ListIfThere(const Context& context, const std::string& path,
                                             Backoff& backoff) {
  auto names = ListUntilKnown(context.sessions, path, backoff);
  if (!names.ok() && names.error().code() == ErrorCode::kNotFound) {
    return std::vector<std::string>();
  }
  return names;
}

Result<std::vector<std::optional<Node>>> ReadNodes(const Context& context,
                                                   const std::vector<std::string>& paths,
                                                   Backoff& backoff) {
  std::vector<std::optional<Node>> nodes;
  for (size_t i = 0; i < paths.size(); i += kReadsAtOnce) {
    std::vector<ReadRequest> requests;
    for (size_t k = i; k < std::min(paths.size(), i + kReadsAtOnce); ++k) {
      requests.push_back({paths[k]});
    }
    auto replies = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
    for (auto& reply : replies) nodes.push_back(PK_TRY(coordination::NodeOf(std::move(reply))));
  }
  return nodes;
}

// A claim that is to be taken back.
struct Overdue {
  std::string worker;
  std::string name;  // of its node
  std::string reason;
};

class TakingBack {
 public:
  TakingBack(const Context& context, CareReport& report, Backoff& backoff)
      : context_(context), report_(report), backoff_(backoff) {}

  Result<> Run() {
    // At one point, so a worker that has just come is in both lists.
    const auto replies = PK_TRY(
        ReadUntilKnown(context_.sessions, {{kRunsPath, true}, {kAlivesPath, true}}, backoff_));
    PK_TRY(Result(replies[0]));
    PK_TRY(Result(replies[1]));
    const auto& runs = replies[0]->children;
    const std::set<std::string> alive(replies[1]->children.begin(), replies[1]->children.end());
    std::vector<std::string> present;
    for (const std::string& worker : runs) {
      if (alive.contains(worker)) {
        present.push_back(worker);
      } else {
        PK_TRY(TakeAll(worker));
      }
    }
    if (present.empty()) return {};
    const int64_t now_ms = PK_TRY(CoordinatorTime(context_, backoff_));
    for (const std::string& worker : present) PK_TRY(TakeStalled(worker, now_ms));
    return {};
  }

 private:
  Result<> TakeAll(const std::string& worker) {
    std::vector<Overdue> overdue;
    for (std::string& name : PK_TRY(ListIfThere(context_, RunPath(worker), backoff_))) {
      overdue.push_back({worker, std::move(name), "the session of its worker is over"});
    }
    PK_TRY(Take(overdue));
    // Refused when a late claim came; then it is taken back the next time.
    const auto remove = Transaction().Remove(RunPath(worker), kAnyVersion);
    const Sent sent = PK_TRY(SendUntilKnown(context_.sessions, remove, backoff_));
    report_.workers_removed += sent.refused() == nullptr ? 1 : 0;
    return {};
  }

  Result<> TakeStalled(const std::string& worker, int64_t now_ms) {
    const auto names = PK_TRY(ListIfThere(context_, RunPath(worker), backoff_));
    if (names.empty()) return {};
    std::vector<std::string> paths = {AlivePath(worker)};
    for (const std::string& name : names) paths.push_back(RunPath(worker) + "/" + name);
    const auto nodes = PK_TRY(ReadNodes(context_, paths, backoff_));
    if (!nodes[0]) return {};
    const AliveNode alive = PK_TRY(DecodeAlive(nodes[0]->value).With(paths[0]));
    std::vector<Overdue> overdue;
    for (size_t i = 0; i < names.size(); ++i) {
      const auto& claim = nodes[i + 1];
      if (!claim) continue;
      // In the coordinator's time.
      int64_t since_ms = claim->stat.ctime_ms;
      int64_t limit_ms = 0;
      const auto said = alive.claims.find(names[i]);
      if (said != alive.claims.end()) {
        const int64_t ago_ms = std::max<int64_t>(0, alive.at_ms - said->second.since_ms);
        since_ms = std::max(since_ms, nodes[0]->stat.mtime_ms - ago_ms);
        limit_ms = said->second.limit_ms;
      } else if (now_ms - since_ms > kSilentMs) {
        limit_ms = PK_TRY(LimitOf(claim->value, names[i]));
      } else {
        continue;
      }
      if (now_ms - since_ms <= limit_ms) continue;
      overdue.push_back({worker, names[i], fmt::format("no progress for {} s", limit_ms / 1'000)});
    }
    return Take(overdue);
  }

  // Of a claim that its worker says nothing of.
  Result<int64_t> LimitOf(const std::string& value, const std::string& name) {
    const ClaimNode node = PK_TRY(DecodeClaim(value));
    const ClaimKey key = PK_TRY(ParseClaimName(name));
    const auto read = LoadTask(context_, node.queue, key.id, backoff_);
    if (read.ok()) return read->task.request.progress_limit.count();
    if (read.error().code() == ErrorCode::kNotFound) return int64_t{0};
    return read.error();
  }

  Result<> Take(const std::vector<Overdue>& overdue) {
    for (size_t i = 0; i < overdue.size(); i += kAtOnce) {
      const size_t end = std::min(overdue.size(), i + kAtOnce);
      const std::vector<Overdue> some(overdue.begin() + int64_t(i), overdue.begin() + int64_t(end));
      if (PK_TRY(TakeTogether(some))) continue;
      for (const Overdue& one : some) PK_TRY(TakeTogether({one}));
    }
    return {};
  }

  // False: refused, somebody was faster at one of them.
  Result<bool> TakeTogether(const std::vector<Overdue>& overdue) {
    std::vector<std::string> paths, task_paths;
    for (const Overdue& each : overdue) paths.push_back(RunPath(each.worker) + "/" + each.name);
    const auto claims = PK_TRY(ReadNodes(context_, paths, backoff_));
    std::vector<ClaimedTask> there;
    std::vector<const std::string*> reasons;
    for (size_t i = 0; i < claims.size(); ++i) {
      if (!claims[i]) continue;
      const ClaimNode node = PK_TRY(DecodeClaim(claims[i]->value).With(paths[i]));
      const ClaimKey key = PK_TRY(ParseClaimName(overdue[i].name));
      ClaimedTask claim{.task = {}, .worker = overdue[i].worker};
      claim.task.queue = node.queue;
      claim.task.request.id = key.id;
      claim.task.attempt = key.attempt;
      there.push_back(std::move(claim));
      reasons.push_back(&overdue[i].reason);
      task_paths.push_back(DefPath(node.queue, key.id));
    }
    const auto tasks = PK_TRY(ReadNodes(context_, task_paths, backoff_));
    Transaction transaction;
    for (size_t i = 0; i < there.size(); ++i) {
      PK_TRY(Append(there[i], tasks[i], *reasons[i], transaction));
    }
    if (there.empty()) return true;
    const Sent sent = PK_TRY(SendUntilKnown(context_.sessions, transaction, backoff_));
    if (sent.refused() != nullptr) return false;
    report_.taken_back += int64_t(there.size());
    return true;
  }

  Result<> Append(ClaimedTask& claim, const std::optional<Node>& node, const std::string& reason,
                  Transaction& transaction) {
    if (node) {
      Task task = PK_TRY(DecodeTask(claim.task.queue, claim.task.id(), node->value));
      const bool claimed = task.state == TaskState::kOpen && task.attempt == claim.task.attempt;
      if (claimed) {
        claim.task = std::move(task);
        claim.version = node->stat.version;
        const Task next = Failed(claim.task, reason, Retry::kAgain, context_.WallMs(), 0);
        transaction.Append(EndClaim(claim, next));
        return {};
      }
      // Unless the server that was asked is behind.
      transaction.Check(DefPath(claim.task.queue, claim.task.id()), node->stat.version);
    } else {
      const auto read = LoadTask(context_, claim.task.queue, claim.task.id(), backoff_);
      if (read.ok()) return {};  // the next time
      PK_CHECK(read.error().code() == ErrorCode::kNotFound, read.error());
    }
    // Cancelled, or forgotten: only the claim is left of it.
    transaction.Remove(ClaimPath(claim), kAnyVersion);
    return {};
  }

  const Context& context_;
  CareReport& report_;
  Backoff& backoff_;
};

// A task that has ended and is forgotten, and what else there is of it.
Transaction Forgetting(const Task& task, int32_t version) {
  Transaction transaction;
  transaction.Remove(DefPath(task.queue, task.id()), version);
  if (task.state == TaskState::kDead) {
    transaction.Remove(DeadPath(task.queue, task.id()), kAnyVersion);
    if (task.request.stage) {
      transaction.Remove(LeftPath(*task.request.stage, task.id()), kAnyVersion);
    }
  }
  return transaction;
}

Result<> ForgetOf(const Context& context, const std::string& queue, int part, int64_t now_ms,
                  CareReport& report, Backoff& backoff) {
  const auto read = PK_TRY(LoadQueue(context, queue, backoff));
  std::vector<std::string> paths;
  for (const std::string& name :
       PK_TRY(ListIfThere(context, DefBucketPath(queue, part), backoff))) {
    paths.push_back(DefBucketPath(queue, part) + "/" + name);
  }
  if (paths.empty()) return {};
  const auto stats = PK_TRY(StatsUntilKnown(context.sessions, paths, backoff));
  std::vector<std::string> old;
  for (size_t i = 0; i < paths.size(); ++i) {
    const bool is_old = stats[i].ok() && now_ms - stats[i]->mtime_ms > read.node.retention.count();
    if (is_old) old.push_back(paths[i]);
  }
  const auto nodes = PK_TRY(ReadNodes(context, old, backoff));
  for (size_t i = 0; i < old.size(); ++i) {
    if (!nodes[i]) continue;
    const Uuid id = PK_TRY(Uuid::Parse(coordination::LastSegment(old[i])));
    const Task task = PK_TRY(DecodeTask(queue, id, nodes[i]->value).With(old[i]));
    if (!task.ended()) continue;
    const auto forget = Forgetting(task, nodes[i]->stat.version);
    if (PK_TRY(SendUntilKnown(context.sessions, forget, backoff)).refused() != nullptr) continue;
    // Nobody names the files any more.
    RemoveFiles(context.storage, task);
    ++report.tasks_forgotten;
  }
  return {};
}

}  // namespace

Result<> Caretaker::TakeBack(CareReport& report) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  PK_TRY(EnsureLayout(context, backoff));
  return TakingBack(context, report, backoff).Run();
}

Result<> Caretaker::CareForStages(CareReport& report) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  const auto names = PK_TRY(ListIfThere(context, kStagesPath, backoff));
  if (names.empty()) return {};
  const int64_t now_ms = PK_TRY(CoordinatorTime(context, backoff));
  const int64_t before_ms = now_ms - kStageRetention.count();
  // Over they stay; and none has been so for longer than its id is old.
  std::erase_if(over_, [&](const Uuid& stage) { return stage.UnixMs() < before_ms; });
  for (const std::string& name : names) {
    const Uuid stage = PK_TRY(Uuid::Parse(name));
    if (over_.contains(stage)) {
      ++report.stages_over;
      continue;
    }
    const Result<bool> over = OpenIfOver(context, stage, backoff);
    const bool gone = !over.ok() && over.error().code() == ErrorCode::kNotFound;
    if (gone) continue;
    if (!PK_TRY(Result(over))) continue;
    ++report.stages_over;
    over_.insert(stage);
    if (PK_TRY(ForgetStage(context, stage, before_ms, backoff))) ++report.stages_forgotten;
  }
  return {};
}

Result<> Caretaker::Forget(CareReport& report) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  const auto queues = PK_TRY(ListIfThere(context, kQueuesPath, backoff));
  if (queues.empty()) return {};
  if (next_part_ < 0) next_part_ = int(options_.ids->Random64() % kDefBuckets);
  const int64_t now_ms = PK_TRY(CoordinatorTime(context, backoff));
  for (const std::string& name : queues) {
    const std::string queue = PK_TRY(coordination::UnescapeSegment(name));
    PK_TRY(ForgetOf(context, queue, next_part_, now_ms, report, backoff));
  }
  next_part_ = (next_part_ + 1) % kDefBuckets;
  return {};
}

Result<CareReport> Caretaker::Care() {
  CareReport report;
  PK_TRY(TakeBack(report));
  PK_TRY(CareForStages(report));
  PK_TRY(Forget(report));
  return report;
}

}  // namespace pk::tasks
