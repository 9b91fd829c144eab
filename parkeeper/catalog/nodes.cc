#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/catalog/links_internal.h"
#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/coordination/path.h"

namespace pk::catalog {
namespace {

namespace bj = boost::json;

// FNV-1a: spreads names over buckets; nothing depends on it but the place of the node.
uint8_t BucketOf(std::string_view name) {
  uint32_t hash = 2'166'136'261u;
  for (const char c : name) hash = (hash ^ uint8_t(c)) * 16'777'619u;
  return uint8_t(hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24);
}

void PutOptional(bj::object& object, std::string_view key, const std::optional<int64_t>& value) {
  if (value) object[key] = *value;
}

Result<bj::value> ParseNode(std::string_view text, std::string_view what) {
  bj::value value = PK_TRY(json::Parse(text).With(what));
  PK_TRY(json::AsObject(value, what));
  return value;
}

std::string EncodeHash(uint64_t hash) { return fmt::format("{:016x}", hash); }

Result<uint64_t> DecodeHash(const bj::object& object) {
  return std::strtoull(PK_TRY(json::String(object, "hash")).c_str(), nullptr, 16);
}

Result<RecordedCommit> DecodeCommit(const bj::value& value) {
  const bj::object& object = *PK_TRY(json::AsObject(value, "commits"));
  RecordedCommit commit;
  commit.id = PK_TRY(Uuid::Parse(PK_TRY(json::String(object, "id"))));
  commit.request_hash = PK_TRY(DecodeHash(object));
  commit.committed = PK_TRY(json::Bool(object, "committed"));
  commit.snapshot_id = PK_TRY(json::OptionalInt64(object, "snapshot"));
  commit.reason = PK_TRY(json::OptionalString(object, "reason")).value_or("");
  commit.unjudged = PK_TRY(json::OptionalBool(object, "unjudged")).value_or(false);
  return commit;
}

}  // namespace

std::string NamespacePath(const Namespace& ns) {
  std::string path = "/ns";
  for (const std::string& level : ns.levels) {
    path += "/n/" + coordination::EscapeSegment(level);
  }
  return path;
}

std::string ChildNamespacesPath(const Namespace& ns) { return NamespacePath(ns) + "/n"; }

std::string NamespaceGuidPath(const Namespace& ns, std::string_view guid) {
  return fmt::format("{}/g-{}", NamespacePath(ns), guid);
}

std::string TablesPath(const Namespace& ns) { return NamespacePath(ns) + "/t"; }

std::string NameBucketPath(const TableName& name) {
  return fmt::format("{}/{:02x}", TablesPath(name.ns), BucketOf(name.name));
}

std::string NamePath(const TableName& name) {
  return NameBucketPath(name) + "/" + coordination::EscapeSegment(name.name);
}

std::string HeadPath(std::string_view key) {
  return fmt::format("/t/{}/{}", key.substr(0, 2), key);
}

std::string QueuePath(std::string_view key) { return HeadPath(key) + "/q"; }

std::string EntryPath(std::string_view key, const Uuid& commit_id) {
  return fmt::format("{}/c-{}", QueuePath(key), commit_id.ToString());
}

std::string MultiEntryPath(std::string_view key, const Uuid& commit_id) {
  return fmt::format("{}/x-{}", QueuePath(key), commit_id.ToString());
}

std::string LeasePath(std::string_view key) { return HeadPath(key) + "/lease"; }

std::string RecordsPath(std::string_view key) { return HeadPath(key) + "/r"; }

std::string RecordPath(std::string_view key, int64_t version) {
  return fmt::format("{}/{:019}", RecordsPath(key), version);
}

std::vector<std::string> Buckets() {
  std::vector<std::string> buckets;
  for (int i = 0; i < 256; ++i) buckets.push_back(fmt::format("{:02x}", i));
  return buckets;
}

std::string Encode(const LayoutNode& node) {
  return bj::serialize(bj::object{{"layout", node.version}, {"lake", node.lake_id}});
}

Result<LayoutNode> DecodeLayout(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "layout node"));
  const bj::object& object = value.get_object();
  LayoutNode node;
  node.version = PK_TRY(json::Int64(object, "layout"));
  node.lake_id = PK_TRY(json::String(object, "lake"));
  return node;
}

std::string Encode(const NamespaceNode& node) {
  bj::object properties;
  for (const auto& [name, value] : node.properties) properties[name] = value;
  bj::array rounds;
  for (const std::string& round : node.rounds) rounds.emplace_back(round);
  return bj::serialize(bj::object{
      {"guid", node.guid}, {"properties", std::move(properties)}, {"rounds", std::move(rounds)}});
}

Result<NamespaceNode> DecodeNamespace(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "namespace node"));
  const bj::object& object = value.get_object();
  NamespaceNode node{.guid = PK_TRY(json::String(object, "guid")), .properties = {}, .rounds = {}};
  for (const bj::value& round : *PK_TRY(json::Array(object, "rounds"))) {
    node.rounds.push_back(PK_TRY(json::AsString(round, "rounds")));
  }
  for (const auto& member : *PK_TRY(json::Object(object, "properties"))) {
    node.properties[member.key()] = PK_TRY(json::AsString(member.value(), member.key()));
  }
  return node;
}

std::string Encode(const NameNode& node) {
  return bj::serialize(bj::object{{"kind", node.kind}, {"key", node.key}});
}

Result<NameNode> DecodeName(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "name node"));
  const bj::object& object = value.get_object();
  NameNode node;
  node.kind = PK_TRY(json::String(object, "kind"));
  node.key = PK_TRY(json::String(object, "key"));
  PK_CHECK(node.key.size() >= 2, Corrupt("name node: the table key is too short"));
  return node;
}

std::string Encode(const HeadNode& node) {
  bj::object object{{"state", node.dropped ? "dropped" : "live"},
                    {"n", node.version},
                    {"floor", node.floor},
                    {"swept-to-ms", node.swept_to_ms},
                    {"uuid", node.table_uuid},
                    {"metadata", node.metadata_location}};
  PutOptional(object, "snapshot", node.snapshot_id);
  return bj::serialize(object);
}

Result<HeadNode> DecodeHead(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "head node"));
  const bj::object& object = value.get_object();
  const std::string state = PK_TRY(json::String(object, "state"));
  PK_CHECK(state == "live" || state == "dropped",
           Corrupt(fmt::format("head node: unknown state '{}'", state)));
  HeadNode node;
  node.dropped = state == "dropped";
  node.version = PK_TRY(json::Int64(object, "n"));
  node.floor = PK_TRY(json::Int64(object, "floor"));
  node.swept_to_ms = PK_TRY(json::Int64(object, "swept-to-ms"));
  node.table_uuid = PK_TRY(json::String(object, "uuid"));
  node.metadata_location = PK_TRY(json::String(object, "metadata"));
  node.snapshot_id = PK_TRY(json::OptionalInt64(object, "snapshot"));
  return node;
}

std::string Encode(const RecordNode& node) {
  bj::array commits;
  for (const RecordedCommit& commit : node.commits) {
    bj::object object{{"id", commit.id.ToString()},
                      {"hash", EncodeHash(commit.request_hash)},
                      {"committed", commit.committed}};
    PutOptional(object, "snapshot", commit.snapshot_id);
    if (!commit.reason.empty()) object["reason"] = commit.reason;
    if (commit.unjudged) object["unjudged"] = true;
    commits.push_back(std::move(object));
  }
  return bj::serialize(bj::object{{"round", node.round},
                                  {"state", node.dropped ? "dropped" : "live"},
                                  {"metadata", node.metadata_location},
                                  {"commits", std::move(commits)}});
}

Result<RecordNode> DecodeRecord(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "record node"));
  const bj::object& object = value.get_object();
  RecordNode node;
  node.round = PK_TRY(json::String(object, "round"));
  node.dropped = PK_TRY(json::String(object, "state")) == "dropped";
  node.metadata_location = PK_TRY(json::String(object, "metadata"));
  for (const bj::value& commit : *PK_TRY(json::Array(object, "commits"))) {
    node.commits.push_back(PK_TRY(DecodeCommit(commit)));
  }
  return node;
}

std::string Encode(const EntryNode& node) {
  bj::object object{{"since", node.since}, {"hash", EncodeHash(node.request_hash)}};
  if (!node.commit_file.empty()) object["file"] = node.commit_file;
  if (node.links) object["links"] = EncodeLinks(*node.links);
  std::string text = bj::serialize(object);
  if (!node.commit.empty()) {
    text.back() = ',';
    text += fmt::format(R"("commit":{}}})", node.commit);
  }
  return text;
}

Result<EntryNode> DecodeEntry(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "entry node"));
  const bj::object& object = value.get_object();
  EntryNode node;
  node.since = PK_TRY(json::Int64(object, "since"));
  node.request_hash = PK_TRY(DecodeHash(object));
  node.commit_file = PK_TRY(json::OptionalString(object, "file")).value_or("");
  if (const bj::object* commit = PK_TRY(json::OptionalObject(object, "commit"))) {
    node.commit = bj::serialize(*commit);
  }
  if (const bj::object* links = PK_TRY(json::OptionalObject(object, "links"))) {
    node.links = PK_TRY(DecodeLinks(*links));
  }
  PK_CHECK(node.commit.empty() != node.commit_file.empty(),
           Corrupt("entry node: either 'commit' or 'file' must say what is to be done"));
  return node;
}

std::string Encode(const MultiEntryNode& node) {
  bj::object object{{"at", node.at}};
  if (node.tables.empty()) return bj::serialize(object);
  bj::array tables;
  for (const MultiEntryNode::Table& table : node.tables) {
    tables.push_back(bj::object{{"key", table.key}, {"since", table.since}});
  }
  object["hash"] = EncodeHash(node.request_hash);
  object["tables"] = std::move(tables);
  if (!node.commits_file.empty()) object["file"] = node.commits_file;
  std::string text = bj::serialize(object);
  if (!node.commits.empty()) {
    text.back() = ',';
    text += fmt::format(R"("commits":{}}})", node.commits);
  }
  return text;
}

Result<MultiEntryNode> DecodeMultiEntry(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "entry node"));
  const bj::object& object = value.get_object();
  MultiEntryNode node;
  node.at = PK_TRY(json::String(object, "at"));
  const bj::array* tables = PK_TRY(json::OptionalArray(object, "tables"));
  if (tables == nullptr) return node;
  for (const bj::value& each : *tables) {
    const bj::object& table = *PK_TRY(json::AsObject(each, "tables"));
    std::string key = PK_TRY(json::String(table, "key"));
    const int64_t since = PK_TRY(json::Int64(table, "since"));
    node.tables.push_back({std::move(key), since});
  }
  node.request_hash = PK_TRY(DecodeHash(object));
  node.commits_file = PK_TRY(json::OptionalString(object, "file")).value_or("");
  if (const bj::array* commits = PK_TRY(json::OptionalArray(object, "commits"))) {
    node.commits = bj::serialize(*commits);
  }
  return node;
}

}  // namespace pk::catalog
