#include "parkeeper/coordination/subtree_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "parkeeper/coordination/path.h"

namespace pk::coordination {
namespace {

constexpr size_t kReadAtOnce = 200;

// Calls `take` with each path and its reply, in order.
template <class Take>
Result<> ReadAll(Coordinator& coordinator, const std::vector<std::string>& paths, bool children,
                 const Take& take) {
  for (size_t begin = 0; begin < paths.size(); begin += kReadAtOnce) {
    const size_t end = std::min(begin + kReadAtOnce, paths.size());
    std::vector<ReadRequest> requests;
    for (size_t i = begin; i < end; ++i) {
      requests.push_back({.path = paths[i], .children = children});
    }
    auto replies = PK_TRY(coordinator.Read(requests));
    for (size_t i = begin; i < end; ++i) {
      auto& reply = replies[i - begin];
      if (reply.ok()) {
        PK_TRY(take(paths[i], std::optional(std::move(*reply))));
      } else {
        PK_CHECK(reply.error().code() == ErrorCode::kNotFound, std::move(reply).error());
        PK_TRY(take(paths[i], std::optional<ReadReply>()));
      }
    }
  }
  return {};
}

}  // namespace

Result<SubtreeCache> SubtreeCache::Load(Coordinator& coordinator, std::string root,
                                        CacheLimits limits) {
  SubtreeCache cache(coordinator, std::move(root), limits);
  cache.watch_ = PK_TRY(coordinator.StartWatch(cache.root_, WatchScope::kSubtree));
  PK_TRY(cache.Update().With("load the cache of " + cache.root_));
  return cache;
}

Result<std::vector<std::string>> SubtreeCache::Refresh() {
  if (watch_->Wait(SteadyTime())) Hear();
  return Update();
}

Result<std::vector<std::string>> SubtreeCache::WaitAndRefresh(const Until& until) {
  const bool due = all_due_ || !due_.empty();
  if (!due && watch_->Wait(until.deadline, until.stop)) Hear();
  Session& session = coordinator_->session();
  // A read would fail at once, and who calls in a loop would spin.
  if (session.state() == SessionState::kSuspended) {
    session.WaitForChange(SessionState::kSuspended, until.deadline, until.stop);
  }
  return Update();
}

Result<std::vector<std::string>> SubtreeCache::Sync() {
  PK_TRY(coordinator_->Sync());
  all_due_ = true;
  return Update();
}

const Node* SubtreeCache::Find(std::string_view path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : &found->second.node;
}

std::vector<std::string> SubtreeCache::List(std::string_view path) const {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return {};
  return {found->second.children.begin(), found->second.children.end()};
}

void SubtreeCache::Hear() {
  auto changed = watch_->TakeChanged();
  if (!changed.has_value()) {
    all_due_ = true;
    return;
  }
  for (std::string& path : *changed) due_.insert(std::move(path));
}

Result<std::vector<std::string>> SubtreeCache::Update() {
  PK_CHECK(coordinator_->session().state() != SessionState::kLost,
           Unavailable("the session of the cache is lost, load a new one: " + root_));
  if (all_due_) {
    PK_TRY(Walk());
  } else if (!due_.empty()) {
    PK_TRY(ReadNodes({due_.begin(), due_.end()}));
  }
  all_due_ = false;
  due_.clear();
  const Paths changed = std::exchange(changed_, {});
  return std::vector<std::string>(changed.begin(), changed.end());
}

Result<std::vector<std::string>> SubtreeCache::ReadNodes(const std::vector<std::string>& paths) {
  std::vector<std::string> parents;
  PK_TRY(ReadAll(*coordinator_, paths, false,
                 [&](const std::string& path, std::optional<ReadReply> reply) -> Result<> {
                   if (!reply.has_value()) {
                     Erase(path);
                     return {};
                   }
                   if (reply->node.stat.children > 0) parents.push_back(path);
                   return Put(path, std::move(reply->node));
                 }));
  return parents;
}

Result<std::vector<std::string>> SubtreeCache::ReadChildren(const std::vector<std::string>& paths) {
  std::vector<std::string> children;
  PK_TRY(ReadAll(*coordinator_, paths, true,
                 [&](const std::string& path, std::optional<ReadReply> reply) -> Result<> {
                   if (!reply.has_value()) return {};
                   for (const std::string& name : reply->children) {
                     children.push_back(Join(path, name));
                   }
                   return {};
                 }));
  return children;
}

Result<> SubtreeCache::Walk() {
  ++walk_;
  std::vector<std::string> level = {root_};
  while (!level.empty()) {
    const auto parents = PK_TRY(ReadNodes(level));
    level = PK_TRY(ReadChildren(parents));
  }
  std::vector<std::string> gone;
  for (const auto& [path, entry] : entries_) {
    if (entry.walk != walk_) gone.push_back(path);
  }
  for (const std::string& path : gone) Erase(path);
  return {};
}

Result<> SubtreeCache::Put(const std::string& path, Node node) {
  auto found = entries_.find(path);
  const bool is_new = found == entries_.end();
  if (is_new) {
    const auto parent = path == root_ ? entries_.end() : entries_.find(Parent(path));
    // Its parent was missing a moment ago, so both were created since, and the watch will say so.
    if (path != root_ && parent == entries_.end()) return {};
    PK_CHECK(entries_.size() < limits_.most_nodes,
             FailedPrecondition(fmt::format("more nodes than the cache may hold, {}: below {}",
                                            limits_.most_nodes, root_)));
    if (path != root_) {
      parent->second.children.emplace(LastSegment(path));
      CountChildren(parent->second);
    }
    found = entries_.emplace(path, Entry{}).first;
    bytes_ += path.size();
  }
  Entry& entry = found->second;
  entry.walk = walk_;
  const bool same = !is_new && entry.node.stat.mzxid == node.stat.mzxid &&
                    entry.node.stat.czxid == node.stat.czxid;
  if (same) return {};
  changed_.insert(path);
  bytes_ += node.value.size();
  bytes_ -= entry.node.value.size();
  entry.node = std::move(node);
  CountChildren(entry);
  PK_CHECK(bytes_ <= limits_.most_bytes,
           FailedPrecondition(fmt::format("more bytes than the cache may hold, {}: below {}",
                                          limits_.most_bytes, root_)));
  return {};
}

void SubtreeCache::Erase(const std::string& path) {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return;
  const Entry entry = std::move(found->second);
  entries_.erase(found);
  bytes_ -= path.size() + entry.node.value.size();
  changed_.insert(path);
  for (const std::string& child : entry.children) Erase(Join(path, child));
  if (path == root_) return;
  const auto parent = entries_.find(Parent(path));
  if (parent == entries_.end()) return;
  parent->second.children.erase(std::string(LastSegment(path)));
  CountChildren(parent->second);
}

}  // namespace pk::coordination
