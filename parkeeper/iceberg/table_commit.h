#pragma once

// TableCommit: what a writer wants to happen to one table, as a value. The table layer makes it,
// the catalog (or a REST client) carries it out. Semantic where it can be: an append holds files,
// not a snapshot, so that it can be applied to whatever the table has become meanwhile, alone or in
// a group.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/table_update.h"

namespace pk::iceberg {

// Adds data files. Never conflicts with another append; rejected when a file's partition spec, or
// the schema that it was written with, is unknown.
struct AppendFiles {
  std::string branch = kMainBranch;
  std::vector<DataFile> files;                 // durable already
  int32_t schema_id = 0;                       // that the files were written with
  std::map<std::string, std::string> summary;  // added to the snapshot's own

  bool operator==(const AppendFiles&) const = default;
};

// Requirements checked and updates applied as they are: property and schema changes, and commits of
// external engines that bring their own snapshot.
struct UpdateTable {
  std::vector<TableRequirement> requirements;
  std::vector<TableUpdate> updates;

  bool operator==(const UpdateTable&) const = default;
};

using TableChange = std::variant<AppendFiles, UpdateTable>;

struct TableCommit {
  // Made when the files are durable (version 7). The same id again gets the first outcome.
  Uuid id;
  TableChange change;
  // When the oldest file of the change was made, by the clock that made `id`; a commit whose files
  // are older than 36 h is rejected, so that orphan removal never takes a file that could still be
  // committed.
  int64_t oldest_file_ms = 0;

  bool operator==(const TableCommit&) const = default;
};

// The commit as JSON, for those who carry it out for its writer. Partition values say their own
// representation and bounds are hexadecimal, so no schema is needed to read it back. kCorrupt names
// the place, kUnsupported a kind of change that this version does not know.
std::string ToJson(const TableCommit& commit);
Result<TableCommit> ParseTableCommit(std::string_view json);

}  // namespace pk::iceberg
