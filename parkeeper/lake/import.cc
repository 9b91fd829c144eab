#include "parkeeper/lake/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "parkeeper/base/parallel.h"
#include "parkeeper/iceberg/partition_spec.h"

namespace pk::lake {

using catalog::LoadedTable;
using catalog::TableName;

namespace {

// Opening a source holds its columns against the table's.
Result<> CheckColumns(const std::vector<std::string>& paths, const iceberg::Schema& schema,
                      const ImportOptions& options) {
  const auto shared = std::make_shared<const iceberg::Schema>(schema);
  for (const std::string& path : paths) {
    PK_CHECK(!options.stop.stop_requested(), Cancelled("the import was stopped"));
    PK_TRY(datafile::OpenInput(path, shared, options.input));
  }
  return {};
}

// The table; nullopt when it is missing and to be made.
Result<std::optional<LoadedTable>> Find(Lake& lake, const TableName& name,
                                        const ImportOptions& options) {
  Result<LoadedTable> found = lake.catalog().LoadTable(name);
  if (found.ok()) return std::optional(*std::move(found));
  if (found.error().code() != ErrorCode::kNotFound) return std::move(found).error();
  if (options.create) return std::optional<LoadedTable>();
  return NotFound(found.error().message() + "; --create makes the table from the files' schema");
}

// The table as it is to be, with the file's columns.
Result<LoadedTable> Stage(Lake& lake, const TableName& name, const std::string& path,
                          const ImportOptions& options) {
  catalog::NewTableRequest request;
  request.schema = PK_TRY(datafile::InferSchema(path, options.input));
  request.spec = PK_TRY(iceberg::ParsePartitionText(options.partition_by, request.schema));
  request.sort_order = PK_TRY(iceberg::ParseSortText(options.sort_by, request.schema));
  request.properties = options.properties;
  return lake.catalog().StageTable(name, request);
}

Result<LoadedTable> Make(Lake& lake, const LoadedTable& staged) {
  catalog::Namespace level;
  for (const std::string& part : staged.name.ns.levels) {
    level.levels.push_back(part);
    Result<> made = lake.catalog().CreateNamespace(level, {});
    if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) return made.error();
  }
  return lake.catalog().CreateStaged(staged);
}

// Large Parquet files are read in pieces, so that writers share a file; small ones stay whole.
constexpr int64_t kPiecesPerWriter = 8;

// What one writer reads at a time.
struct Piece {
  size_t file = 0;
  datafile::InputOptions input;
};

class Importing {
 public:
  Importing(Lake& lake, const std::vector<std::string>& paths, const ImportOptions& options)
      : lake_(lake), paths_(paths), options_(options) {}

  // One commit of the files [first, last).
  Result<> Append(const LoadedTable& table, size_t first, size_t last) {
    return Commit(table, PK_TRY(Write(table, first, last)), last - first);
  }

  // The same for the files [0, last) and a table that is to be made for them; nothing is done, and
  // false returned, when another writer made one of that name meanwhile.
  Result<bool> AppendToNew(LoadedTable& staged, size_t last) {
    table::AppendedFiles files = PK_TRY(Write(staged, 0, last));
    Result<LoadedTable> made = Make(lake_, staged);
    if (made.ok()) {
      staged = *std::move(made);
      result_.created = true;
      PK_TRY(Commit(staged, std::move(files), last));
      return true;
    }
    if (made.error().code() != ErrorCode::kOutcomeUnknown) {
      table::RemoveFiles(lake_.storage(), files.files);
    }
    if (made.error().code() == ErrorCode::kAlreadyExists) return false;
    return std::move(made).error();
  }

  ImportResult TakeResult() { return std::move(result_); }

 private:
  Result<table::AppendedFiles> Write(const LoadedTable& table, size_t first, size_t last) {
    const auto schema = std::make_shared<const iceberg::Schema>(table.metadata->schema());
    const std::vector<Piece> pieces = PK_TRY(Pieces(first, last));
    size_t at = 0;
    const table::NextSource next = [&]() -> Result<std::unique_ptr<datafile::BatchSource>> {
      files_done_ = at == pieces.size() ? last : pieces[at].file;
      if (at == pieces.size()) return std::unique_ptr<datafile::BatchSource>();
      const Piece& piece = pieces[at++];
      return datafile::OpenInput(paths_[piece.file], schema, piece.input);
    };
    const table::AppendOptions append{
        .writers = options_.writers,
        .stop = options_.stop,
        .progress = [&](const table::AppendProgress& progress) {
          if (!options_.progress) return;
          options_.progress({.files_done = int64_t(files_done_),
                             .files = int64_t(paths_.size()),
                             .rows = result_.rows + progress.rows,
                             .bytes = result_.bytes + progress.bytes});
        }};
    return table::WriteDataFiles(lake_.storage(), *table.metadata, next, append);
  }

  Result<> Commit(const LoadedTable& table, table::AppendedFiles files, size_t sources) {
    const AppendResult done = PK_TRY(CommitFiles(lake_, table, std::move(files)));
    result_.files += int64_t(sources);
    result_.rows += done.rows;
    result_.data_files += done.files;
    result_.bytes += done.bytes;
    if (done.committed.snapshot_id) result_.snapshots.push_back(*done.committed.snapshot_id);
    return {};
  }

  // The files [first, last), cut only as far as there are too few of them for the writers.
  Result<std::vector<Piece>> Pieces(size_t first, size_t last) const {
    const int64_t writers = options_.writers > 0 ? options_.writers : AvailableCores();
    const int64_t files = int64_t(last - first);
    const int64_t each = writers == 1 ? 1 : (writers * kPiecesPerWriter + files - 1) / files;
    std::vector<Piece> pieces;
    for (size_t file = first; file < last; ++file) {
      for (datafile::InputOptions& input : PK_TRY(datafile::SplitInput(
               paths_[file], options_.input, each, options_.least_piece_bytes))) {
        pieces.push_back({file, std::move(input)});
      }
    }
    return pieces;
  }

  Lake& lake_;
  const std::vector<std::string>& paths_;
  const ImportOptions& options_;
  std::atomic<size_t> files_done_{0};
  ImportResult result_;
};

}  // namespace

Result<> CreateTableOf(Lake& lake, const TableName& name, const std::string& path,
                       const ImportOptions& options) {
  if (PK_TRY(Find(lake, name, options))) return {};
  const Result<LoadedTable> made = Make(lake, PK_TRY(Stage(lake, name, path, options)));
  const bool is_there = made.ok() || made.error().code() == ErrorCode::kAlreadyExists;
  return is_there ? Result<>() : Result<>(made.error());
}

Result<ImportResult> Import(Lake& lake, const TableName& name,
                            const std::vector<std::string>& paths, const ImportOptions& options) {
  PK_CHECK(!paths.empty(), InvalidArgument("no files to import"));
  PK_CHECK(options.commit_every >= 0, InvalidArgument("commit-every must not be negative"));
  PK_CHECK(options.writers >= 0, InvalidArgument("writers must not be negative"));
  const size_t step = options.commit_every == 0 ? paths.size() : size_t(options.commit_every);
  Importing importing(lake, paths, options);
  std::optional<LoadedTable> table = PK_TRY(Find(lake, name, options));
  size_t first = 0;
  if (!table) {
    LoadedTable made = PK_TRY(Stage(lake, name, paths.front(), options));
    PK_TRY(CheckColumns(paths, made.metadata->schema(), options));
    const size_t last = std::min(step, paths.size());
    if (PK_TRY(importing.AppendToNew(made, last).With(catalog::ToString(name)))) first = last;
    table = first > 0 ? std::move(made) : PK_TRY(lake.catalog().LoadTable(name));
  }
  if (first == 0) PK_TRY(CheckColumns(paths, table->metadata->schema(), options));
  for (; first < paths.size(); first += step) {
    Result<> done = importing.Append(*table, first, std::min(first + step, paths.size()));
    if (done.ok()) continue;
    if (first == 0) return std::move(done).error().With(catalog::ToString(name));
    return std::move(done).error().With(fmt::format(
        "{}: the first {} files are committed, the rest is not", catalog::ToString(name), first));
  }
  return importing.TakeResult();
}

}  // namespace pk::lake
