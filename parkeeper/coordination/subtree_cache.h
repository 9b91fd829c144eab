#pragma once

// SubtreeCache: a copy of a node and all below it in this process, kept up by a watch.
//
// How stale: it holds what the watch had announced when the last Refresh() that was ok began, or
// later; between the calls it stands still. Sync() brings everything that was modified anywhere
// before it began. A node never goes back to an earlier state. Nodes are read in chunks, and two
// chunks may be of different moments; only nodes set in one transaction and read in one chunk are
// sure to fit together.
//
// What it costs: loading reads each node once and lists each node that has children, 200 to a
// request, the requests one after the other. A refresh reads the nodes that the watch names.
// Where it cannot name them (after a reconnect, after more than 1,000 changes at once, on Sync())
// the stat of every node is read, 1,000 at a time. Values are read of those whose transaction ids
// differ, and children listed where some came, or went and came again; the others keep what they
// have and are not reported. Memory: paths and values of all nodes and about 350 bytes each, within
// the limits.
//
// Suspended: it stands still, and says no more than "some time ago". Lost: Refresh() gives
// kUnavailable, for good; what it holds can still be read. Load a new one with a new session.
//
// Threading: none of its own, and not thread-safe: one thread drives it and reads it. Move-only.
// Destroy it before its Coordinator.

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/party.h"

namespace pk::coordination {

struct CacheLimits {
  size_t most_nodes = 1'000'000;
  size_t most_bytes = size_t{1} << 30;  // of paths and values
};

class SubtreeCache {
 public:
  // Loads what is at and below `root`, which need not exist. kFailedPrecondition: more than the
  // limits. Any error of a read.
  static Result<SubtreeCache> Load(Coordinator& coordinator, std::string root,
                                   CacheLimits limits = {});

  // Takes over what has happened, without waiting for it. The paths that were created, set or
  // removed, in byte order. After an error (kUnavailable, kFailedPrecondition over the limits) the
  // cache holds some of it, and the next call goes on.
  Result<std::vector<std::string>> Refresh();
  // Waits until something may have happened, then the same; nothing at the deadline or when stop is
  // requested.
  Result<std::vector<std::string>> WaitAndRefresh(const Until& until);
  // The same for all that was modified anywhere before this call. Looks at every node's stat.
  Result<std::vector<std::string>> Sync();

  // Null: no such node. Valid until the next call that is not const. stat.children is the number
  // that the cache holds.
  const Node* Find(std::string_view path) const;
  // Names of the children, in byte order; none for a node that is missing.
  std::vector<std::string> List(std::string_view path) const;
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Node node;
    uint64_t walk = 0;  // the last in which it was seen
    std::set<std::string, std::less<>> children;
  };
  // A watch names the child that came or went, not its parent.
  static void CountChildren(Entry& entry) {
    entry.node.stat.children = static_cast<int32_t>(entry.children.size());
  }
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Paths = std::set<std::string>;
  // A node with this number of children when it was read.
  struct InnerNode {
    std::string path;
    size_t children;
  };

  SubtreeCache(Coordinator& coordinator, std::string root, CacheLimits limits)
      : coordinator_(&coordinator), root_(std::move(root)), limits_(limits) {}

  Result<std::vector<std::string>> Update();
  // Notes what the watch has to say.
  void Hear();
  // Reads the nodes and puts them in place of what is there; adds those that have children.
  Result<> ReadNodes(const std::vector<std::string>& paths, std::vector<InnerNode>& parents);
  // The children of the nodes, as paths.
  Result<std::vector<std::string>> ReadChildren(const std::vector<std::string>& paths);
  // Of nodes that it holds, which are still the ones that it holds, whatever their values: reads
  // the others and those with another value, and adds those that have children.
  Result<std::vector<bool>> Compare(const std::vector<std::string>& paths,
                                    std::vector<InnerNode>& parents);
  // The next level of a walk: the children of `parents`; returns those that have children.
  Result<std::vector<InnerNode>> Descend(const std::vector<InnerNode>& parents);
  // Looks at every node.
  Result<> Walk();
  Result<> Put(const std::string& path, Node node);
  void Erase(const std::string& path);

  Coordinator* coordinator_;
  std::string root_;
  CacheLimits limits_;
  std::unique_ptr<Watch> watch_;
  // The parent of each, up to the root, is there too.
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
  size_t bytes_ = 0;
  uint64_t walk_ = 0;
  Paths changed_;  // and not reported yet
  // What is still to be read.
  bool all_due_ = true;
  Paths due_;
};

}  // namespace pk::coordination
