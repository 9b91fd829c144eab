#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/base/json.h"
#include "parkeeper/catalog/coordinated_catalog_internal.h"
#include "parkeeper/catalog/namespace_step_internal.h"
#include "parkeeper/coordination/path.h"

namespace pk::catalog {

using coordination::Node;
using coordination::Refused;
using coordination::Transaction;

namespace {

void AppendCreation(Transaction& transaction, const Namespace& ns, const NamespaceNode& node) {
  transaction.Create(NamespacePath(ns), Encode(node));
  transaction.Create(NamespaceGuidPath(ns, node.guid), "");
  transaction.Create(ChildNamespacesPath(ns), "");
  if (!ns.levels.empty()) transaction.Create(TablesPath(ns), "");
}

// A node is JSON, which can hold nothing else.
Result<> Validate(const Properties& properties) {
  for (const auto& [name, value] : properties) {
    PK_CHECK(json::IsUtf8(name),
             InvalidArgument(fmt::format("a property's name is not UTF-8: '{}'", name)));
    PK_CHECK(json::IsUtf8(value),
             InvalidArgument(fmt::format("the value of property '{}' is not UTF-8", name)));
  }
  return {};
}

}  // namespace

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
    AppendCreation(transaction, {}, {.guid = options_.ids->NewUuid4().ToString()});
    transaction.Create("/t", "");
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
  PK_TRY(Validate(properties));
  PK_CHECK(!ns.levels.empty(), InvalidArgument("the root namespace is always there"));
  Backoff backoff = context_.NewBackoff();
  Namespace parent = ns;
  parent.levels.pop_back();
  for (;;) {
    const ReadNamespace above = PK_TRY(LoadNamespaceNode(sessions_, parent, backoff));
    Transaction creation;
    AppendCreation(creation, ns,
                   {.guid = options_.ids->NewUuid4().ToString(), .properties = properties});
    const StepOutcome outcome = PK_TRY(
        StepNamespace(sessions_, parent, above, above.node, creation, *options_.ids, backoff));
    if (std::holds_alternative<StepDone>(outcome)) return {};
    if (const auto* refused = std::get_if<StepRefused>(&outcome)) {
      if (refused->reason.code() != ErrorCode::kAlreadyExists) return refused->reason;
      return AlreadyExists(fmt::format("namespace {} exists already", ToString(ns)));
    }
    if (!backoff.Wait()) return Unavailable("other changes of the parent namespace were faster");
  }
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
  PK_TRY(Validate(set));
  for (const std::string& name : remove) {
    PK_CHECK(!set.contains(name),
             InvalidArgument(fmt::format("property {} is both set and removed", name)));
  }
  PK_CHECK(!ns.levels.empty(), InvalidArgument("the root namespace has no properties"));
  Backoff backoff = context_.NewBackoff();
  for (;;) {
    const ReadNamespace found = PK_TRY(LoadNamespaceNode(sessions_, ns, backoff));
    NamespaceNode next = found.node;
    for (const auto& [name, value] : set) next.properties[name] = value;
    for (const std::string& name : remove) next.properties.erase(name);
    const StepOutcome outcome =
        PK_TRY(StepNamespace(sessions_, ns, found, next, {}, *options_.ids, backoff));
    if (std::holds_alternative<StepDone>(outcome)) return {};
    if (!backoff.Wait()) return Unavailable("other writers of the properties were faster");
  }
}

Result<std::optional<std::string>> CoordinatedCatalog::SomethingIn(const Namespace& ns) {
  const auto missing = [](const Error& error) { return error.code() == ErrorCode::kNotFound; };
  const auto tables = ListTables(ns, {.token = "", .size = 1});
  if (!tables.ok() && !missing(tables.error())) return tables.error();
  if (tables.ok() && !tables->items.empty()) return "table " + ToString(tables->items[0]);
  const auto children = ListNamespaces(ns, {.token = "", .size = 1});
  if (!children.ok() && !missing(children.error())) return children.error();
  if (children.ok() && !children->items.empty()) return "namespace " + ToString(children->items[0]);
  return std::nullopt;
}

Result<> CoordinatedCatalog::DropNamespace(const Namespace& ns) {
  PK_TRY(Validate(ns));
  PK_CHECK(!ns.levels.empty(), InvalidArgument("the root namespace cannot be dropped"));
  Backoff backoff = context_.NewBackoff();
  const ReadNamespace first = PK_TRY(LoadNamespaceNode(sessions_, ns, backoff));
  for (ReadNamespace found = first;;) {
    auto buckets =
        PK_TRY(ReadUntilKnown(sessions_, {{.path = TablesPath(ns), .children = true}}, backoff));
    const StepOutcome outcome = PK_TRY(RemoveNamespace(
        sessions_, ns, found, buckets[0].ok() ? buckets[0]->children : std::vector<std::string>(),
        *options_.ids, backoff));
    if (std::holds_alternative<StepDone>(outcome)) return {};
    if (std::holds_alternative<StepRefused>(outcome)) {
      // A bucket made meanwhile is no content: only then is doing it again of use.
      const auto content = PK_TRY(SomethingIn(ns));
      if (content) {
        return FailedPrecondition(
            fmt::format("namespace {} is not empty: it holds {}", ToString(ns), *content));
      }
    }
    if (!backoff.Wait()) return Unavailable("the namespace changed all the time");
    // Somebody else may have dropped it; one made again under the name is another one.
    Result<ReadNamespace> now = LoadNamespaceNode(sessions_, ns, backoff);
    if (!now.ok() && now.error().code() != ErrorCode::kNotFound) return now.error();
    if (!now.ok() || now->node.guid != first.node.guid) return {};
    found = *std::move(now);
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
