#include "parkeeper/lake/import.h"

#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>

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
                      const datafile::InputOptions& input) {
  const auto shared = std::make_shared<const iceberg::Schema>(schema);
  for (const std::string& path : paths) PK_TRY(datafile::OpenInput(path, shared, input));
  return {};
}

// The table, made from the first file's schema when it is missing and that is wanted.
Result<LoadedTable> LoadOrCreate(Lake& lake, const TableName& name,
                                 const std::vector<std::string>& paths,
                                 const ImportOptions& options, bool& created) {
  Result<LoadedTable> found = lake.catalog().LoadTable(name);
  if (found.ok() || found.error().code() != ErrorCode::kNotFound) return found;
  if (!options.create) {
    return NotFound(found.error().message() + "; --create makes the table from the files' schema");
  }
  catalog::NewTableRequest request;
  request.schema = PK_TRY(datafile::InferSchema(paths.front(), options.input));
  request.spec = PK_TRY(iceberg::ParsePartitionText(options.partition_by, request.schema));
  request.sort_order = PK_TRY(iceberg::ParseSortText(options.sort_by, request.schema));
  request.properties = options.properties;
  // Files that do not fit leave no table behind.
  PK_TRY(CheckColumns(paths, request.schema, options.input));
  catalog::Namespace level;
  for (const std::string& part : name.ns.levels) {
    level.levels.push_back(part);
    Result<> made = lake.catalog().CreateNamespace(level, {});
    if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) return made.error();
  }
  Result<LoadedTable> table = lake.catalog().CreateTable(name, request);
  created = table.ok();
  // Another writer of the same import was faster: its table is as good.
  if (!table.ok() && table.error().code() == ErrorCode::kAlreadyExists) {
    return lake.catalog().LoadTable(name);
  }
  return table;
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
  Result<> Commit(const LoadedTable& table, size_t first, size_t last, ImportResult& result) {
    const auto schema = std::make_shared<const iceberg::Schema>(table.metadata->schema());
    const std::vector<Piece> pieces = PK_TRY(Pieces(first, last));
    size_t at = 0;
    const table::NextSource next = [&]() -> Result<std::unique_ptr<datafile::BatchSource>> {
      files_done_ = at == pieces.size() ? last : pieces[at].file;
      if (at == pieces.size()) return std::unique_ptr<datafile::BatchSource>();
      const Piece& piece = pieces[at++];
      return datafile::OpenInput(paths_[piece.file], schema, piece.input);
    };
    const int64_t rows_before = result.rows, bytes_before = result.bytes;
    const table::AppendOptions append{.writers = options_.writers,
                                      .stop = options_.stop,
                                      .progress = [&](const table::AppendProgress& progress) {
                                        if (!options_.progress) return;
                                        options_.progress({.files_done = int64_t(files_done_),
                                                           .files = int64_t(paths_.size()),
                                                           .rows = rows_before + progress.rows,
                                                           .bytes = bytes_before + progress.bytes});
                                      }};
    const AppendResult done = PK_TRY(Append(lake_, table, next, append));
    result.files += int64_t(last - first);
    result.rows += done.rows;
    result.data_files += done.files;
    result.bytes += done.bytes;
    if (done.committed.snapshot_id) result.snapshots.push_back(*done.committed.snapshot_id);
    return {};
  }

 private:
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
};

}  // namespace

Result<ImportResult> Import(Lake& lake, const TableName& name,
                            const std::vector<std::string>& paths, const ImportOptions& options) {
  PK_CHECK(!paths.empty(), InvalidArgument("no files to import"));
  PK_CHECK(options.commit_every >= 0, InvalidArgument("commit-every must not be negative"));
  ImportResult result;
  const LoadedTable table = PK_TRY(LoadOrCreate(lake, name, paths, options, result.created));
  if (!result.created) PK_TRY(CheckColumns(paths, table.metadata->schema(), options.input));
  const size_t step = options.commit_every == 0 ? paths.size() : size_t(options.commit_every);
  Importing importing(lake, paths, options);
  for (size_t first = 0; first < paths.size(); first += step) {
    const size_t last = std::min(first + step, paths.size());
    Result<> done = importing.Commit(table, first, last, result);
    if (done.ok()) continue;
    if (first == 0) return std::move(done).error().With(catalog::ToString(name));
    return std::move(done).error().With(fmt::format(
        "{}: the first {} files are committed, the rest is not", catalog::ToString(name), first));
  }
  return result;
}

Result<std::vector<std::string>> ExpandPaths(const std::vector<std::string>& patterns) {
  std::vector<std::string> paths;
  std::set<std::string> seen;
  const auto add = [&](std::string path) {
    if (seen.insert(path).second) paths.push_back(std::move(path));
  };
  for (const std::string& pattern : patterns) {
    struct stat literal{};
    if (stat(pattern.c_str(), &literal) == 0) {  // a file may be called "a[1].csv"
      add(pattern);
      continue;
    }
    glob_t found{};
    const int failure = glob(pattern.c_str(), GLOB_BRACE, nullptr, &found);
    const size_t matches = failure == 0 ? found.gl_pathc : 0;
    for (size_t i = 0; i < matches; ++i) add(found.gl_pathv[i]);
    globfree(&found);
    PK_CHECK(matches > 0, NotFound(fmt::format("no file matches '{}'", pattern)));
  }
  for (const std::string& path : paths) {
    struct stat status{};
    PK_CHECK(stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode),
             NotFound(fmt::format("'{}' is no file; name files or a pattern such as '{}/*.parquet'",
                                  path, path)));
  }
  return paths;
}

}  // namespace pk::lake
