#pragma once

// A commit in the queue of its table: what all have in common who wait there, whether their entries
// go with their sessions (queue_wait.cc) or stay (linked_commit.cc).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "parkeeper/base/retry.h"
#include "parkeeper/catalog/table_commits_internal.h"
#include "parkeeper/coordination/coordinator.h"

namespace pk::catalog {

inline constexpr int32_t kMostQueued = 5'000;
Error QueueIsFull(int32_t entries);

// Steps in when nobody works on a queue that somebody waits for. Helping is harmless: a round of
// somebody who is not needed is refused, or as good as any.
class StandIn {
 public:
  explicit StandIn(TableCommits& table) : table_(table) {}

  // After a look that found such a version, and somebody with the lease or not. Returns when to
  // look again.
  Duration After(int64_t version, bool lease);

 private:
  Duration Jitter(Duration longest);

  TableCommits& table_;
  int64_t seen_version_ = -1;
  SteadyTime moved_at_{};
  Duration patience_{};
  bool saw_no_lease_ = false;
};

// Not thread-safe.
class WaitingCommit {
 public:
  using MaybeResult = Result<std::optional<CommitResult>>;

  // All outlive it.
  WaitingCommit(TableCommits& table, OwnCommit& own, Backoff& backoff);

  // What the records after the proposal's `since` say of the id; nullopt: nothing up to this head,
  // and that is its `since` from now on.
  MaybeResult LookInRecords(ReadHead head, Backoff& backoff);

  // The content of an entry; writes a large commit into a file.
  Result<EntryNode> MakeEntry(const ReadHead& head);
  // Removes that file: nobody reads it any more.
  void DiscardFile();

  // Until the entry is gone, or (unless it `stays`) of a dropped table, and what the records say
  // then. nullopt: no record names it. kUnavailable at the deadline.
  MaybeResult Wait(bool stays);

  const std::string& entry_path() const { return entry_path_; }

 private:
  struct Look {
    std::optional<coordination::Node> entry;
    std::optional<ReadHead> head;
    bool lease = false;
  };
  Result<Look> LookAtQueue();
  void StartWatch();
  void Pause(Duration duration);

  TableCommits& table_;
  const CommitContext& context_;
  const std::string& key_;
  Clock& clock_;
  OwnCommit& own_;
  Backoff& backoff_;
  const std::string entry_path_;
  std::string commit_file_;
  const std::shared_ptr<KnownRecords> records_;
  StandIn stand_in_;
  std::shared_ptr<coordination::Coordinator> session_;
  std::unique_ptr<coordination::Watch> watch_;  // of the entry; goes before its session
};

}  // namespace pk::catalog
