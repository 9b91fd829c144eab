#include <fmt/format.h>

#include "parkeeper/catalog/namespace_step_internal.h"

namespace pk::catalog {

using coordination::kAnyVersion;
using coordination::Node;
using coordination::SessionSource;
using coordination::Transaction;

namespace {

constexpr size_t kFenceOperations = 2;

Transaction Move(const Namespace& ns, const ReadNamespace& from, NamespaceNode next,
                 const std::string& round) {
  next.guid = from.node.guid;
  next.rounds = from.node.rounds;
  next.rounds.push_back(round);
  if (next.rounds.size() > kNamespaceRounds) next.rounds.erase(next.rounds.begin());
  Transaction transaction;
  transaction.Check(NamespaceGuidPath(ns, from.node.guid));
  transaction.Set(NamespacePath(ns), Encode(next), from.version);
  return transaction;
}

// The namespace that `from` is of, or nullopt when it is gone.
Result<std::optional<ReadNamespace>> Reload(SessionSource& sessions, const Namespace& ns,
                                            const ReadNamespace& from, Backoff& backoff) {
  Result<ReadNamespace> now = LoadNamespaceNode(sessions, ns, backoff);
  if (!now.ok() && now.error().code() != ErrorCode::kNotFound) return std::move(now).error();
  if (!now.ok() || now->node.guid != from.node.guid) return std::nullopt;
  return *std::move(now);
}

// Whether `round` made the version after `from`, which has been made.
Result<bool> IsOf(SessionSource& sessions, const Namespace& ns, const ReadNamespace& from,
                  const std::string& round, Backoff& backoff) {
  const auto now = PK_TRY(Reload(sessions, ns, from, backoff));
  PK_CHECK(now, OutcomeUnknown(fmt::format("namespace {} was dropped meanwhile", ToString(ns))));
  const auto& rounds = now->node.rounds;
  const int64_t behind = int64_t(now->version) - from.version;
  PK_CHECK(
      behind >= 1 && behind <= int64_t(rounds.size()),
      OutcomeUnknown(fmt::format("namespace {} changed {} times meanwhile", ToString(ns), behind)));
  return rounds[rounds.size() - size_t(behind)] == round;
}

Result<StepOutcome> Send(SessionSource& sessions, const Fenced& fenced, Backoff& backoff) {
  auto refused = PK_TRY(SendFenced(sessions, fenced, backoff));
  if (!refused) return StepDone{};
  if (refused->operation < fenced.fence_operations) return StepOvertaken{};
  return StepRefused{std::move(refused->reason)};
}

}  // namespace

Result<ReadNamespace> LoadNamespaceNode(SessionSource& sessions, const Namespace& ns,
                                        Backoff& backoff) {
  const Result<Node> node = LoadNode(sessions, NamespacePath(ns), backoff);
  if (!node.ok() && node.error().code() == ErrorCode::kNotFound) {
    return NotFound(fmt::format("namespace {} does not exist", ToString(ns)));
  }
  if (!node.ok()) return node.error();
  return ReadNamespace{PK_TRY(DecodeNamespace(node->value).With(NamespacePath(ns))),
                       node->stat.version};
}

Result<StepOutcome> StepNamespace(SessionSource& sessions, const Namespace& ns,
                                  const ReadNamespace& from, NamespaceNode next,
                                  const Transaction& extra, IdSource& ids, Backoff& backoff) {
  const std::string round = ids.NewUuid4().ToString();
  Fenced step{.transaction = Move(ns, from, std::move(next), round),
              .fence_operations = kFenceOperations,
              .spend = Move(ns, from, from.node, ids.NewUuid4().ToString()),
              .is_mine = [&] { return IsOf(sessions, ns, from, round, backoff); }};
  step.transaction.Append(extra);
  return Send(sessions, step, backoff);
}

Result<StepOutcome> RemoveNamespace(SessionSource& sessions, const Namespace& ns,
                                    const ReadNamespace& from,
                                    const std::vector<std::string>& buckets, IdSource& ids,
                                    Backoff& backoff) {
  Fenced step{.transaction = {},
              .fence_operations = kFenceOperations,
              .spend = Move(ns, from, from.node, ids.NewUuid4().ToString()),
              .is_mine = [&]() -> Result<bool> {
                return !PK_TRY(Reload(sessions, ns, from, backoff)).has_value();
              }};
  step.transaction.Remove(NamespaceGuidPath(ns, from.node.guid), kAnyVersion);
  step.transaction.Check(NamespacePath(ns), from.version);
  for (const std::string& bucket : buckets) {
    step.transaction.Remove(TablesPath(ns) + "/" + bucket, kAnyVersion);
  }
  step.transaction.Remove(TablesPath(ns), kAnyVersion);
  step.transaction.Remove(ChildNamespacesPath(ns), kAnyVersion);
  step.transaction.Remove(NamespacePath(ns), kAnyVersion);
  return Send(sessions, step, backoff);
}

}  // namespace pk::catalog
