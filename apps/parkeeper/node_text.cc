#include "apps/parkeeper/node_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/coordination/path.h"

namespace pk::cli {
namespace {

using coordination::Coordinator;
using coordination::Node;

constexpr size_t kRemovesPerStep = 200;
constexpr size_t kPreviewBytes = 60;

bool IsContinuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// The length of the UTF-8 character at the front, 0 when there is none.
size_t CharacterLength(std::string_view bytes) {
  const auto first = uint8_t(bytes[0]);
  size_t length = 0;
  if (first < 0x80) length = 1;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || length > bytes.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(uint8_t(bytes[i]))) return 0;
  }
  if (length < 3) return length;
  const auto second = uint8_t(bytes[1]);
  // Longer than need be, a surrogate, above U+10FFFF.
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second > 0x9F) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return length;
}

size_t DepthOf(std::string_view path) {
  return path == "/" ? 0 : size_t(std::ranges::count(path, '/'));
}

std::string Preview(std::string_view value) {
  if (value.empty()) return "";
  const bool is_short = value.size() <= kPreviewBytes && IsPlainText(value) &&
                        value.find('\n') == std::string_view::npos;
  return is_short ? fmt::format("  {}", value) : fmt::format("  ({} bytes)", value.size());
}

}  // namespace

bool IsPlainText(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = CharacterLength(bytes);
    if (length == 0) return false;
    const auto first = uint8_t(bytes[0]);
    if ((first < 0x20 && first != '\t' && first != '\n') || first == 0x7F) return false;
    // The control characters U+0080 to U+009F.
    if (first == 0xC2 && uint8_t(bytes[1]) < 0xA0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string Escaped(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\\') {
      text += "\\\\";
    } else if (c >= 0x20 && c < 0x7F) {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", uint8_t(c));
    }
  }
  return text;
}

bool BySegment::operator()(std::string_view a, std::string_view b) const {
  // The slash sorts before every other byte of a path.
  return std::ranges::lexicographical_compare(
      a, b, {}, [](char c) { return c == '/' ? 0 : 1 + uint8_t(c); },
      [](char c) { return c == '/' ? 0 : 1 + uint8_t(c); });
}

Result<Subtree> ReadSubtree(Coordinator& coordinator, const std::string& root, int depth,
                            std::stop_token stop) {
  Subtree tree;
  const size_t deepest = DepthOf(root) + size_t(depth);
  std::vector<std::string> waiting{root};
  while (!waiting.empty()) {
    PK_CHECK(!stop.stop_requested(), Cancelled("stopped"));
    const std::string path = std::move(waiting.back());
    waiting.pop_back();
    auto node = PK_TRY(coordinator.Find(path));
    if (!node) continue;
    const bool go_on = node->stat.children > 0 && (depth == 0 || DepthOf(path) < deepest);
    tree.emplace(path, *std::move(node));
    if (!go_on) continue;
    const auto names = coordinator.List(path);
    if (!names.ok() && names.error().code() == ErrorCode::kNotFound) continue;
    for (const std::string& name : PK_TRY(std::move(names))) {
      // ZooKeeper's own, which no path of ours may name.
      if (path == "/" && name == "zookeeper") continue;
      waiting.push_back(coordination::Join(path, name));
    }
  }
  return tree;
}

std::string TreeText(const Subtree& tree, std::string_view root) {
  std::string text;
  for (const auto& [path, node] : tree) {
    const size_t level = DepthOf(path) - DepthOf(root);
    text += std::string(2 * level, ' ');
    text += level == 0 ? path : std::string(coordination::LastSegment(path));
    text += Preview(node.value);
    if (node.stat.ephemeral_owner != 0) text += "  ephemeral";
    text += "\n";
  }
  return text;
}

std::vector<NodeChange> Changes(const Subtree& before, const Subtree& after) {
  std::vector<NodeChange> changes;
  for (const auto& [path, node] : before) {
    const auto now = after.find(path);
    if (now == after.end() || now->second.stat.czxid != node.stat.czxid) {
      changes.push_back({"removed", path, node.stat.version});
    }
  }
  // Who was removed with his parent is told after his children.
  std::ranges::reverse(changes);
  for (const auto& [path, node] : after) {
    const auto old = before.find(path);
    const bool is_new = old == before.end() || old->second.stat.czxid != node.stat.czxid;
    if (is_new) changes.push_back({"created", path, node.stat.version});
    const bool was_set = is_new ? node.stat.version > 0 : old->second.stat.mzxid != node.stat.mzxid;
    if (was_set) changes.push_back({"set", path, node.stat.version});
  }
  return changes;
}

Result<int64_t> RemoveTree(Coordinator& coordinator, const std::string& root,
                           std::stop_token stop) {
  const Subtree tree = PK_TRY(ReadSubtree(coordinator, root, 0, stop));
  PK_CHECK(!tree.empty(), NotFound(fmt::format("no node {}", root)));
  PK_CHECK(root != "/", InvalidArgument("the root cannot be removed"));
  int64_t removed = 0;
  for (auto next = tree.rbegin(); next != tree.rend();) {
    PK_CHECK(!stop.stop_requested(), Cancelled(fmt::format("stopped, {} removed", removed)));
    coordination::Transaction step;
    for (; next != tree.rend() && step.operations().size() < kRemovesPerStep; ++next) {
      step.Remove(next->first, coordination::kAnyVersion);
    }
    const auto outcome = PK_TRY(coordinator.Commit(step));
    if (const auto* refused = std::get_if<coordination::Refused>(&outcome)) {
      return Conflict(
          fmt::format("the tree {} changed while it was removed, {} nodes of it are "
                      "gone; try again: {}",
                      root, removed, refused->reason.message()));
    }
    removed += int64_t(step.operations().size());
  }
  return removed;
}

}  // namespace pk::cli
