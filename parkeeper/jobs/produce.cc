#include "parkeeper/jobs/produce.h"

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/table/append.h"
#include "parkeeper/table/compact.h"
#include "parkeeper/table/delete.h"

namespace pk::jobs {

namespace {

// Of a task's memory, what rows may take that wait to be written; sorting takes as much again, the
// encoder and the batch that is read have the rest.
constexpr int64_t kShareOfRows = 4;
// With a query beside them: DuckDB goes over what it is told, and libraries and stacks count too.
constexpr int64_t kShareOfRowsOfQuery = 8;
constexpr int64_t kShareOfQuery = 3;

table::AppendOptions AppendOptionsOf(int64_t memory_bytes, const OnProgress& progress) {
  return {.writers = 1,
          .memory_bytes = memory_bytes,
          .progress = [progress](const table::AppendProgress& at) {
            if (progress) progress({.rows = at.rows, .bytes = at.bytes});
          }};
}

Produced ProducedOf(table::AppendedFiles files, const iceberg::TableMetadata& metadata) {
  Produced produced{.source = {},
                    .commit = {},
                    .rows = files.rows,
                    .files = int64_t(files.files.size()),
                    .bytes = files.bytes};
  if (!files.files.empty()) produced.commit = table::MakeAppendCommit(std::move(files), metadata);
  return produced;
}

// The rows of one query after the other, as the table wants them.
class QueryRows {
 public:
  QueryRows(storage::Storage& storage, const RunQuery& query, const iceberg::Schema& schema,
            int64_t memory_bytes)
      : storage_(storage),
        query_(query),
        schema_(std::make_shared<const iceberg::Schema>(schema)),
        memory_bytes_(memory_bytes) {}

  Result<std::unique_ptr<datafile::BatchSource>> Next() {
    if (at_ == query_.states.size()) return std::unique_ptr<datafile::BatchSource>();
    const std::vector<QueryInput>& inputs = query_.states[at_++];
    session_ = PK_TRY(sql::Session::Open(
        storage_, [&inputs](const sql::NameInQuery& name) { return StateOf(inputs, name); },
        {.threads = 1, .memory_bytes = memory_bytes_}));
    auto answer = PK_TRY(session_->Query(query_.sql, {}));
    return datafile::ConformTo(std::move(answer.rows), schema_);
  }

 private:
  static Result<sql::TableState> StateOf(const std::vector<QueryInput>& inputs,
                                         const sql::NameInQuery& name) {
    const auto found = std::find_if(inputs.begin(), inputs.end(),
                                    [&](const QueryInput& input) { return input.name == name; });
    PK_CHECK(found != inputs.end(),
             Internal(fmt::format("the task does not say what '{}' is", fmt::join(name, "."))));
    sql::TableState state{.metadata = std::make_shared<const iceberg::TableMetadata>(
                              PK_TRY(iceberg::ParseTableMetadata(found->metadata))),
                          .snapshot = {},
                          .after_snapshot = found->after_snapshot_id,
                          .files = found->files};
    if (found->snapshot_id) state.snapshot = *found->snapshot_id;
    return state;
  }

  storage::Storage& storage_;
  const RunQuery& query_;
  const std::shared_ptr<const iceberg::Schema> schema_;
  const int64_t memory_bytes_;
  size_t at_ = 0;
  std::unique_ptr<sql::Session> session_;
};

class Producer {
 public:
  Producer(storage::Storage& storage, const ProduceRequest& request,
           const iceberg::TableMetadata& metadata, const OnProgress& progress)
      : storage_(storage), request_(request), metadata_(metadata), progress_(progress) {}

  Result<Produced> operator()(const ReadFile& work) const {
    Ingested ingested =
        PK_TRY(Ingest(storage_, metadata_, work.path, work.input,
                      AppendOptionsOf(request_.memory_bytes / kShareOfRows, progress_)));
    Produced produced = ProducedOf(std::move(ingested.files), metadata_);
    produced.source = std::move(ingested.source);
    return produced;
  }

  Result<Produced> operator()(const RunQuery& work) const {
    QueryRows rows(storage_, work, metadata_.schema(), request_.memory_bytes / kShareOfQuery);
    auto files = PK_TRY(table::WriteDataFiles(
        storage_, metadata_, [&] { return rows.Next(); },
        AppendOptionsOf(request_.memory_bytes / kShareOfRowsOfQuery, progress_)));
    return ProducedOf(std::move(files), metadata_);
  }

  Result<Produced> operator()(const Rewrite& work) const {
    const auto group = PK_TRY(table::ParseCompactionGroup(work.group));
    const table::RewriteOptions options{.target_file_bytes = work.target_file_bytes,
                                        .memory_bytes = request_.memory_bytes / kShareOfRows,
                                        .threads = 1,
                                        .progress = [&](const table::AppendProgress& at) {
                                          if (progress_)
                                            progress_({.rows = at.rows, .bytes = at.bytes});
                                        }};
    auto prepared = PK_TRY(table::RewriteFiles(storage_, metadata_, group, options));
    Produced produced{.source = {},
                      .commit = {},
                      .rows = prepared.rows,
                      .files = prepared.files_written,
                      .bytes = prepared.bytes};
    if (prepared.delta.removed.empty()) return produced;
    produced.commit = table::MakeRowDeltaCommit(std::move(prepared.delta), prepared.oldest_file_ms);
    return produced;
  }

 private:
  storage::Storage& storage_;
  const ProduceRequest& request_;
  const iceberg::TableMetadata& metadata_;
  const OnProgress& progress_;
};

}  // namespace

Result<Produced> Produce(storage::Storage& storage, const ProduceRequest& request,
                         const OnProgress& progress) {
  const auto metadata = PK_TRY(iceberg::ParseTableMetadata(request.metadata));
  return std::visit(Producer(storage, request, metadata, progress), request.work);
}

bool MayPass(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kFailedPrecondition:
      return false;
    default:
      return true;
  }
}

}  // namespace pk::jobs
