#include "parkeeper/jobs/completion_internal.h"

#include <algorithm>
#include <boost/json.hpp>

#include "parkeeper/table/append.h"
#include "parkeeper/table/overwrite.h"

namespace pk::jobs {

namespace bj = boost::json;
using iceberg::AppendFiles;
using iceberg::DataFile;
using iceberg::RowDelta;
using iceberg::TableCommit;

namespace {

// What refuses it once the claim is over: the claim's node and the task's.
constexpr size_t kClaimOperations = 2;

// An overwrite of no rows by none.
bool IsEmpty(const TableCommit& commit) {
  const auto* delta = std::get_if<RowDelta>(&commit.change);
  return delta != nullptr && delta->removed.empty() && delta->added.empty();
}

Result<Completed> CompleteWithoutCommit(tasks::Worker& worker, const tasks::ClaimedTask& claim,
                                        const Outcome& outcome) {
  const auto done = worker.Complete(claim, outcome.result, outcome.with);
  if (done.ok()) return Completed{*done ? Completion::kRefused : Completion::kDone};
  if (done.error().code() == ErrorCode::kConflict) return Completed{Completion::kLost};
  return done.error();
}

}  // namespace

std::string EncodeResult(const Produced& produced) {
  bj::object object{{"rows", produced.rows}, {"files", produced.files}, {"bytes", produced.bytes}};
  if (produced.source) object["source-bytes"] = produced.source->size;
  return bj::serialize(object);
}

Result<Completed> Complete(const JobsParts& parts, tasks::Worker& worker,
                           const tasks::ClaimedTask& claim, const std::string& table_key,
                           const Outcome& outcome, bool repeated) {
  if (!outcome.commit || IsEmpty(*outcome.commit)) {
    return CompleteWithoutCommit(worker, claim, outcome);
  }
  // The rest of this transaction follows the end of the claim, which happens once.
  auto step =
      PK_TRY(tasks::CommittingTransaction(claim, outcome.result, parts.options.clock->WallMs()));
  step.transaction.Append(outcome.with);
  for (const auto& operation : outcome.if_rejected) step.links.if_rejected.push_back(operation);
  const auto decided = PK_TRY(parts.catalog.CommitLinked(
      table_key, *outcome.commit,
      repeated ? catalog::CommitId::kMaybeRepeated : catalog::CommitId::kNew, step.transaction,
      {.if_committed = step.links.if_committed, .if_rejected = step.links.if_rejected}));
  if (const auto* refused = std::get_if<coordination::Refused>(&decided)) {
    const bool lost = refused->operation < kClaimOperations;
    return Completed{lost ? Completion::kLost : Completion::kRefused};
  }
  worker.Forget(claim);
  const auto* rejected = std::get_if<catalog::Rejected>(&decided);
  if (rejected == nullptr) return Completed{};
  return Completed{Completion::kRejected, rejected->reason};
}

void RemoveFiles(storage::Storage& storage, const TableCommit& commit) {
  if (const auto* append = std::get_if<AppendFiles>(&commit.change)) {
    table::RemoveFiles(storage, append->files);
  } else if (const auto* delta = std::get_if<RowDelta>(&commit.change)) {
    table::RemoveFiles(storage, delta->added);
  }
}

Result<TableCommit> Merge(const JobsParts& parts, std::vector<TableCommit> commits,
                          const iceberg::TableMetadata* base) {
  const auto& options = parts.options;
  TableCommit merged{.id = options.ids->NewUuid7(*options.clock),
                     .change = {},
                     .oldest_file_ms = options.clock->WallMs()};
  AppendFiles all;
  for (TableCommit& commit : commits) {
    auto* append = std::get_if<AppendFiles>(&commit.change);
    PK_CHECK(append != nullptr, Internal("a part of a job did not make an append"));
    all.schema_id = std::max(all.schema_id, append->schema_id);
    std::move(append->files.begin(), append->files.end(), std::back_inserter(all.files));
    merged.oldest_file_ms = std::min(merged.oldest_file_ms, commit.oldest_file_ms);
  }
  if (base == nullptr) {
    merged.change = std::move(all);
    return merged;
  }
  const bool writes = !all.files.empty();
  RowDelta delta =
      PK_TRY(table::PrepareOverwrite(parts.storage, *base, {.files = std::move(all.files)}));
  if (writes) delta.schema_id = all.schema_id;
  merged.change = std::move(delta);
  return merged;
}

TableCommit EmptyAppend(const JobsParts& parts, const iceberg::TableMetadata& metadata) {
  AppendFiles nothing;
  nothing.schema_id = metadata.current_schema_id;
  return {.id = parts.options.ids->NewUuid7(*parts.options.clock),
          .change = std::move(nothing),
          .oldest_file_ms = parts.options.clock->WallMs()};
}

}  // namespace pk::jobs
