#include "parkeeper/coordination/tree.h"

#include <fmt/format.h>

#include <functional>
#include <optional>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/validate.h"

namespace pk::coordination {
namespace {

Error NoNode(std::string_view path) { return NotFound(fmt::format("no node {}", path)); }

// As ZooKeeper: versions wrap around.
int32_t NextVersion(int32_t version) {
  return static_cast<int32_t>(static_cast<uint32_t>(version) + 1);
}

NodeStat StatOf(const Node& node, size_t children) {
  NodeStat stat = node.stat;
  stat.children = static_cast<int32_t>(children);
  return stat;
}

}  // namespace

// How to take one change back.
struct Tree::Undo {
  Change change;
  std::optional<Node> value_before;    // of a set
  std::optional<TreeNode> tree_node;   // of a removal
  uint64_t parent_created_before = 0;  // of a creation
};

// One transaction under way: carries out operations one by one, and can take all of them back.
class Tree::Step {
 public:
  Step(Tree& tree, uint64_t session, int64_t wall_ms)
      : tree_(tree), session_(session), wall_ms_(wall_ms), zxid_(tree.zxid_ + 1) {}

  Result<> operator()(const CheckOperation& check) {
    PK_TRY(Expect(check.path, check.version));
    Report(check.path, {});
    return {};
  }

  Result<> operator()(const CreateOperation& create) {
    TreeNode* parent = tree_.Entry(Parent(create.path));
    PK_CHECK(parent != nullptr, NoNode(Parent(create.path)));
    std::string path = create.path;
    if (IsSequential(create.mode))
      fmt::format_to(std::back_inserter(path), "{:010}", parent->created_children);
    PK_CHECK(!tree_.Has(path), AlreadyExists(fmt::format("node exists: {}", path)));
    PK_CHECK(parent->node.stat.ephemeral_owner == 0,
             FailedPrecondition(fmt::format("parent is ephemeral: {}", path)));
    TreeNode made;
    made.node.value = create.value;
    made.node.stat = {.czxid = zxid_, .mzxid = zxid_, .ctime_ms = wall_ms_, .mtime_ms = wall_ms_};
    if (IsEphemeral(create.mode)) made.node.stat.ephemeral_owner = session_;
    Report(path, made.node.stat);
    undo_.push_back({.change = {Change::Kind::kCreated, path},
                     .value_before = {},
                     .tree_node = {},
                     .parent_created_before = parent->created_children});
    ++parent->created_children;
    tree_.Attach(path, std::move(made));
    return {};
  }

  Result<> operator()(const SetOperation& set) {
    TreeNode* entry = PK_TRY(Expect(set.path, set.version));
    undo_.push_back(
        {.change = {Change::Kind::kSet, set.path}, .value_before = entry->node, .tree_node = {}});
    entry->node.value = set.value;
    entry->node.stat.version = NextVersion(entry->node.stat.version);
    entry->node.stat.mzxid = zxid_;
    entry->node.stat.mtime_ms = wall_ms_;
    Report(set.path, StatOf(entry->node, entry->children.size()));
    return {};
  }

  Result<> operator()(const RemoveOperation& remove) {
    TreeNode* entry = PK_TRY(Expect(remove.path, remove.version));
    PK_CHECK(entry->children.empty(),
             FailedPrecondition(fmt::format("node has children: {}", remove.path)));
    Report(remove.path, {});
    undo_.push_back({.change = {Change::Kind::kRemoved, remove.path},
                     .value_before = {},
                     .tree_node = tree_.Detach(remove.path)});
    return {};
  }

  void TakeBack() {
    for (; !undo_.empty(); undo_.pop_back()) {
      Undo& undo = undo_.back();
      const std::string& path = undo.change.path;
      switch (undo.change.kind) {
        case Change::Kind::kCreated:
          tree_.Detach(path);
          tree_.Entry(Parent(path))->created_children = undo.parent_created_before;
          break;
        case Change::Kind::kSet:
          tree_.Entry(path)->node = *std::move(undo.value_before);
          break;
        case Change::Kind::kRemoved:
          tree_.Attach(path, *std::move(undo.tree_node));
          break;
      }
    }
  }

  Applied Finish(std::vector<Change>& changes) {
    tree_.zxid_ = zxid_;
    applied_.zxid = zxid_;
    for (Undo& undo : undo_) changes.push_back(std::move(undo.change));
    return std::move(applied_);
  }

 private:
  Result<TreeNode*> Expect(const std::string& path, int32_t version) {
    TreeNode* entry = tree_.Entry(path);
    PK_CHECK(entry != nullptr, NoNode(path));
    const int32_t found = entry->node.stat.version;
    PK_CHECK(version == kAnyVersion || version == found,
             Conflict(fmt::format("another version of {}: expected {}, found {}", path, version,
                                  found)));
    return entry;
  }
  void Report(const std::string& path, const NodeStat& stat) {
    applied_.paths.push_back(path);
    applied_.stats.push_back(stat);
  }

  Tree& tree_;
  const uint64_t session_;
  const int64_t wall_ms_;
  const uint64_t zxid_;
  std::vector<Undo> undo_;
  Applied applied_;
};

Tree::Tree() { nodes_.emplace("/", TreeNode{}); }

CommitOutcome Tree::Apply(const Transaction& transaction, uint64_t session, int64_t wall_ms,
                          std::vector<Change>& changes) {
  Step step(*this, session, wall_ms);
  const auto& operations = transaction.operations();
  for (size_t i = 0; i < operations.size(); ++i) {
    Result<> done = std::visit(step, operations[i]);
    if (done.ok()) continue;
    step.TakeBack();
    return Refused{i, std::move(done).error()};
  }
  return step.Finish(changes);
}

void Tree::EndSession(uint64_t session, std::vector<Change>& changes) {
  ++zxid_;
  const auto owned = ephemerals_.find(session);
  if (owned == ephemerals_.end()) return;
  const std::set<std::string> paths = owned->second;  // Detach changes the set
  for (const std::string& path : paths) {
    Detach(path);
    changes.push_back({Change::Kind::kRemoved, path});
  }
}

Result<Node> Tree::Get(std::string_view path) const {
  const TreeNode* entry = Entry(path);
  PK_CHECK(entry != nullptr, NoNode(path));
  return Node{entry->node.value, StatOf(entry->node, entry->children.size())};
}

Result<NodeStat> Tree::Stat(std::string_view path) const {
  const TreeNode* entry = Entry(path);
  PK_CHECK(entry != nullptr, NoNode(path));
  return StatOf(entry->node, entry->children.size());
}

Result<std::vector<std::string>> Tree::List(std::string_view path) const {
  const TreeNode* entry = Entry(path);
  PK_CHECK(entry != nullptr, NoNode(path));
  return std::vector<std::string>(entry->children.begin(), entry->children.end());
}

Result<ReadReply> Tree::Read(const ReadRequest& request) const {
  ReadReply reply;
  if (request.children) {
    reply.children = PK_TRY(List(request.path));
  } else {
    reply.node = PK_TRY(Get(request.path));
  }
  return reply;
}

const Tree::TreeNode* Tree::Entry(std::string_view path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second;
}

Tree::TreeNode* Tree::Entry(std::string_view path) {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second;
}

void Tree::Attach(const std::string& path, TreeNode node) {
  if (const uint64_t owner = node.node.stat.ephemeral_owner; owner != 0) {
    ephemerals_[owner].insert(path);
  }
  Entry(Parent(path))->children.emplace(LastSegment(path));
  nodes_.emplace(path, std::move(node));
}

Tree::TreeNode Tree::Detach(const std::string& path) {
  TreeNode node = std::move(nodes_.extract(path).mapped());
  if (const uint64_t owner = node.node.stat.ephemeral_owner; owner != 0) {
    const auto owned = ephemerals_.find(owner);
    owned->second.erase(path);
    if (owned->second.empty()) ephemerals_.erase(owned);
  }
  auto& siblings = Entry(Parent(path))->children;
  siblings.erase(siblings.find(LastSegment(path)));
  return node;
}

}  // namespace pk::coordination
