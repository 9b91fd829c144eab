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
  TableInMemory& Add(const std::string& name, TableShape shape = {}) {
    shape.location = "memory://lake/" + name;
    if (replaced_ > 0) shape.location += "-" + std::to_string(replaced_);
    const auto [place, added] =
        tables_.emplace(name, std::make_unique<TableInMemory>(shape, storage_));
    place->second->metadata().table_uuid = "of " + name;
    return *place->second;
  }

  // Instead of the one of this name.
  TableInMemory& Replace(const std::string& name, const TableShape& shape) {
    tables_.erase(name);
    ++replaced_;
    return Add(name, shape);
  }

  // What queries read of the table from now on; null metadata: its present ones.
  sql::TableState& state(const std::string& name) { return states_[name]; }

  // Over the storage that the tables are in: files go through our scan.
  Result<std::unique_ptr<sql::Session>> OverMemory(int threads = 2) {
    return Open(*storage_, threads);
  }

  // Over a folder with the files that there are, under the locations that the metadata hold.
  Result<std::unique_ptr<sql::Session>> OverFolder(int threads = 2) {
    const std::string path = folder_ / std::to_string(folders_.size());
    folders_.push_back(PK_TRY(storage::OpenLocal(path, {.root_uri = "memory://lake"})));
    PK_TRY(storage_->List(storage_->root(), [&](const storage::FileStatus& file) -> Result<> {
      return storage::WriteIfAbsent(*folders_.back(), file.location,
                                    PK_TRY(storage::ReadAll(*storage_, file.location)));
    }));
    return Open(*folders_.back(), threads);
  }

 private:
  Result<std::unique_ptr<sql::Session>> Open(storage::Storage& storage, int threads) {
    return sql::Session::Open(
        storage,
        [this](const sql::NameInQuery& name) -> Result<sql::TableState> {
          const auto found = tables_.find(name.back());
          PK_CHECK(name.front() == "s" && found != tables_.end(), NotFound("no such table"));
          sql::TableState state = states_[name.back()];
          if (state.metadata == nullptr) {
            state.metadata =
                std::make_shared<const iceberg::TableMetadata>(found->second->metadata());
          }
          return state;
        },
        {.threads = threads});
  }

  TempFolder folder_;
  std::shared_ptr<storage::Storage> storage_ = storage::MakeMemory("lake");
  std::map<std::string, std::unique_ptr<TableInMemory>> tables_;
  std::map<std::string, sql::TableState> states_;
  int replaced_ = 0;
  std::vector<std::unique_ptr<storage::Storage>> folders_;
};

// The rows as JSON lines, in their order.
inline Result<Lines> RowsOf(sql::Session& session, const std::string& query) {
  auto answer = session.Query(query, {});
  if (!answer.ok()) return std::move(answer).error();
  return ReadLines(std::move(answer->rows));
}

}  // namespace pk::testing
