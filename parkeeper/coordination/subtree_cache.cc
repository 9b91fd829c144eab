#include "parkeeper/coordination/subtree_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "parkeeper/coordination/path.h"

namespace pk::coordination {
namespace {

constexpr size_t kReadAtOnce = 200;
constexpr size_t kStatAtOnce = 1'000;  // they have no values

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

// Of each path; nullopt: no such node.
Result<std::vector<std::optional<NodeStat>>> ReadStats(Coordinator& coordinator,
                                                       const std::vector<std::string>& paths) {
  std::vector<std::optional<NodeStat>> stats;
  stats.reserve(paths.size());
  for (size_t begin = 0; begin < paths.size(); begin += kStatAtOnce) {
    const auto first = paths.begin() + static_cast<ptrdiff_t>(begin);
    const size_t count = std::min(kStatAtOnce, paths.size() - begin);
    auto replies = PK_TRY(coordinator.Stats({first, first + static_cast<ptrdiff_t>(count)}));
    for (auto& reply : replies) {
      const bool is_there = reply.ok();
      PK_CHECK(is_there || reply.error().code() == ErrorCode::kNotFound, std::move(reply).error());
      stats.push_back(is_there ? std::optional(*reply) : std::nullopt);
    }
  }
  return stats;
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
    std::vector<InnerNode> parents;  // of new ones the watch names the children as well
    PK_TRY(ReadNodes({due_.begin(), due_.end()}, parents));
  }
  all_due_ = false;
  due_.clear();
  const Paths changed = std::exchange(changed_, {});
  return std::vector<std::string>(changed.begin(), changed.end());
}

Result<> SubtreeCache::ReadNodes(const std::vector<std::string>& paths,
                                 std::vector<InnerNode>& parents) {
  return ReadAll(*coordinator_, paths, false,
                 [&](const std::string& path, std::optional<ReadReply> reply) -> Result<> {
                   if (!reply.has_value()) {
                     Erase(path);
                     return {};
                   }
                   const int32_t children = reply->node.stat.children;
                   if (children > 0) parents.push_back({path, static_cast<size_t>(children)});
                   return Put(path, std::move(reply->node));
                 });
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

Result<std::vector<bool>> SubtreeCache::Compare(const std::vector<std::string>& paths,
                                                std::vector<InnerNode>& parents) {
  const auto stats = PK_TRY(ReadStats(*coordinator_, paths));
  std::vector<bool> kept(paths.size());
  std::vector<std::string> different;
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::optional<NodeStat>& now = stats[i];
    if (!now.has_value()) {
      Erase(paths[i]);
      continue;
    }
    Entry& entry = entries_.find(paths[i])->second;
    const NodeStat& held = entry.node.stat;
    kept[i] = now->czxid == held.czxid;
    if (!kept[i] || now->mzxid != held.mzxid) {
      different.push_back(paths[i]);
      continue;
    }
    entry.walk = walk_;
    if (now->children > 0) parents.push_back({paths[i], static_cast<size_t>(now->children)});
  }
  PK_TRY(ReadNodes(different, parents));
  return kept;
}

Result<std::vector<SubtreeCache::InnerNode>> SubtreeCache::Descend(
    const std::vector<InnerNode>& parents) {
  std::vector<std::string> held;
  std::vector<size_t> ends;  // in `held`, of the children of each parent
  for (const InnerNode& parent : parents) {
    const auto found = entries_.find(parent.path);
    if (found != entries_.end()) {
      for (const std::string& name : found->second.children) {
        held.push_back(Join(parent.path, name));
      }
    }
    ends.push_back(held.size());
  }
  std::vector<InnerNode> next;
  const std::vector<bool> kept = PK_TRY(Compare(held, next));

  // A child that is kept was there already when its parent was read, before it. So a parent that
  // had no more than these had no others then, and of any since the watch will tell.
  std::vector<std::string> unlike;
  for (size_t i = 0, at = 0; i < parents.size(); ++i) {
    size_t alive = 0;
    for (; at < ends[i]; ++at) alive += kept[at] ? 1 : 0;
    if (alive != parents[i].children) unlike.push_back(parents[i].path);
  }
  std::vector<std::string> came = PK_TRY(ReadChildren(unlike));
  std::erase_if(came, [this](const std::string& path) { return entries_.contains(path); });
  PK_TRY(ReadNodes(came, next));
  return next;
}

Result<> SubtreeCache::Walk() {
  ++walk_;
  std::vector<InnerNode> parents;
  if (entries_.contains(root_)) {
    PK_TRY(Compare({root_}, parents));
  } else {
    PK_TRY(ReadNodes({root_}, parents));
  }
  while (!parents.empty()) parents = PK_TRY(Descend(parents));
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
