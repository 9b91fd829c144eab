#pragma once

// Watches of one Coordinator. However many there are, one thread listens and looks once for all:
// at the bell, which every process touches after a commit, and every quarter of a second at the
// file's change counter, for a commit whose process died before it could ring.
//
// Thread-safe. Watches may outlive the hub; they then wait no longer.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>

#include "parkeeper/coordination/changed_paths.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination_sqlite/database_internal.h"
#include "parkeeper/coordination_sqlite/folder_internal.h"
#include "parkeeper/coordination_sqlite/tree_internal.h"

namespace pk::coordination::sqlite {

// One watch, shared by its owner and the registry.
struct WatchState {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool rung = false;
  ChangedPaths paths = {};
};

// Which watches there are, and which of them a change concerns.
class WatchRegistry {
 public:
  std::shared_ptr<WatchState> Add(const std::string& path, WatchScope scope);
  void Remove(const std::string& path, WatchScope scope, const std::shared_ptr<WatchState>& state);
  bool empty() const;

  void Ring(const Change& change);
  void RingAll();

 private:
  using States = std::unordered_multimap<std::string, std::shared_ptr<WatchState>>;
  static void RingIn(const States& states, const std::string& path, const Change& change);
  States& Of(WatchScope scope) { return states_[size_t(scope)]; }

  mutable std::mutex mutex_;
  States states_[3];
};

class WatchHub {
 public:
  // `on_death` is called, on the hub's thread, when some process has let go of the sessions file;
  // it must only wake another thread.
  WatchHub(FolderFiles files, std::function<void()> on_death);
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // Rung by every change that is committed after it returns.
  Result<std::unique_ptr<Watch>> Start(std::string_view path, WatchScope scope,
                                       std::stop_token lost);

 private:
  Result<> StartThread();
  void Run(std::stop_token stop);
  void Listen();
  // Looks for changes after seen_ and rings.
  Result<> Look();

  FolderFiles files_;
  std::function<void()> on_death_;
  std::shared_ptr<WatchRegistry> registry_;

  std::mutex start_mutex_;  // held while a watch starts
  std::mutex look_mutex_;   // of the connection and what was seen with it
  std::unique_ptr<Connection> connection_;
  int64_t seen_ = 0;
  int64_t data_version_ = -1;  // not looked yet

  int inotify_ = -1;
  int stop_event_ = -1;
  int bell_watch_ = -1;
  std::jthread thread_;
};

}  // namespace pk::coordination::sqlite
