#pragma once

// What simulations of the catalog share: tables to begin with, appends to them, and what a checker
// finds in the end, read by itself and not by the catalog.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/coordination/simulation.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "tests/support/matchers.h"

namespace pk::catalog {

// Empty tables, all in one namespace, made without any fault.
inline std::vector<LoadedTable> MakeTables(coordination::Simulation& simulation,
                                           storage::Storage& storage,
                                           const std::vector<TableName>& names) {
  coordination::SessionSource sessions(
      [&] { return Result<std::unique_ptr<coordination::Coordinator>>(simulation.MakeClient()); },
      simulation.clock());
  std::vector<LoadedTable> tables;
  const auto catalog = OpenCatalog(sessions, storage,
                                   {.write_threads = 1,
                                    .clock = &simulation.clock(),
                                    .ids = &simulation.ids(),
                                    .executor = &simulation.executor()});
  EXPECT_THAT(catalog, testing::IsOk());
  EXPECT_THAT((*catalog)->CreateNamespace(names.front().ns, {}), testing::IsOk());
  for (const TableName& name : names) {
    auto made = (*catalog)->CreateTable(name, {});
    EXPECT_THAT(made, testing::IsOk());
    if (made.ok()) tables.push_back(*std::move(made));
  }
  return tables;
}

// One file, which is not there; nobody reads it.
inline iceberg::AppendFiles AppendTo(const LoadedTable& table, const std::string& name) {
  iceberg::DataFile file;
  file.location = fmt::format("{}/data/{}", table.metadata->location, name);
  file.record_count = 1;
  file.file_size = 100;
  iceberg::AppendFiles append;
  append.files = {file};
  append.schema_id = table.metadata->current_schema_id;
  return append;
}

inline iceberg::TableCommit CommitNow(coordination::Simulation& simulation,
                                      iceberg::TableChange change) {
  return {.id = simulation.ids().NewUuid7(simulation.clock()),
          .change = std::move(change),
          .oldest_file_ms = simulation.clock().WallMs()};
}

inline HeadNode HeadOf(coordination::Coordinator& client, const std::string& key) {
  const auto node = client.Get(HeadPath(key));
  EXPECT_THAT(node, testing::IsOk());
  const auto head = node.ok() ? DecodeHead(node->value) : Result<HeadNode>(node.error());
  EXPECT_THAT(head, testing::IsOk());
  return head.ok() ? *head : HeadNode{};
}

inline RecordNode RecordOf(coordination::Coordinator& client, const std::string& key,
                           int64_t version) {
  const auto node = client.Get(RecordPath(key, version));
  EXPECT_THAT(node, testing::IsOk()) << "record " << version;
  const auto record = node.ok() ? DecodeRecord(node->value) : Result<RecordNode>(node.error());
  EXPECT_THAT(record, testing::IsOk());
  return record.ok() ? *record : RecordNode{};
}

// Null, and a failure, when it is not there.
inline std::shared_ptr<const iceberg::TableMetadata> MetadataAt(storage::Storage& storage,
                                                                const std::string& location) {
  const auto json = storage::ReadAll(storage, location);
  EXPECT_THAT(json, testing::IsOk());
  if (!json.ok()) return nullptr;
  auto metadata = iceberg::ParseTableMetadata(*json);
  EXPECT_THAT(metadata, testing::IsOk());
  if (!metadata.ok()) return nullptr;
  return std::make_shared<const iceberg::TableMetadata>(*std::move(metadata));
}

// How often each data file is in the table, by its name; every file on the way to it must be there.
inline std::map<std::string, int> FilesOf(storage::Storage& storage,
                                          const std::string& metadata_location) {
  std::map<std::string, int> files;
  const auto metadata = MetadataAt(storage, metadata_location);
  const auto snapshot = metadata == nullptr ? nullptr : metadata->current_snapshot();
  if (snapshot == nullptr) return files;
  const auto list = storage::ReadAll(storage, snapshot->manifest_list);
  EXPECT_THAT(list, testing::IsOk());
  if (!list.ok()) return files;
  const auto manifests = manifest::ReadManifestList(*list);
  EXPECT_THAT(manifests, testing::IsOk());
  for (const iceberg::ManifestFile& each : *manifests) {
    const auto bytes = storage::ReadAll(storage, each.location);
    EXPECT_THAT(bytes, testing::IsOk());
    if (!bytes.ok()) continue;
    const auto entries =
        manifest::ReadEntries(*bytes, each, *metadata->FindSpec(each.spec_id), metadata->schema());
    EXPECT_THAT(entries, testing::IsOk());
    for (const iceberg::ManifestEntry& entry : *entries) {
      ++files[entry.file.location.substr(entry.file.location.rfind('/') + 1)];
    }
  }
  return files;
}

}  // namespace pk::catalog
