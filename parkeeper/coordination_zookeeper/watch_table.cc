#include "parkeeper/coordination_zookeeper/watch_table_internal.h"

#include <algorithm>

#include "parkeeper/coordination/path.h"

namespace pk::coordination::zookeeper {
namespace {

bool Concerns(WatchScope scope, EventType type) {
  switch (scope) {
    case WatchScope::kNode:
      return type != EventType::kChildrenChanged;
    case WatchScope::kChildren:
      return type == EventType::kChildrenChanged || type == EventType::kRemoved;
    case WatchScope::kSubtree:
      return true;
  }
  return true;
}

// An event of a node below the watched one.
bool ConcernsFromAbove(WatchScope scope, EventType type, bool is_parent) {
  switch (scope) {
    case WatchScope::kNode:
      return false;
    case WatchScope::kChildren:
      return is_parent && (type == EventType::kCreated || type == EventType::kRemoved);
    case WatchScope::kSubtree:
      return true;
  }
  return true;
}

}  // namespace

void WatchState::Ring(std::string_view path) {
  std::lock_guard lock(mutex_);
  rung_ = true;
  changed_paths_.Add(path);
  changed_.Raise();
}

void WatchState::RingForAll() {
  std::lock_guard lock(mutex_);
  rung_ = true;
  changed_paths_.AddEverything();
  changed_.Raise();
}

std::optional<std::vector<std::string>> WatchState::TakeChanged() {
  std::lock_guard lock(mutex_);
  return changed_paths_.Take();
}

void WatchState::End() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.Raise();
}

bool WatchState::Wait(Session& session, Clock& clock, SteadyTime deadline, std::stop_token stop) {
  while (true) {
    // Outside of the lock: it may run callbacks of the user.
    if (session.state() == SessionState::kLost) return false;
    std::stop_token changed;
    {
      std::lock_guard lock(mutex_);
      if (ended_) return false;
      if (rung_) {
        rung_ = false;
        return true;
      }
      if (stop.stop_requested() || clock.Now() >= deadline) return false;
      changed = changed_.token();
    }
    WaitFor(clock, changed, deadline, stop);
  }
}

WatchMode WatchTable::Add(const std::string& path, std::shared_ptr<WatchState> watch) {
  Entry& entry = entries_[path];
  entry.recursive |= watch->scope() == WatchScope::kSubtree;
  entry.watches.push_back(std::move(watch));
  return entry.recursive ? WatchMode::kPersistentRecursive : WatchMode::kPersistent;
}

bool WatchTable::Remove(const std::string& path, const std::shared_ptr<WatchState>& watch) {
  const auto entry = entries_.find(path);
  if (entry == entries_.end()) return false;
  auto& watches = entry->second.watches;
  const auto found = std::find(watches.begin(), watches.end(), watch);
  if (found == watches.end()) return false;
  std::swap(*found, watches.back());
  watches.pop_back();
  if (!watches.empty()) return false;
  entries_.erase(entry);
  return true;
}

void WatchTable::Dispatch(const Event& event) const {
  const auto type = static_cast<EventType>(event.type);
  if (type < EventType::kCreated || type > EventType::kChildrenChanged) return;
  if (const auto entry = entries_.find(event.path); entry != entries_.end()) {
    for (const auto& watch : entry->second.watches) {
      if (Concerns(watch->scope(), type)) watch->Ring(event.path);
    }
  }
  std::string_view below = event.path;
  while (below.size() > 1 && below.starts_with('/')) {
    const std::string_view above = Parent(below);
    const bool is_parent = below.size() == event.path.size();
    const auto entry = entries_.find(std::string(above));
    if (entry != entries_.end() && entry->second.recursive) {
      for (const auto& watch : entry->second.watches) {
        if (ConcernsFromAbove(watch->scope(), type, is_parent)) watch->Ring(event.path);
      }
    }
    below = above;
  }
}

void WatchTable::RingAll() const {
  for (const auto& [path, entry] : entries_) {
    for (const auto& watch : entry.watches) watch->RingForAll();
  }
}

void WatchTable::EndAll() const {
  for (const auto& [path, entry] : entries_) {
    for (const auto& watch : entry.watches) watch->End();
  }
}

std::vector<WatchChunk> WatchTable::Chunks(size_t most) const {
  constexpr size_t kLengthBytes = 4;
  std::vector<WatchChunk> chunks;
  size_t bytes = most;
  for (const auto& [path, entry] : entries_) {
    const size_t here = path.size() + kLengthBytes;
    if (bytes + here > most) {
      chunks.emplace_back();
      bytes = 0;
    }
    bytes += here;
    WatchChunk& chunk = chunks.back();
    (entry.recursive ? chunk.recursive : chunk.persistent).push_back(path);
  }
  return chunks;
}

}  // namespace pk::coordination::zookeeper
