#pragma once

// TableCommit: what a writer wants to happen to one table, as a value. The table layer makes it,
// the catalog (or a REST client) carries it out. Semantic where it can be: an append holds files,
// not a snapshot, so that it can be applied to whatever the table has become meanwhile, alone or in
// a group.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/property_step.h"
#include "parkeeper/iceberg/table_update.h"

namespace pk::iceberg {

// Adds data files. Never conflicts with another append; rejected when a file's partition spec, or
// the schema that it was written with, is unknown. Without files it is a snapshot that adds
// nothing; with properties (see TableCommit) and without files it makes no snapshot.
struct AppendFiles {
  std::string branch = kMainBranch;
  std::vector<DataFile> files;                 // durable already
  int32_t schema_id = 0;                       // that the files were written with
  std::map<std::string, std::string> summary;  // added to the snapshot's own

  bool operator==(const AppendFiles&) const = default;
};

// A file that is in the table. Spec and partition say which manifests can hold it.
struct FileRef {
  FileContent content = FileContent::kData;
  std::string location;
  int32_t spec_id = 0;
  std::vector<Value> partition;

  bool operator==(const FileRef&) const = default;
};

// Removes files and adds others: deletes and updates that write the rest of a file again (copy on
// write) or leave it to be merged on read, partitions overwritten, files compacted. It is made from
// what its writer read at `base_snapshot_id`, and rejected when that no longer holds:
//
// - A removed file, or a data file that an added position delete refers to, is gone.
// - A data file added since the base may hold a row that passes `reads`.
// - It adds rows, and a delete file added since the base may apply to a file that it removes or
//   refers to: rows that it has read would come back.
// - The base is not in the branch's history any more, so that none of this can be known.
struct RowDelta {
  std::string branch = kMainBranch;
  // The branch's snapshot that was read; nullopt: it had none.
  std::optional<int64_t> base_snapshot_id;
  std::vector<FileRef> removed;  // data and delete files
  std::vector<DataFile> added;   // likewise, durable already; no delete files in v1 tables
  // Data files that position deletes among `added` refer to, but for those that say so themselves
  // (referenced_data_file).
  std::vector<FileRef> referenced;
  // The rows on whose absence it depends as well, by the columns of `schema_id`; nullopt: what is
  // added meanwhile is as if it came later.
  std::optional<Expression> reads;
  // The rows are those of the removed files without what the base deletes, and nothing else. Added
  // files take over the newest sequence number of those removed of their kind, data files that of
  // all deletes of the base: later equality deletes go on applying; position deletes forbid it.
  bool rewrite = false;
  int32_t schema_id = 0;                       // that added files were written with
  std::map<std::string, std::string> summary;  // added to the snapshot's own

  bool operator==(const RowDelta&) const = default;
};

// Requirements checked and updates applied as they are: property and schema changes, and commits of
// external engines that bring their own snapshot.
struct UpdateTable {
  std::vector<TableRequirement> requirements;
  std::vector<TableUpdate> updates;

  bool operator==(const UpdateTable&) const = default;
};

using TableChange = std::variant<AppendFiles, RowDelta, UpdateTable>;

struct TableCommit {
  // Made when the files are durable (version 7). The same id again gets the first outcome.
  Uuid id;
  TableChange change;
  // When the oldest file of the change was made, by the clock that made `id`; a commit whose files
  // are older than 36 h is rejected, so that orphan removal never takes a file that could still be
  // committed.
  int64_t oldest_file_ms = 0;
  // All or nothing with the change: held against the state that it is applied to, which is what the
  // commits before it left, those of the same version included. If one is not as expected the
  // commit is rejected, and the reason names the property, what was expected and what was found.
  // Else the version that has the change has these values too, whatever an UpdateTable says of the
  // same properties. A commit with steps that Validate() refuses is refused (kInvalidArgument).
  std::vector<PropertyStep> properties = {};

  bool operator==(const TableCommit&) const = default;
};

// The commit as JSON, for those who carry it out for its writer. Partition values say their own
// representation and bounds are hexadecimal, so no schema is needed to read it back. One with
// properties is of a kind of its own, which holds the change: a version that does not know them
// refuses it, and does not apply the change without looking at them. kCorrupt names the place,
// kUnsupported a kind of change that this version does not know.
std::string ToJson(const TableCommit& commit);
Result<TableCommit> ParseTableCommit(std::string_view json);

}  // namespace pk::iceberg
