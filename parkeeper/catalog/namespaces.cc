#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/catalog/coordinated_catalog_internal.h"
#include "parkeeper/coordination/path.h"

namespace pk::catalog {

using coordination::kAnyVersion;
using coordination::Node;
using coordination::Refused;
using coordination::Transaction;

Result<std::unique_ptr<Catalog>> OpenCatalog(coordination::SessionSource& sessions,
                                             storage::Storage& storage, CatalogOptions options) {
  auto catalog = std::make_unique<CoordinatedCatalog>(sessions, storage, options);
  PK_TRY(catalog->EnsureLayout());
  return catalog;
}

Result<std::optional<Node>> CoordinatedCatalog::FindNode(const std::string& path,
                                                         Backoff& backoff) {
  auto replies = PK_TRY(ReadUntilKnown(sessions_, {{.path = path}}, backoff));
  if (replies[0].ok()) return std::move(replies[0]->node);
  if (replies[0].error().code() == ErrorCode::kNotFound) return std::nullopt;
  return std::move(replies[0]).error();
}

Result<> CoordinatedCatalog::EnsureLayout() {
  Backoff backoff = context_.NewBackoff();
  for (;;) {
    if (const auto node = PK_TRY(FindNode(kLayoutPath, backoff))) {
      const LayoutNode layout = PK_TRY(DecodeLayout(node->value));
      if (layout.version <= kLayoutVersion) return {};
      return FailedPrecondition(
          fmt::format("the lake has layout version {}, this program knows versions up to {}: use a "
                      "newer parkeeper",
                      layout.version, kLayoutVersion));
    }
    Transaction transaction;
    transaction.Create(kLayoutPath,
                       Encode(LayoutNode{.lake_id = options_.ids->NewUuid4().ToString()}));
    transaction.Create("/ns", "").Create("/ns/n", "").Create("/t", "");
    for (const std::string& bucket : Buckets()) transaction.Create("/t/" + bucket, "");
    const Sent sent = PK_TRY(SendUntilKnown(sessions_, transaction, backoff));
    const Refused* refused = sent.refused();
    if (refused != nullptr && refused->reason.code() != ErrorCode::kAlreadyExists) {
      return refused->reason;
    }
    // Somebody else may have made it, with another layout: look again.
    if (refused != nullptr && refused->operation > 0) {
      return FailedPrecondition(
          "the coordinator holds nodes of another application: use an empty "
          "folder, or a chroot of its own");
    }
  }
}

Result<> CoordinatedCatalog::CreateNamespace(const Namespace& ns, const Properties& properties) {
  PK_TRY(Validate(ns));
  PK_CHECK(!ns.levels.empty(), InvalidArgument("the root namespace is always there"));
  Backoff backoff = context_.NewBackoff();
  const NamespaceNode node{.guid = options_.ids->NewUuid4().ToString(), .properties = properties};
  const std::string path = NamespacePath(ns);
  Transaction transaction;
  transaction.Create(path, Encode(node));
  transaction.Create(ChildNamespacesPath(ns), "").Create(TablesPath(ns), "");
  const Sent sent = PK_TRY(SendUntilKnown(sessions_, transaction, backoff));
  const Refused* refused = sent.refused();
  if (refused == nullptr) return {};
  if (refused->reason.code() == ErrorCode::kNotFound) {
    Namespace parent = ns;
    parent.levels.pop_back();
    return NotFound(fmt::format("namespace {} does not exist", ToString(parent)));
  }
  if (refused->reason.code() != ErrorCode::kAlreadyExists) return refused->reason;
  if (sent.repeated) {
    const auto found = PK_TRY(FindNode(path, backoff));
    if (found && PK_TRY(DecodeNamespace(found->value)).guid == node.guid) return {};
  }
  return AlreadyExists(fmt::format("namespace {} exists already", ToString(ns)));
}

Result<Properties> CoordinatedCatalog::LoadNamespace(const Namespace& ns) {
  PK_TRY(Validate(ns));
  if (ns.levels.empty()) return Properties{};
  Backoff backoff = context_.NewBackoff();
  const auto node = PK_TRY(FindNode(NamespacePath(ns), backoff));
  PK_CHECK(node, NotFound(fmt::format("namespace {} does not exist", ToString(ns))));
  return PK_TRY(DecodeNamespace(node->value).With(ToString(ns))).properties;
}

Result<> CoordinatedCatalog::UpdateNamespace(const Namespace& ns, const Properties& set,
                                             const std::vector<std::string>& remove) {
  PK_TRY(Validate(ns));
  for (const std::string& name : remove) {
    PK_CHECK(!set.contains(name),
             InvalidArgument(fmt::format("property {} is both set and removed", name)));
  }
  Backoff backoff = context_.NewBackoff();
  const std::string path = NamespacePath(ns);
  for (;;) {
    const auto found = PK_TRY(FindNode(path, backoff));
    PK_CHECK(found && !ns.levels.empty(),
             NotFound(fmt::format("namespace {} does not exist", ToString(ns))));
    NamespaceNode node = PK_TRY(DecodeNamespace(found->value).With(ToString(ns)));
    for (const auto& [name, value] : set) node.properties[name] = value;
    for (const std::string& name : remove) node.properties.erase(name);
    const Sent sent = PK_TRY(SendUntilKnown(
        sessions_, Transaction().Set(path, Encode(node), found->stat.version), backoff));
    // Setting the same again changes nothing, so whoever moved the version, doing it again is
    // right.
    if (sent.refused() == nullptr) return {};
    if (!backoff.Wait()) return Unavailable("other writers of the properties were faster");
  }
}

Result<Transaction> CoordinatedCatalog::NamespaceRemoval(const Namespace& ns, Backoff& backoff) {
  auto replies =
      PK_TRY(ReadUntilKnown(sessions_, {{.path = TablesPath(ns), .children = true}}, backoff));
  Transaction transaction;
  if (replies[0].ok()) {
    for (const std::string& bucket : replies[0]->children) {
      transaction.Remove(TablesPath(ns) + "/" + bucket, kAnyVersion);
    }
  }
  transaction.Remove(TablesPath(ns), kAnyVersion);
  transaction.Remove(ChildNamespacesPath(ns), kAnyVersion);
  transaction.Remove(NamespacePath(ns), kAnyVersion);
  return transaction;
}

Result<> CoordinatedCatalog::DropNamespace(const Namespace& ns) {
  PK_TRY(Validate(ns));
  PK_CHECK(!ns.levels.empty(), InvalidArgument("the root namespace cannot be dropped"));
  Backoff backoff = context_.NewBackoff();
  const std::string path = NamespacePath(ns);
  const auto first = PK_TRY(FindNode(path, backoff));
  PK_CHECK(first, NotFound(fmt::format("namespace {} does not exist", ToString(ns))));
  for (;;) {
    Transaction transaction;
    // Of this very namespace: a node made again under the name has another creation.
    const auto found = PK_TRY(FindNode(path, backoff));
    if (!found || found->stat.czxid != first->stat.czxid) return {};
    transaction = PK_TRY(NamespaceRemoval(ns, backoff));
    const Sent sent = PK_TRY(SendUntilKnown(sessions_, transaction, backoff));
    const Refused* refused = sent.refused();
    if (refused == nullptr) return {};
    if (refused->reason.code() == ErrorCode::kFailedPrecondition) {
      // A bucket made meanwhile is no content: only then is looking again of use.
      const auto tables = PK_TRY(ListTables(ns, {.token = "", .size = 1}));
      const auto children = PK_TRY(ListNamespaces(ns, {.token = "", .size = 1}));
      if (!tables.items.empty() || !children.items.empty()) {
        return FailedPrecondition(
            fmt::format("namespace {} is not empty: it holds {}", ToString(ns),
                        tables.items.empty() ? "namespace " + ToString(children.items[0])
                                             : "table " + ToString(tables.items[0])));
      }
    }
    if (!backoff.Wait()) return Unavailable("the namespace changed all the time");
  }
}

Result<Page<Namespace>> CoordinatedCatalog::ListNamespaces(const Namespace& parent,
                                                           const PageRequest& page) {
  PK_TRY(Validate(parent));
  PK_CHECK(page.size > 0, InvalidArgument("a page needs a positive size"));
  Backoff backoff = context_.NewBackoff();
  auto replies = PK_TRY(ReadUntilKnown(
      sessions_, {{.path = ChildNamespacesPath(parent), .children = true}}, backoff));
  PK_CHECK(replies[0].ok(), NotFound(fmt::format("namespace {} does not exist", ToString(parent))));
  std::vector<std::string> names;
  for (const std::string& segment : replies[0]->children) {
    names.push_back(PK_TRY(coordination::UnescapeSegment(segment)));
  }
  std::sort(names.begin(), names.end());
  Page<Namespace> result;
  for (auto at = std::upper_bound(names.begin(), names.end(), page.token); at != names.end();
       ++at) {
    if (int32_t(result.items.size()) == page.size) {
      result.next = result.items.back().levels.back();
      break;
    }
    result.items.push_back(parent);
    result.items.back().levels.push_back(*at);
  }
  return result;
}

}  // namespace pk::catalog
