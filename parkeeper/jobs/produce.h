#pragma once

// What the process of an attempt does: it makes data files for a table, of a source file, of a
// query's rows, or of smaller files. It commits nothing and needs no coordinator, so its death
// harms nobody (contained.h). Requests and replies cross the border of processes as JSON.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/jobs/ingest.h"
#include "parkeeper/sql/session.h"

namespace pk::jobs {

struct ReadFile {
  std::string path;
  datafile::InputOptions input;
};

// A table as a query reads it, see sql::TableState.
struct QueryInput {
  sql::NameInQuery name;
  std::string metadata;  // as iceberg::ToJson writes it
  std::optional<int64_t> snapshot_id;
  std::optional<int64_t> after_snapshot_id;
  std::optional<std::vector<std::string>> files;
};
// The rows of a query over several states of its tables, one after the other.
struct RunQuery {
  std::string sql;
  std::vector<std::vector<QueryInput>> states;
};

// A group of files of a compaction.
struct Rewrite {
  std::string group;  // as table::ToJson writes it
  int64_t target_file_bytes = 0;
};

struct ProduceRequest {
  std::string root;          // the storage's
  std::string metadata;      // of the table to be written, as iceberg::ToJson writes it
  int64_t memory_bytes = 0;  // that it should keep to
  std::variant<ReadFile, RunQuery, Rewrite> work;
};

struct Produced {
  std::optional<SourceIdentity> source;  // of ReadFile
  // An append, or of Rewrite a row delta; nullopt: there is nothing to commit.
  std::optional<iceberg::TableCommit> commit;
  int64_t rows = 0;
  int64_t files = 0;  // written
  int64_t bytes = 0;  // likewise
};
std::string Encode(const Produced& produced);
// kCorrupt.
Result<Produced> ParseProduced(std::string_view text);

struct ProduceProgress {
  int64_t rows = 0;
  int64_t bytes = 0;  // written
};
using OnProgress = std::function<void(const ProduceProgress&)>;

// On an error nothing is left behind.
Result<Produced> Produce(storage::Storage& storage, const ProduceRequest& request,
                         const OnProgress& progress);

std::string Encode(const ProduceRequest& request);
// Carries out an encoded request in the folder that it names; what it returns is for ParseReply().
std::string Serve(std::string_view request, const OnProgress& progress);
// The result, or the error, of a Produce() elsewhere; kInternal when the reply is none.
Result<Produced> ParseReply(std::string_view reply);

// Whether repeating what failed so can help; a file that cannot be read as its table wants it stays
// so until somebody mends it.
bool MayPass(ErrorCode code);

}  // namespace pk::jobs
