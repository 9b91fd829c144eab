#pragma once

// What a Worker knows of itself: its guid, the claims that it holds, lists of offers that are not
// old yet.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "parkeeper/coordination/signal.h"
#include "parkeeper/tasks/queue_internal.h"
#include "parkeeper/tasks/worker.h"

namespace pk::tasks {

// Thread-safe. The mutex is never held across a call that leaves the process.
class Worker::State {
 public:
  State(const Context& context, WorkerProfile profile)
      : context_(context), profile_(std::move(profile)) {}

  const Context& context() const { return context_; }
  std::string guid() const;

  Result<std::vector<ClaimedTask>> Claim(const std::vector<std::string>& queues, size_t capacity);
  Result<std::vector<ClaimedTask>> Heartbeat();
  void Report(const ClaimedTask& claim, Progress progress);
  void Forget(const ClaimedTask& claim);
  Result<> Leave();

  // Ends a claim otherwise than by a completion.
  Result<> EndOtherwise(const ClaimedTask& claim, const Task& to);
  // Removes what is left of claims that are over, if it can.
  void Clear(const std::vector<std::string>& claim_paths, Backoff& backoff);

 private:
  struct Held {
    ClaimedTask claim;
    AliveNode::Progress progress;
  };
  // Offers of a shard as they were listed; those that were tried are taken out.
  struct Listing {
    std::vector<std::string> names;
    SteadyTime at{};
  };
  // An offer that is to be claimed.
  struct Candidate {
    std::string shard_path;
    std::string name;
    Offer offer;
  };
  struct Taken {
    std::string queue;
    ClaimKey key;
  };

  // The guid under which the worker is there, in the present session.
  Result<std::string> Enlist(Backoff& backoff);
  Result<std::string> EnlistAlone(Backoff& backoff);
  Result<bool> Appear(coordination::Coordinator& session, const std::string& guid, bool is_new);
  void Disappear(const std::string& guid);

  Result<> ClaimFrom(const std::string& queue, size_t want, std::vector<ClaimedTask>& claims,
                     Backoff& backoff);
  Result<> ClaimFromAll(const std::vector<std::string>& queues, size_t capacity,
                        std::vector<ClaimedTask>& claims, Backoff& backoff);
  // Shards that have offers, in the order in which to look; none while the queue is paused.
  Result<std::vector<std::string>> ShardsWithOffers(const std::string& queue, ReadQueue& seen,
                                                    Backoff& backoff);
  Result<std::vector<Candidate>> Gather(const std::vector<std::string>& shards, size_t want,
                                        Backoff& backoff);
  Result<> ListOffers(const std::string& shard, Backoff& backoff);
  std::vector<Candidate> Pick(const std::string& shard, size_t want);
  // Whether the candidates were claimed by this worker; else which of them was gone, or nullopt:
  // look at everything again.
  struct Attempt {
    bool claimed = false;
    std::optional<size_t> gone = {};
  };
  Result<Attempt> Try(const std::string& queue, const ReadQueue& seen, const std::string& guid,
                      const std::vector<Candidate>& candidates, Backoff& backoff);

  // Claims that one call is about to hold: no other takes them for its own, or for forgotten.
  class Coming {
   public:
    // Of `paths` the first `most` that are neither held nor coming.
    Coming(State& state, const std::vector<std::string>& paths, size_t most);
    ~Coming();
    Coming(const Coming&) = delete;
    bool contains(const std::string& path) const { return paths_.contains(path); }
    bool empty() const { return paths_.empty(); }
    // There were more.
    bool left_some() const { return left_some_; }

   private:
    State& state_;
    std::set<std::string> paths_;
    bool left_some_ = false;
  };

  // Finds claims under the worker's name that it does not hold.
  Result<> Adopt(const std::string& guid, size_t capacity, std::vector<ClaimedTask>& claims,
                 Backoff& backoff);
  // Reads the tasks of claims; what was cancelled meanwhile is cleared away.
  Result<> Hold(const std::string& guid, const std::vector<Taken>& taken,
                std::vector<ClaimedTask>& claims, Backoff& backoff);

  Result<> Beat(Backoff& backoff);
  AliveNode Alive() const {
    return {.name = profile_.name, .labels = profile_.labels, .at_ms = context_.WallMs()};
  }

  const Context context_;
  const WorkerProfile profile_;

  mutable std::mutex mutex_;
  std::string guid_;      // empty: not there
  uint64_t session_ = 0;  // in which it is there
  bool enlisting_ = false;
  coordination::Signal enlisted_;
  std::map<std::string, Held> held_;         // by claim path
  std::set<std::string> coming_;             // claim paths
  std::vector<ClaimedTask> lost_;            // all at once, with the guid; not told yet
  bool unsure_ = false;                      // a claim may be there that is not held
  SteadyTime looked_{};                      // for such claims
  std::map<std::string, Listing> listings_;  // by shard path
  std::map<std::string, int32_t> shards_;    // by queue
};

}  // namespace pk::tasks
