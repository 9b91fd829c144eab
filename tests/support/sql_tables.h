#pragma once

// Tables in memory for SQL, and the same files in a local folder, which DuckDB opens by itself.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "parkeeper/sql/session.h"
#include "parkeeper/storage/local.h"
#include "tests/support/table_in_memory.h"

namespace pk::testing {

class SqlTables {
 public:
  // In namespace "s".
  TableInMemory& Add(const std::string& name, const TableShape& shape = {}) {
    return *tables_.emplace(name, std::make_unique<TableInMemory>(shape)).first->second;
  }

  // Over the table's own storage, so over one table: its files go through our scan.
  Result<std::unique_ptr<sql::Session>> OverMemory(const std::string& name, int threads = 2) {
    return Open(tables_.at(name)->storage(), threads);
  }

  // Over one folder with the files of the table, under the locations that its metadata hold.
  Result<std::unique_ptr<sql::Session>> OverFolder(const std::string& name, int threads = 2) {
    const std::string path = folder_ / std::to_string(folders_.size());
    folders_.push_back(PK_TRY(storage::OpenLocal(path, {.root_uri = "memory://lake"})));
    storage::Storage& from = tables_.at(name)->storage();
    PK_TRY(from.List(from.root(), [&](const storage::FileStatus& file) -> Result<> {
      return storage::WriteIfAbsent(*folders_.back(), file.location,
                                    PK_TRY(storage::ReadAll(from, file.location)));
    }));
    return Open(*folders_.back(), threads);
  }

 private:
  Result<std::unique_ptr<sql::Session>> Open(storage::Storage& storage, int threads) {
    return sql::Session::Open(
        storage,
        [this](
            const sql::NameInQuery& name) -> Result<std::shared_ptr<const iceberg::TableMetadata>> {
          const auto found = tables_.find(name.back());
          PK_CHECK(name.front() == "s" && found != tables_.end(), NotFound("no such table"));
          return std::make_shared<const iceberg::TableMetadata>(found->second->metadata());
        },
        {.threads = threads});
  }

  TempFolder folder_;
  std::map<std::string, std::unique_ptr<TableInMemory>> tables_;
  std::vector<std::unique_ptr<storage::Storage>> folders_;
};

// The rows as JSON lines, in their order.
inline Result<Lines> RowsOf(sql::Session& session, const std::string& query) {
  auto answer = session.Query(query, {});
  if (!answer.ok()) return std::move(answer).error();
  return ReadLines(std::move(answer->rows));
}

}  // namespace pk::testing
