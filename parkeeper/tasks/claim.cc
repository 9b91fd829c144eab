// How a worker comes by its claims.

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/tasks/limits.h"
#include "parkeeper/tasks/worker_internal.h"

namespace pk::tasks {

using coordination::kAnyVersion;
using coordination::ReadRequest;
using coordination::Refused;
using coordination::Transaction;

namespace {

// New offers are seen this much later while there are others; a list may be long.
constexpr Duration kListingAge = std::chrono::seconds(1);
constexpr Duration kLookEvery = std::chrono::minutes(1);
// Claims that met somebody faster, of one call.
constexpr int kMostRefusals = 6;
// Workers that meet at a shard choose among so many places.
constexpr size_t kPlaces = 4;

}  // namespace

Worker::State::Coming::Coming(State& state, const std::vector<std::string>& paths, size_t most)
    : state_(state) {
  std::lock_guard lock(state_.mutex_);
  for (const std::string& path : paths) {
    if (state_.held_.contains(path) || state_.coming_.contains(path)) continue;
    left_some_ = paths_.size() == most;
    if (left_some_) break;
    paths_.insert(path);
  }
  state_.coming_.insert(paths_.begin(), paths_.end());
}

Worker::State::Coming::~Coming() {
  std::lock_guard lock(state_.mutex_);
  for (const std::string& path : paths_) state_.coming_.erase(path);
}

Result<std::vector<ClaimedTask>> Worker::State::Claim(const std::vector<std::string>& queues,
                                                      size_t capacity) {
  for (const std::string& queue : queues) PK_TRY(ValidateQueueName(queue));
  Backoff backoff = context_.NewBackoff();
  const std::string guid = PK_TRY(Enlist(backoff));
  std::vector<ClaimedTask> claims;
  bool look = false;
  {
    std::lock_guard lock(mutex_);
    look = unsure_ || context_.options.clock->Now() - looked_ > kLookEvery;
    // What another call is unsure of from now on is looked for by the next.
    unsure_ = false;
  }
  const Result<> adopted = look ? Adopt(guid, capacity, claims, backoff) : Result<>();
  if (!adopted.ok()) {
    std::lock_guard lock(mutex_);
    unsure_ = true;
    return adopted.error();
  }
  const Result<> claimed = ClaimFromAll(queues, capacity, claims, backoff);
  // What is claimed is held, whatever came then.
  if (!claimed.ok() && claims.empty()) return claimed.error();
  return claims;
}

Result<> Worker::State::ClaimFromAll(const std::vector<std::string>& queues, size_t capacity,
                                     std::vector<ClaimedTask>& claims, Backoff& backoff) {
  if (queues.empty()) return {};
  const size_t share = std::max<size_t>(1, capacity / queues.size());
  const size_t first = context_.options.ids->Random64() % queues.size();
  std::vector<std::string> have_more;
  for (size_t i = 0; i < queues.size() && claims.size() < capacity; ++i) {
    const std::string& queue = queues[(first + i) % queues.size()];
    const size_t before = claims.size(), want = std::min(share, capacity - before);
    PK_TRY(ClaimFrom(queue, want, claims, backoff));
    if (claims.size() - before == want) have_more.push_back(queue);
  }
  for (const std::string& queue : have_more) {
    if (claims.size() >= capacity) break;
    PK_TRY(ClaimFrom(queue, capacity - claims.size(), claims, backoff));
  }
  return {};
}

Result<> Worker::State::ClaimFrom(const std::string& queue, size_t want,
                                  std::vector<ClaimedTask>& claims, Backoff& backoff) {
  for (int refusals = 0; want > 0 && refusals < kMostRefusals;) {
    ReadQueue seen;
    const auto shards = PK_TRY(ShardsWithOffers(queue, seen, backoff));
    const size_t some = std::min(want, kClaimsAtOnce);
    auto candidates = PK_TRY(Gather(shards, some, backoff));
    if (candidates.empty()) return {};
    const bool were_all = candidates.size() < some;
    const std::string guid = PK_TRY(Enlist(backoff));
    const auto path_of = [&guid](const Candidate& candidate) {
      return ClaimPath(guid, candidate.offer.id, candidate.offer.attempt);
    };
    std::vector<std::string> paths;
    for (const Candidate& candidate : candidates) paths.push_back(path_of(candidate));
    const Coming coming(*this, paths, paths.size());
    std::erase_if(candidates, [&](const Candidate& c) { return !coming.contains(path_of(c)); });
    if (candidates.empty()) {
      ++refusals;
      continue;
    }
    const Result<Attempt> attempt = Try(queue, seen, guid, candidates, backoff);
    if (!attempt.ok()) {
      std::lock_guard lock(mutex_);
      unsure_ |= attempt.error().code() == ErrorCode::kOutcomeUnknown;
      return attempt.error();
    }
    if (attempt->claimed) {
      std::vector<Taken> taken;
      for (const Candidate& candidate : candidates) {
        taken.push_back({queue, {candidate.offer.id, candidate.offer.attempt}});
      }
      PK_TRY(Hold(guid, taken, claims, backoff));
      want -= candidates.size();
      if (were_all) return {};
      continue;
    }
    ++refusals;
    if (attempt->gone) {
      // Somebody else is at this shard: what was listed of it is old.
      std::lock_guard lock(mutex_);
      listings_.erase(candidates[*attempt->gone].shard_path);
    }
  }
  return {};
}

Result<std::vector<std::string>> Worker::State::ShardsWithOffers(const std::string& queue,
                                                                 ReadQueue& seen,
                                                                 Backoff& backoff) {
  int32_t shards = 0;
  {
    std::lock_guard lock(mutex_);
    shards = shards_[queue];
  }
  if (shards == 0) {
    shards = PK_TRY(LoadQueue(context_, queue, backoff)).node.shards;
    std::lock_guard lock(mutex_);
    shards_[queue] = shards;
  }
  std::vector<ReadRequest> requests = {{QueuePath(queue)}};
  for (int32_t i = 0; i < shards; ++i) requests.push_back({ShardPath(queue, i)});
  auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff));
  const auto node = PK_TRY(std::move(replies[0])).node;
  seen = {PK_TRY(DecodeQueue(node.value)), node.stat.version};
  std::vector<std::string> with_offers;
  if (seen.node.state == QueueState::kPaused) return with_offers;
  const size_t first = context_.options.ids->Random64() % uint64_t(shards);
  for (size_t i = 0; i < size_t(shards); ++i) {
    const size_t at = 1 + (first + i) % size_t(shards);
    const auto shard = PK_TRY(std::move(replies[at]));
    if (shard.node.stat.children > 0) with_offers.push_back(requests[at].path);
  }
  return with_offers;
}

Result<std::vector<Worker::State::Candidate>> Worker::State::Gather(
    const std::vector<std::string>& shards, size_t want, Backoff& backoff) {
  std::vector<Candidate> candidates;
  for (const std::string& shard : shards) {
    if (candidates.size() == want) break;
    PK_TRY(ListOffers(shard, backoff));
    for (Candidate& candidate : Pick(shard, want - candidates.size())) {
      candidates.push_back(std::move(candidate));
    }
  }
  return candidates;
}

Result<> Worker::State::ListOffers(const std::string& shard, Backoff& backoff) {
  const SteadyTime now = context_.options.clock->Now();
  {
    std::lock_guard lock(mutex_);
    const auto listing = listings_.find(shard);
    if (listing != listings_.end() && !listing->second.names.empty() &&
        now - listing->second.at < kListingAge) {
      return {};
    }
  }
  auto names = PK_TRY(ListUntilKnown(context_.sessions, shard, backoff));
  std::lock_guard lock(mutex_);
  listings_[shard] = {std::move(names), now};
  return {};
}

// Takes them out of the list.
std::vector<Worker::State::Candidate> Worker::State::Pick(const std::string& shard, size_t want) {
  std::lock_guard lock(mutex_);
  std::vector<std::string>& names = listings_[shard].names;
  const int64_t now_ms = context_.WallMs();
  // The first that are due, of one priority: they are as good as each other.
  std::vector<Candidate> due;
  std::vector<size_t> places;
  for (size_t i = 0; i < names.size() && due.size() < kPlaces * want; ++i) {
    const Result<Offer> offer = ParseOffer(names[i]);
    if (!offer.ok() || offer->due_ms > now_ms) continue;
    const bool same = due.empty() || offer->priority == due[0].offer.priority;
    if (!same && due.size() >= want) break;
    due.push_back({shard, names[i], *offer});
    places.push_back(i);
  }
  const size_t blocks = std::max<size_t>(1, due.size() / want);
  const bool mixed = !due.empty() && due.back().offer.priority != due.front().offer.priority;
  const size_t from = mixed ? 0 : context_.options.ids->Random64() % blocks * want;
  const size_t end = std::min(due.size(), from + want);
  for (size_t i = end; i > from; --i) names.erase(names.begin() + int64_t(places[i - 1]));
  return {due.begin() + int64_t(from), due.begin() + int64_t(end)};
}

Result<Worker::State::Attempt> Worker::State::Try(const std::string& queue, const ReadQueue& seen,
                                                  const std::string& guid,
                                                  const std::vector<Candidate>& candidates,
                                                  Backoff& backoff) {
  Transaction transaction;
  // Whoever pauses the queue spends the version.
  transaction.Check(QueuePath(queue), seen.version);
  for (const Candidate& candidate : candidates) {
    transaction.Remove(fmt::format("{}/{}", candidate.shard_path, candidate.name), kAnyVersion);
    transaction.Create(ClaimPath(guid, candidate.offer.id, candidate.offer.attempt),
                       Encode(ClaimNode{.queue = queue}));
  }
  const Sent sent = PK_TRY(SendUntilKnown(context_.sessions, transaction, backoff));
  const Refused* refused = sent.refused();
  if (refused == nullptr) return Attempt{.claimed = true};
  if (sent.repeated) {
    // All of it or nothing, and no copy is applied any more: what it met is gone for good.
    const Offer& first = candidates[0].offer;
    auto replies =
        ReadUntilKnown(context_.sessions, {{ClaimPath(guid, first.id, first.attempt)}}, backoff);
    const auto mine =
        replies.ok() ? coordination::NodeOf(std::move((*replies)[0])) : replies.error();
    PK_CHECK(mine.ok(), OutcomeUnknown(mine.error().message()));
    if (mine->has_value()) return Attempt{.claimed = true};
    // Unless the server that was asked is behind.
    std::lock_guard lock(mutex_);
    unsure_ = true;
  }
  if (refused->operation == 0) return Attempt{};
  const size_t at = (refused->operation - 1) / 2;
  const bool offer_gone = refused->operation % 2 == 1;
  if (offer_gone) return Attempt{.gone = at};
  // There is no node of this worker to claim under: its claims were taken back.
  Disappear(guid);
  return Attempt{};
}

Result<> Worker::State::Adopt(const std::string& guid, size_t capacity,
                              std::vector<ClaimedTask>& claims, Backoff& backoff) {
  Result<std::vector<std::string>> names =
      ListUntilKnown(context_.sessions, RunPath(guid), backoff);
  if (!names.ok() && names.error().code() == ErrorCode::kNotFound) {
    Disappear(guid);
    return {};
  }
  PK_TRY(Result(names));
  std::vector<std::string> paths;
  for (const std::string& name : *names) paths.push_back(RunPath(guid) + "/" + name);
  const Coming coming(*this, paths, capacity);
  {
    std::lock_guard lock(mutex_);
    unsure_ |= coming.left_some();
    looked_ = context_.options.clock->Now();
  }
  if (coming.empty()) return {};
  std::vector<std::string> unknown;
  std::vector<ReadRequest> requests;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!coming.contains(paths[i])) continue;
    unknown.push_back((*names)[i]);
    requests.push_back({paths[i]});
  }
  auto replies = PK_TRY(ReadUntilKnown(context_.sessions, requests, backoff));
  std::vector<Taken> taken;
  for (size_t i = 0; i < replies.size(); ++i) {
    const auto node = PK_TRY(coordination::NodeOf(std::move(replies[i])));
    if (!node) continue;
    const ClaimNode claim = PK_TRY(DecodeClaim(node->value).With(requests[i].path));
    const ClaimKey key = PK_TRY(ParseClaimName(unknown[i]));
    taken.push_back({claim.queue, key});
  }
  return Hold(guid, taken, claims, backoff);
}

Result<> Worker::State::Hold(const std::string& guid, const std::vector<Taken>& taken,
                             std::vector<ClaimedTask>& claims, Backoff& backoff) {
  if (taken.empty()) return {};
  std::vector<ReadRequest> requests;
  for (const Taken& each : taken) requests.push_back({DefPath(each.queue, each.key.id)});
  auto replies = ReadUntilKnown(context_.sessions, requests, backoff);
  if (!replies.ok()) {
    std::lock_guard lock(mutex_);
    unsure_ = true;
    return replies.error();
  }
  for (size_t i = 0; i < taken.size(); ++i) {
    const auto& [queue, key] = taken[i];
    const std::string path = ClaimPath(guid, key.id, key.attempt);
    const auto node = PK_TRY(coordination::NodeOf(std::move((*replies)[i])));
    // Forgotten, or the server that was asked is behind: a caretaker finds out.
    if (!node) continue;
    Task task = PK_TRY(DecodeTask(queue, key.id, node->value).With(requests[i].path));
    if (task.state != TaskState::kOpen || task.attempt != key.attempt) {
      // Cancelled, if it is still as it was read; nobody else has a use for the claim.
      const auto clear =
          Transaction().Check(requests[i].path, node->stat.version).Remove(path, kAnyVersion);
      static_cast<void>(SendUntilKnown(context_.sessions, clear, backoff));
      continue;
    }
    const AliveNode::Progress progress{.since_ms = context_.WallMs(),
                                       .limit_ms = task.request.progress_limit.count()};
    claims.push_back({.task = std::move(task), .version = node->stat.version, .worker = guid});
    std::lock_guard lock(mutex_);
    held_[path] = {.claim = claims.back(), .progress = progress};
  }
  return {};
}

}  // namespace pk::tasks
