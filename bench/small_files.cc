// What the bench `compact` begins with: many small files in a table, in a few commits.
//
//   bench_small_files LAKE TABLE ROWS.parquet FILES COMMITS
//
// Each file has all of the rows. Prints one line of JSON.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <iostream>
#include <mutex>
#include <string>
#include <vector>

#include "parkeeper/base/parallel.h"
#include "parkeeper/datafile/input.h"
#include "parkeeper/lake/lake.h"

namespace pk::bench {
namespace {

// Most of the time a file waits for the disk.
constexpr int kThreads = 16;

Result<size_t> Number(const std::string& text) {
  size_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size() && number > 0,
           InvalidArgument(fmt::format("'{}' is no positive number", text)));
  return number;
}

class SmallFiles {
 public:
  static Result<SmallFiles> Open(const std::string& lake_url, const std::string& table,
                                 const std::string& rows) {
    SmallFiles self;
    self.lake_ = PK_TRY(lake::Lake::Open(lake_url, {.must_exist = true}));
    self.table_ = PK_TRY(self.lake_->catalog().LoadTable(PK_TRY(catalog::ParseTableName(table))));
    self.schema_ = std::make_shared<const iceberg::Schema>(self.table_.metadata->schema());
    auto source = PK_TRY(datafile::OpenInput(rows, self.schema_));
    while (auto batch = PK_TRY(source->Next())) self.rows_.push_back(*std::move(batch));
    return self;
  }

  // One commit. Gives its rows.
  Result<int64_t> Append(size_t files) {
    table::AppendedFiles all;
    std::mutex mutex;
    PK_TRY(ParallelFor(files, kThreads, [&](size_t) -> Result<> {
      table::AppendedFiles one = PK_TRY(WriteOne());
      std::lock_guard lock(mutex);
      for (iceberg::DataFile& file : one.files) all.files.push_back(std::move(file));
      all.rows += one.rows;
      all.bytes += one.bytes;
      if (all.oldest_file_ms == 0) all.oldest_file_ms = one.oldest_file_ms;
      all.oldest_file_ms = std::min(all.oldest_file_ms, one.oldest_file_ms);
      return {};
    }));
    return PK_TRY(lake::CommitFiles(*lake_, table_, std::move(all))).rows;
  }

 private:
  Result<table::AppendedFiles> WriteOne() {
    const table::NextSource next =
        [this, given = false]() mutable -> Result<std::unique_ptr<datafile::BatchSource>> {
      if (std::exchange(given, true)) return std::unique_ptr<datafile::BatchSource>();
      return datafile::SourceOf(*schema_, rows_);
    };
    return table::WriteDataFiles(lake_->storage(), *table_.metadata, next, {.writers = 1});
  }

  std::unique_ptr<lake::Lake> lake_;
  catalog::LoadedTable table_;
  std::shared_ptr<const iceberg::Schema> schema_;
  std::vector<datafile::Batch> rows_;
};

Result<> Run(const std::vector<std::string>& words) {
  PK_CHECK(words.size() == 5,
           InvalidArgument("usage: bench_small_files LAKE TABLE ROWS.parquet FILES COMMITS"));
  const size_t files = PK_TRY(Number(words[3])), commits = PK_TRY(Number(words[4]));
  PK_CHECK(commits <= files, InvalidArgument("each commit has a file at least"));
  SmallFiles small = PK_TRY(SmallFiles::Open(words[0], words[1], words[2]));
  int64_t rows = 0;
  for (size_t i = 0; i < commits; ++i) {
    rows += PK_TRY(small.Append(files * (i + 1) / commits - files * i / commits));
  }
  std::cout << boost::json::serialize(boost::json::object{{"files", files}, {"rows", rows}})
            << std::endl;
  return {};
}

}  // namespace
}  // namespace pk::bench

int main(int count, char** words) {
  const pk::Result<> done = pk::bench::Run({words + 1, words + count});
  if (!done.ok()) std::cerr << "bench_small_files: " << done.error().ToString() << std::endl;
  return done.ok() ? 0 : 1;
}
