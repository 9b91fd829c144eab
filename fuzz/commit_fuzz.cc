// Fuzzes the reader of commits that wait in a table's queue. What it reads it writes again, and
// reads that as the same.
//
// The next lines are read by `./dev fuzz commit`; see jute_fuzz.cc.
// sources: parkeeper/base/*.cc parkeeper/iceberg/*.cc
// libraries: fmt spdlog boost_json

#include <cstdint>
#include <cstdio>

#include "fuzz/seeds.h"
#include "parkeeper/iceberg/table_commit.h"

using namespace pk::iceberg;

void WriteSeeds(const std::string& folder) {
  TableCommit commit;
  DataFile file;
  file.location = "file:///lake/t/data/a.parquet";
  file.partition = {Value(), true, int32_t{-5}, int64_t{7}, 1.5f, 2.5, Int128(3), std::string("s")};
  file.record_count = 3;
  file.value_counts = {{1, 3}};
  file.lower_bounds = {{1, "a"}};
  file.equality_ids = {1};
  commit.change = AppendFiles{.branch = "main", .files = {file}, .schema_id = 0, .summary = {}};
  WriteSeed(folder, "append", ToJson(commit));
  RowDelta delta;
  delta.base_snapshot_id = 17;
  delta.removed = {{.content = FileContent::kData,
                    .location = file.location,
                    .spec_id = 1,
                    .partition = file.partition}};
  delta.referenced = delta.removed;
  delta.added = {file};
  delta.reads =
      ParseExpression("a < 5 and (b in ('x', 'y') or not (c is null)) and h = x'00'").value();
  delta.rewrite = true;
  commit.change = delta;
  WriteSeed(folder, "row-delta", ToJson(commit));
  commit.change = UpdateTable{.requirements = {AssertRefSnapshotId{"main", 7}},
                              .updates = {SetProperties{{{"a", "1"}}}}};
  WriteSeed(folder, "update", ToJson(commit));
  commit.properties = {{.name = "position", .expected = "17", .value = "18"},
                       {.name = "first", .expected = std::nullopt, .value = ""},
                       {.name = "last", .expected = "", .value = std::nullopt}};
  WriteSeed(folder, "update-with-properties", ToJson(commit));
  commit.change = AppendFiles{};
  WriteSeed(folder, "append-with-properties", ToJson(commit));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto read = ParseTableCommit({reinterpret_cast<const char*>(data), size});
  if (!read.ok()) return 0;
  const std::string written = ToJson(*read);
  const auto again = ParseTableCommit(written);
  if (again.ok() && ToJson(*again) == written) return 0;
  std::fprintf(stderr, "not read as written: %s\n%s\n", written.c_str(),
               again.ok() ? ToJson(*again).c_str() : again.error().ToString().c_str());
  std::abort();
}
