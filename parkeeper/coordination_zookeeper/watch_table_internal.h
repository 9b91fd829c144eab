#pragma once

// The watches of one client. On the server there is one watch per path, persistent, and recursive
// once a subtree is watched from there; events are sorted out here. (Servers before 3.9 keep one
// mode per path, so two would overwrite each other.) Paths are absolute.
//
// WatchState is thread-safe; the table belongs to the I/O thread.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "parkeeper/coordination/changed_paths.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/signal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"

namespace pk::coordination::zookeeper {

// One watch, shared by its owner and the table.
class WatchState {
 public:
  explicit WatchState(WatchScope scope) : scope_(scope) {}

  WatchScope scope() const { return scope_; }
  // Something happened at the absolute path; or, who knows what.
  void Ring(std::string_view path);
  void RingForAll();
  // No more wake-ups: the session is over.
  void End();
  // As Watch::Wait().
  bool Wait(Session& session, Clock& clock, SteadyTime deadline, std::stop_token stop);
  // As Watch::TakeChanged(), with absolute paths.
  std::optional<std::vector<std::string>> TakeChanged();

 private:
  const WatchScope scope_;
  std::mutex mutex_;
  bool rung_ = false;
  ChangedPaths changed_paths_;
  bool ended_ = false;
  Signal changed_;
};

// Paths to watch again, in one request.
struct WatchChunk {
  std::vector<std::string> persistent;
  std::vector<std::string> recursive;
};

class WatchTable {
 public:
  // The mode that the server's watch of the path must have from now on.
  WatchMode Add(const std::string& path, std::shared_ptr<WatchState> watch);
  // True when it was the last of the path, so that the server's watch goes.
  bool Remove(const std::string& path, const std::shared_ptr<WatchState>& watch);

  void Dispatch(const Event& event) const;
  void RingAll() const;
  void EndAll() const;
  // All paths, in chunks with less than `most` bytes (or one path).
  std::vector<WatchChunk> Chunks(size_t most) const;

 private:
  struct Entry {
    bool recursive = false;
    std::vector<std::shared_ptr<WatchState>> watches;
  };
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace pk::coordination::zookeeper
