#pragma once

// Jobs over a coordinator and a storage in memory, with a table ns.t (id long); for tests.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "parkeeper/coordination/memory.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/jobs/jobs.h"
#include "parkeeper/storage/memory.h"
#include "parkeeper/tasks/worker.h"
#include "tests/support/matchers.h"

namespace pk::jobs {

class JobsInMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = catalog::OpenCatalog(sessions_, *storage_, {.clock = &clock_});
    ASSERT_THAT(opened, testing::IsOk());
    catalog_ = *std::move(opened);
    ASSERT_THAT(catalog_->CreateNamespace({{"ns"}}, {}), testing::IsOk());
    catalog::NewTableRequest request;
    request.schema = iceberg::ParseSchemaText("id long").value();
    ASSERT_THAT(catalog_->CreateTable({{{"ns"}}, "t"}, request), testing::IsOk());
    parts_.emplace(JobsParts{sessions_, *storage_, *catalog_, {.clock = &clock_}});
    jobs_.emplace(*parts_);
  }

  catalog::LoadedTable Table() { return catalog_->LoadTable({{{"ns"}}, "t"}).value(); }

  static Job IngestOf(int sources) {
    Job job{
        .id = {}, .table = "ns.t", .table_key = {}, .plan = IngestPlan{.input = {}}, .parts = {}};
    for (int i = 0; i < sources; ++i) job.parts.push_back(fmt::format("/data/{:05}.csv", i));
    return job;
  }

  // Lets a worker end each task that it gets.
  int Each(const std::function<void(tasks::Worker&, const tasks::ClaimedTask&)>& end) {
    tasks::Worker worker(sessions_, *storage_, "w", {.clock = &clock_});
    int ended = 0;
    for (;;) {
      const auto claims = worker.Claim({kDefaultQueue}, 10);
      EXPECT_THAT(claims, testing::IsOk());
      if (!claims.ok() || claims->empty()) return ended;
      for (const auto& claim : *claims) end(worker, claim);
      ended += int(claims->size());
    }
  }

  ManualClock clock_;
  std::shared_ptr<coordination::MemoryTree> tree_ = coordination::MakeMemoryTree();
  coordination::SessionSource sessions_{
      [this]() -> Result<std::unique_ptr<coordination::Coordinator>> {
        return coordination::OpenMemory(tree_);
      }};
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory("lake");
  std::unique_ptr<catalog::Catalog> catalog_;
  std::optional<JobsParts> parts_;
  std::optional<Jobs> jobs_;
};

}  // namespace pk::jobs
