#pragma once

// What the contracts of Catalog and Feed share: a lake, and catalogs on it.

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "parkeeper/catalog/catalog.h"
#include "tests/support/matchers.h"

namespace pk::catalog {

// One lake; any number of catalogs on it, each as another process would have it.
class CatalogFixture {
 public:
  virtual ~CatalogFixture() = default;
  virtual std::unique_ptr<Catalog> Connect() = 0;
  virtual storage::Storage& storage() = 0;
};
using MakeCatalogFixture = std::function<std::unique_ptr<CatalogFixture>()>;

class CatalogContract : public ::testing::TestWithParam<MakeCatalogFixture> {
 protected:
  void SetUp() override {
    fixture_ = GetParam()();
    catalog_ = fixture_->Connect();
    ASSERT_NE(catalog_, nullptr);
  }

  static NewTableRequest Request() {
    NewTableRequest request;
    request.schema = iceberg::Schema(iceberg::StructType{{
        {.id = 1, .name = "id", .required = true, .type = iceberg::PrimitiveKind::kLong, .doc = {}},
        {.id = 2,
         .name = "name",
         .required = false,
         .type = iceberg::PrimitiveKind::kString,
         .doc = {}},
    }});
    request.properties = {{"owner", "test"}};
    return request;
  }

  LoadedTable MakeTable(const TableName& name) {
    static_cast<void>(catalog_->CreateNamespace(name.ns, {}));
    auto made = catalog_->CreateTable(name, Request());
    EXPECT_THAT(made, testing::IsOk());
    return made.ok() ? *made : LoadedTable{};
  }

  // An append of one file that is said to be there; the catalog does not open data files.
  static iceberg::TableCommit Append(const LoadedTable& table, const std::string& file,
                                     int64_t rows) {
    iceberg::DataFile data;
    data.location = table.metadata->location + "/data/" + file;
    data.record_count = rows;
    data.file_size = 100;
    iceberg::AppendFiles append;
    append.files = {data};
    append.schema_id = table.metadata->current_schema_id;
    return {.id = SystemIds().NewUuid7(SystemClock()), .change = append, .oldest_file_ms = 0};
  }

  static iceberg::TableCommit SetProperty(const std::string& name, const std::string& value) {
    iceberg::UpdateTable update;
    update.updates.emplace_back(iceberg::SetProperties{{{name, value}}});
    return {.id = SystemIds().NewUuid7(SystemClock()), .change = update, .oldest_file_ms = 0};
  }

  static std::string Total(const LoadedTable& table, const std::string& what) {
    const auto snapshot = table.metadata->current_snapshot();
    if (snapshot == nullptr) return "no snapshot";
    const auto found = snapshot->summary.find(what);
    return found == snapshot->summary.end() ? "unknown" : found->second;
  }

  static const Committed* AsCommitted(const Result<CommitResult>& result) {
    EXPECT_THAT(result, testing::IsOk());
    return result.ok() ? std::get_if<Committed>(&*result) : nullptr;
  }
  static std::string RejectionOf(const Result<CommitResult>& result) {
    EXPECT_THAT(result, testing::IsOk());
    const Rejected* rejected = result.ok() ? std::get_if<Rejected>(&*result) : nullptr;
    return rejected == nullptr ? "not rejected" : rejected->reason;
  }

  std::unique_ptr<CatalogFixture> fixture_;
  std::unique_ptr<Catalog> catalog_;
};

inline const Namespace kSales{{"sales"}};
inline const TableName kOrders{{{"sales"}}, "orders"};

}  // namespace pk::catalog
