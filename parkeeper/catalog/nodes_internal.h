#pragma once

// Paths and contents of the catalog's nodes. docs/znodes.md is the specification; this is its code.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/catalog/links.h"
#include "parkeeper/catalog/names.h"

namespace pk::catalog {

inline constexpr int64_t kLayoutVersion = 1;
inline constexpr const char* kLayoutPath = "/layout";

std::string NamespacePath(const Namespace& ns);        // the root namespace: "/ns"
std::string ChildNamespacesPath(const Namespace& ns);  // "/ns/n"
// "/ns/n/sales/g-<guid>": there while the namespace of this guid is, never made again.
std::string NamespaceGuidPath(const Namespace& ns, std::string_view guid);
std::string TablesPath(const Namespace& ns);        // "/ns/n/sales/t"
std::string NameBucketPath(const TableName& name);  // "/ns/n/sales/t/3f"
std::string NamePath(const TableName& name);        // "/ns/n/sales/t/3f/orders"
std::string HeadPath(std::string_view key);         // "/t/9c/9c1b...": the key's first two digits
std::string QueuePath(std::string_view key);
std::string EntryPath(std::string_view key, const Uuid& commit_id);
std::string MultiEntryPath(std::string_view key, const Uuid& commit_id);
std::string LeasePath(std::string_view key);
std::string RecordsPath(std::string_view key);
std::string RecordPath(std::string_view key, int64_t version);

// "00" to "ff", where a table key lies.
std::vector<std::string> Buckets();

struct LayoutNode {
  int64_t version = kLayoutVersion;
  std::string lake_id;
};
std::string Encode(const LayoutNode& node);
Result<LayoutNode> DecodeLayout(std::string_view text);

struct NamespaceNode {
  std::string guid;  // of the call that created it
  std::map<std::string, std::string> properties{};
  // Guids of those who made the latest versions of this node, the last one made this version; at
  // most kNamespaceRounds.
  std::vector<std::string> rounds{};
};
inline constexpr size_t kNamespaceRounds = 16;
std::string Encode(const NamespaceNode& node);
Result<NamespaceNode> DecodeNamespace(std::string_view text);

struct NameNode {
  std::string kind = "table";
  std::string key;
};
std::string Encode(const NameNode& node);
Result<NameNode> DecodeName(std::string_view text);

struct HeadNode {
  bool dropped = false;
  int64_t version = 0;  // n
  int64_t floor = 1;    // the oldest record kept
  int64_t swept_to_ms = 0;
  std::string table_uuid;
  std::string metadata_location;
  std::optional<int64_t> snapshot_id;
};
std::string Encode(const HeadNode& node);
Result<HeadNode> DecodeHead(std::string_view text);

// What became of one commit id.
struct RecordedCommit {
  Uuid id;
  uint64_t request_hash = 0;
  bool committed = false;
  std::optional<int64_t> snapshot_id = {};
  std::string reason = {};  // of a rejection
  // Neither committed by this round nor rejected: an earlier record may have said what became of
  // it, and is gone. Its writer does not know; nobody applies it any more.
  bool unjudged = false;

  bool operator==(const RecordedCommit&) const = default;
};
struct RecordNode {
  std::string round;  // guid of the attempt that made this version
  bool dropped = false;
  std::string metadata_location;
  std::vector<RecordedCommit> commits;
};
std::string Encode(const RecordNode& node);
Result<RecordNode> DecodeRecord(std::string_view text);

// A commit that waits in a table's queue.
struct EntryNode {
  // The records of versions up to this one do not name the commit's id, its writer knows.
  int64_t since = 0;
  uint64_t request_hash = 0;
  std::string commit;       // as iceberg::ToJson(TableCommit) writes it, or
  std::string commit_file;  // the location of a file that holds it
  // What its outcome brings about. Such an entry stays until a round decides it; others go with the
  // session of their writer.
  std::optional<CommitLinks> links = {};
};
std::string Encode(const EntryNode& node);
Result<EntryNode> DecodeEntry(std::string_view text);

// A commit to several tables that waits in the queue of each. The queue of the first table holds
// it, in the others' stands only where it is.
struct MultiEntryNode {
  struct Table {
    std::string key;
    int64_t since = 0;  // as of an EntryNode
  };
  std::string at;                  // the key of the first table
  std::vector<Table> tables = {};  // none: the node only says where
  uint64_t request_hash = 0;
  std::string commits = {};       // a JSON array, one iceberg::TableCommit for each table, or
  std::string commits_file = {};  // the location of a file that holds it
};
std::string Encode(const MultiEntryNode& node);
Result<MultiEntryNode> DecodeMultiEntry(std::string_view text);

}  // namespace pk::catalog
