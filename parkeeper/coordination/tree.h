#pragma once

// Tree: the node tree of a coordinator as a plain data structure, with ZooKeeper's rules and
// nothing else: no sessions but their ids, no watches, no time but what it is told. The in-memory
// back end puts a mutex and watches around it; tests hold other back ends against it.
//
// Not thread-safe. Requests must be valid (validate.h).

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/transaction.h"

namespace pk::coordination {

struct Change {
  enum class Kind { kCreated, kSet, kRemoved };
  Kind kind;
  std::string path;
  bool operator==(const Change&) const = default;
};

class Tree {
 public:
  Tree();

  // Carries out all operations or none, as one step with its own zxid. Appends what it changed to
  // `changes`, in order. Ephemeral nodes belong to `session`; times are set to `wall_ms`.
  CommitOutcome Apply(const Transaction& transaction, uint64_t session, int64_t wall_ms,
                      std::vector<Change>& changes);

  // Removes the ephemerals of `session`, as one step.
  void EndSession(uint64_t session, std::vector<Change>& changes);

  // kNotFound names the path.
  Result<Node> Get(std::string_view path) const;
  Result<NodeStat> Stat(std::string_view path) const;
  Result<std::vector<std::string>> List(std::string_view path) const;
  Result<ReadReply> Read(const ReadRequest& request) const;

  bool Has(std::string_view path) const { return Entry(path) != nullptr; }
  // Of the last step; 0 before the first.
  uint64_t zxid() const { return zxid_; }

 private:
  struct TreeNode {
    Node node;  // stat.children is filled in when read
    std::set<std::string, std::less<>> children;
    uint64_t created_children = 0;  // the next sequence number
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  struct Undo;
  class Step;

  const TreeNode* Entry(std::string_view path) const;
  TreeNode* Entry(std::string_view path);
  void Attach(const std::string& path, TreeNode node);
  TreeNode Detach(const std::string& path);

  std::unordered_map<std::string, TreeNode, Hash, std::equal_to<>> nodes_;
  std::map<uint64_t, std::set<std::string>> ephemerals_;  // by session
  uint64_t zxid_ = 0;
};

}  // namespace pk::coordination
