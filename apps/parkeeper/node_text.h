#pragma once

// What `parkeeper node` shows: values as text, subtrees, and what changed between two looks.

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/coordination/coordinator.h"

namespace pk::cli {

// UTF-8 without control characters other than tab and end of line.
bool IsPlainText(std::string_view bytes);

// Printable ASCII as it is, a backslash twice, every other byte as \xNN.
std::string Escaped(std::string_view bytes);

// By path. In the order of paths as lists of segments: a node before its children, these before the
// node's next sibling.
struct BySegment {
  bool operator()(std::string_view a, std::string_view b) const;
};
using Subtree = std::map<std::string, coordination::Node, BySegment>;

// The node and what lies below it, `depth` levels (0: all). Empty: there is no such node. One look
// node by node, so what changes meanwhile may be seen in part. kCancelled: stop was requested.
Result<Subtree> ReadSubtree(coordination::Coordinator& coordinator, const std::string& root,
                            int depth, std::stop_token stop);

// One line per node, indented by its depth below `root`, with its size.
std::string TreeText(const Subtree& tree, std::string_view root);

struct NodeChange {
  std::string what;  // "created", "set", "removed"
  std::string path;
  int32_t version = 0;
  bool operator==(const NodeChange&) const = default;
};

// What must have happened between two looks; several changes of one node may be one here. A node
// that was made again is removed and created.
std::vector<NodeChange> Changes(const Subtree& before, const Subtree& after);

// Removes the node and all below it, deepest first, in steps of many nodes; returns how many.
// kNotFound: no such node; kConflict: somebody else changed something there meanwhile, and what
// was removed before that stays removed.
Result<int64_t> RemoveTree(coordination::Coordinator& coordinator, const std::string& root,
                           std::stop_token stop);

}  // namespace pk::cli
