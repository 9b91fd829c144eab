#pragma once

// Catalog: namespaces and tables by name, and the commit of changes to tables. The truth of each
// table is its head node in the coordinator (docs/znodes.md); metadata bodies lie in storage.
// Implementations pass one contract suite, tests/conformance/catalog_contract.h.
//
// Durability: what returned ok is durable in storage and in the coordinator. Unknown outcomes are
// settled inside, by asking again with the same conditional request and reading the record of the
// version that it spent (docs/znodes.md, "Unknown outcomes"). kOutcomeUnknown leaves only when the
// coordinator cannot be reached until the deadline, or when the records that would tell are swept;
// the message names the commit id, nothing is deleted, and Commit() again with the same id finds
// out.
//
// Thread-safe. Names are checked first: kInvalidArgument; kNotFound and kAlreadyExists name what.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/executor.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/base/retry.h"
#include "parkeeper/catalog/feed.h"
#include "parkeeper/catalog/links.h"
#include "parkeeper/catalog/names.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/coordination/transaction.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"

namespace pk::catalog {

using Properties = std::map<std::string, std::string>;

// A page of names in byte order. An empty token: the first page; an empty `next`: the last one.
struct PageRequest {
  std::string token;
  int32_t size = 1'000;
};
template <class T>
struct Page {
  std::vector<T> items;
  std::string next;
};

// A table at one version. The key never names another table, whatever happens to the name.
struct LoadedTable {
  TableName name;
  std::string key;
  int64_t version = 0;  // n of the head: grows by one with each commit
  std::string metadata_location;
  std::shared_ptr<const iceberg::TableMetadata> metadata;  // of a Committed: see there
};

struct NewTableRequest {
  iceberg::Schema schema;
  iceberg::PartitionSpec spec;    // source ids refer to `schema`
  iceberg::SortOrder sort_order;  // likewise
  Properties properties;
  std::string location;  // empty: chosen below the warehouse, never used twice
};

struct Committed {
  // As this commit and those of its group left it, without its name. The metadata is null when
  // another process carried the commit out; LoadTable() reads the present one.
  LoadedTable table;
  std::optional<int64_t> snapshot_id;  // that it made
};
// Definitely not committed, and it never will be: whoever asks again with the commit's id is told
// the same. Files that only it would have used may be deleted by their maker.
struct Rejected {
  std::string reason;  // what it collided with
};
using CommitResult = std::variant<Committed, Rejected>;

// Of a commit with links. Refused: an operation of `with` did not hold; nothing was done, and the
// commit is not queued, nor ever will be.
using LinkedResult = std::variant<Committed, Rejected, coordination::Refused>;

// Changes of several tables that happen all or not at all.
struct MultiTableCommit {
  struct Part {
    std::string table_key;
    iceberg::TableChange change;
    std::vector<iceberg::PropertyStep> properties = {};  // as of a TableCommit
  };
  Uuid id;                  // as of a TableCommit
  std::vector<Part> parts;  // of different tables, at least one, at most kMaxTablesOfCommit
  int64_t oldest_file_ms = 0;
};
inline constexpr size_t kMaxTablesOfCommit = 200;
// One for each part, in their order.
using MultiCommitResult = std::variant<std::vector<Committed>, Rejected>;

// Whether the commit's id can have been sent before, by anybody.
enum class CommitId {
  kNew,            // made by the caller just now, and nobody else knows it until this call has
                   // returned: nothing needs to be looked up
  kMaybeRepeated,  // looked up in the records first; the first outcome is given again, and every
                   // error is kOutcomeUnknown
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  // The parent must exist.
  virtual Result<> CreateNamespace(const Namespace& ns, const Properties& properties) = 0;
  virtual Result<Properties> LoadNamespace(const Namespace& ns) = 0;
  virtual Result<> UpdateNamespace(const Namespace& ns, const Properties& set,
                                   const std::vector<std::string>& remove) = 0;
  // kFailedPrecondition when tables or namespaces are in it.
  virtual Result<> DropNamespace(const Namespace& ns) = 0;
  // Direct children of `parent`.
  virtual Result<Page<Namespace>> ListNamespaces(const Namespace& parent,
                                                 const PageRequest& page) = 0;

  virtual Result<LoadedTable> CreateTable(const TableName& name,
                                          const NewTableRequest& request) = 0;
  // The table that CreateTable would make, with its key, location and field ids, of which nothing
  // is stored yet and whose name need not be free: data files can be written for it before it is
  // there.
  virtual Result<LoadedTable> StageTable(const TableName& name, const NewTableRequest& request) = 0;
  // Makes a table that was staged; at most once. Errors as of CreateTable.
  virtual Result<LoadedTable> CreateStaged(const LoadedTable& staged) = 0;
  // A table from an existing metadata file below the warehouse.
  virtual Result<LoadedTable> RegisterTable(const TableName& name,
                                            const std::string& metadata_location) = 0;
  virtual Result<LoadedTable> LoadTable(const TableName& name) = 0;
  virtual Result<Page<TableName>> ListTables(const Namespace& ns, const PageRequest& page) = 0;
  // The target's namespace must exist. Commits on their way go on untouched.
  virtual Result<> RenameTable(const TableName& from, const TableName& to) = 0;
  // With `purge` every file that any snapshot of the table names is removed after the drop is
  // definite (unless the property gc.enabled is false: then kFailedPrecondition). Without it no
  // file is touched.
  virtual Result<> DropTable(const TableName& name, bool purge) = 0;

  // Carries out `commit` on the table with this key, against its present state. While nobody else
  // is at work on the table it is carried out directly; else it waits in the table's queue, where
  // one process decides all that wait, in order, as one version. kUnavailable: definitely not
  // committed, for the queue is full, the coordinator or storage is not reached, or the deadline
  // has passed. Rejected: a conflict that repeating cannot mend, a commit to a dropped table, or
  // of files that are too old; the reason says what it collided with. An id that is too old to
  // judge is kOutcomeUnknown, for its commit may be in the table; but it is never applied from
  // then on. kInvalidArgument: property steps that no table can take; nothing was sent.
  //
  // Calls from several threads gather: those that come while another is carried out are one round
  // after it.
  virtual Result<CommitResult> Commit(const std::string& table_key,
                                      const iceberg::TableCommit& commit, CommitId id) = 0;

  // A commit that is to be decided whatever becomes of its writer: one transaction carries out
  // `with` and queues the commit together with `links`, which are carried out with its outcome,
  // each list once or not at all. At the deadline it is not cancelled: kOutcomeUnknown then, and
  // whenever it may be queued; the same call with kMaybeRepeated finds out.
  //
  // `with` must be refused for ever once it was applied or refused, as the removal of a node is
  // whose name is never used twice: that is what makes it happen once. The commit's id is that of
  // no other call. kNotFound: there is no such table any more, nothing was done. kInvalidArgument:
  // links that no round could carry out, or property steps that no table can take. If a link does
  // not hold in the end, which takes somebody who broke their rule (links.h), the commit is
  // rejected and none of them is carried out.
  virtual Result<LinkedResult> CommitLinked(const std::string& table_key,
                                            const iceberg::TableCommit& commit, CommitId id,
                                            const coordination::Transaction& with,
                                            const CommitLinks& links) = 0;

  // Sees to it that all commits with links which wait in this table's queue are decided, and
  // returns how many they were: for writers that died. Of a dropped table too. kNotFound: there is
  // no such table any more, and nothing waits. kUnavailable: at the deadline some still wait.
  virtual Result<int64_t> DriveQueue(const std::string& table_key) = 0;

  // The same as Commit() for several tables: all parts are applied, each to the present state of
  // its table, or none. Tables that are quiet are committed to directly, in one transaction. Else
  // the commit lines up in the queues of all of them at once: what comes to one of them later waits
  // until it is decided, so it is within a few rounds, however many write. The reason of a
  // rejection names the table by its key.
  virtual Result<MultiCommitResult> CommitAll(const MultiTableCommit& commit, CommitId id) = 0;

  // What becomes of the table with this key from `start` on (feed.h). kNotFound: there is no such
  // table any more; kInvalidArgument: a version that it does not have; kFailedPrecondition: records
  // or snapshots are gone that the feed would have to tell; the message says what to do.
  virtual Result<std::unique_ptr<Feed>> Follow(const std::string& table_key,
                                               const FeedStart& start) = 0;

  // What is wrong with the pointers of a table that was just loaded, as sentences: the head against
  // the metadata, a gap in the records, a record against the head. Empty: nothing.
  virtual Result<std::vector<std::string>> CheckPointers(const LoadedTable& table) = 0;
};

struct CatalogOptions {
  RetryPolicy retry{};
  // How long a repeated commit id gets its first outcome; records are kept as long.
  std::chrono::milliseconds retention = std::chrono::minutes(30);
  // Threads that read and write the files of one round, so that their syncs overlap.
  int write_threads = 4;
  // The commits of one round, as JSON: when more wait, the next round takes them. One larger commit
  // is a round of its own. Decoded they take several times as much memory.
  size_t round_bytes = size_t{64} << 20;
  Clock* clock = &SystemClock();
  IdSource* ids = &SystemIds();
  // Runs the combiner of a table's queue, while this process is it.
  Executor* executor = &SystemExecutor();
};

// The catalog in this coordinator, which is the lake's own (its layout is made when missing; a
// newer one is kFailedPrecondition), and whose tables lie below the storage's root. Both must
// outlive it.
Result<std::unique_ptr<Catalog>> OpenCatalog(coordination::SessionSource& sessions,
                                             storage::Storage& storage,
                                             CatalogOptions options = {});

}  // namespace pk::catalog
