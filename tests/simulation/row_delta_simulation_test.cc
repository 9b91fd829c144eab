// Overwrites, rewrites and deletes among appends, by concurrent processes that meet faults. Each
// snapshot is then held against the one before it: exactly what its commit said has changed, and
// what the commit rested on held.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/storage/memory.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/simulation/simulated_process.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::Coordinator;
using coordination::Simulation;
using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::FileContent;
using iceberg::ManifestEntry;
using iceberg::RowDelta;
using ::pk::testing::IsOk;

using Names = std::set<std::string>;

enum class Fate { kUnknown, kCommitted, kRejected };

const TableName kTable{{{"n"}}, "orders"};
constexpr const char* kChange = "change";  // key of summaries: the name of a row delta

struct World {
  explicit World(Simulation& s)
      : simulation(s), storage(storage::MakeMemory("lake", s.clock())), client(s.MakeClient()) {}

  Simulation& simulation;
  std::unique_ptr<storage::Storage> storage;
  std::unique_ptr<Coordinator> client;  // of the checker, without faults
  LoadedTable table;
  struct Change {
    iceberg::TableChange change;
    Fate fate = Fate::kUnknown;
  };
  std::map<std::string, Change> changes;  // by name, which is that of the file that it adds
  std::map<std::string, int> committed;   // by operation
  int rejected = 0;
  int grouped = 0;  // versions of several snapshots
};

std::vector<ManifestEntry> EntriesOf(World& run, const iceberg::TableMetadata& metadata,
                                     const iceberg::Snapshot* snapshot) {
  std::vector<ManifestEntry> all;
  if (snapshot == nullptr) return all;
  const auto list =
      manifest::ReadManifestList(*storage::ReadAll(*run.storage, snapshot->manifest_list));
  EXPECT_THAT(list, IsOk());
  for (const iceberg::ManifestFile& each : *list) {
    auto entries = manifest::ReadEntries(*storage::ReadAll(*run.storage, each.location), each,
                                         metadata.spec(), metadata.schema());
    EXPECT_THAT(entries, IsOk());
    all.insert(all.end(), entries->begin(), entries->end());
  }
  return all;
}

std::vector<ManifestEntry> LiveOf(World& run, const iceberg::TableMetadata& metadata,
                                  const iceberg::Snapshot* snapshot) {
  auto entries = EntriesOf(run, metadata, snapshot);
  std::erase_if(entries, [](const auto& entry) { return entry.status == EntryStatus::kDeleted; });
  return entries;
}

void Prepare(World& run) {
  coordination::SessionSource sessions(
      [&] { return Result<std::unique_ptr<Coordinator>>(run.simulation.MakeClient()); });
  PK_ASSERT_OK(const auto catalog, OpenCatalog(sessions, *run.storage,
                                               {.write_threads = 1,
                                                .clock = &run.simulation.clock(),
                                                .ids = &run.simulation.ids()}));
  ASSERT_THAT(catalog->CreateNamespace({{"n"}}, {}), IsOk());
  NewTableRequest request;
  request.schema = iceberg::ParseSchemaText("id long").value();
  request.properties = {{"commit.manifest.min-count-to-merge", "4"}};
  PK_ASSERT_OK(run.table, catalog->CreateTable(kTable, request));
}

DataFile File(World& run, const std::string& name) {
  DataFile file;
  file.location = fmt::format("{}/data/{}", run.table.metadata->location, name);
  file.record_count = 1 + int64_t(run.simulation.Random(100));
  file.file_size = 100;
  return file;
}

iceberg::FileRef RefTo(const DataFile& file) {
  return {.content = file.content,
          .location = file.location,
          .spec_id = file.spec_id,
          .partition = file.partition};
}

// Of what the process reads now; an append when there is nothing to change yet.
iceberg::TableChange Draw(World& run, Process& process, const std::string& name) {
  iceberg::AppendFiles append;
  append.files = {File(run, name)};
  const uint64_t kind = run.simulation.Random(5);
  if (kind < 2) return append;
  const auto table = process.catalog().LoadTable(kTable);
  if (!table.ok()) return append;
  const auto base = table->metadata->current_snapshot();
  auto live = LiveOf(run, *table->metadata, base.get());
  std::erase_if(live, [](const auto& each) { return each.file.content != FileContent::kData; });
  if (live.empty()) return append;
  const auto any = [&]() -> const DataFile& {
    return live[size_t(run.simulation.Random(live.size()))].file;
  };
  RowDelta delta;
  delta.base_snapshot_id = base->snapshot_id;
  delta.summary = {{kChange, name}};
  if (run.simulation.Random(3) == 0) delta.reads = iceberg::Expression(iceberg::True{});
  // Time passes between reading and writing.
  process.Pause(std::chrono::milliseconds(60));
  if (kind == 2) {
    delta.removed = {RefTo(any())};
    if (run.simulation.Random(3) > 0) delta.added = append.files;
  } else if (kind == 3) {
    DataFile deletes = File(run, name + "-deletes");
    deletes.content = FileContent::kPositionDeletes;
    deletes.referenced_data_file = any().location;
    delta.added = {deletes};
    if (run.simulation.Random(2) == 0) delta.added.push_back(append.files[0]);
  } else {
    delta.removed = {RefTo(any())};
    const DataFile& other = any();
    if (other.location != delta.removed[0].location) delta.removed.push_back(RefTo(other));
    delta.added = append.files;
    delta.rewrite = true;
  }
  return delta;
}

// Asks again with the same id while it does not know.
Fate CommitOne(World& run, Process& process, const iceberg::TableCommit& commit) {
  CommitId id = CommitId::kNew;
  for (int calls = 0; process.alive() && calls < 20; ++calls) {
    const auto result = process.catalog().Commit(run.table.key, commit, id);
    if (result.ok()) {
      const auto* rejected = std::get_if<Rejected>(&*result);
      run.rejected += rejected != nullptr;
      return rejected == nullptr ? Fate::kCommitted : Fate::kRejected;
    }
    if (result.error().code() != ErrorCode::kOutcomeUnknown) {
      return id == CommitId::kNew ? Fate::kRejected : Fate::kUnknown;
    }
    id = CommitId::kMaybeRepeated;
  }
  return Fate::kUnknown;
}

void Write(World& run, int writer, const ProcessFaults& faults) {
  Process process(run.simulation, *run.storage, faults);
  for (int n = 0; n < 6 && process.alive(); ++n) {
    const std::string name = fmt::format("{}-{}", writer, n);
    const iceberg::TableChange change = Draw(run, process, name);
    run.changes[name] = {.change = change};
    run.changes[name].fate = CommitOne(run, process,
                                       {.id = run.simulation.ids().NewUuid7(run.simulation.clock()),
                                        .change = change,
                                        .oldest_file_ms = run.simulation.clock().WallMs()});
  }
}

// Files by location.
using Files = std::map<std::string, ManifestEntry>;

Files ByLocation(std::vector<ManifestEntry> entries) {
  Files files;
  for (ManifestEntry& entry : entries) {
    const std::string location = entry.file.location;
    EXPECT_TRUE(files.emplace(location, std::move(entry)).second) << "twice: " << location;
  }
  return files;
}

Names Minus(const Files& from, const Files& what) {
  Names names;
  for (const auto& [location, entry] : from) {
    if (!what.contains(location)) names.insert(location);
  }
  return names;
}

// One snapshot against its parent.
class Step {
 public:
  Step(World& run, const iceberg::TableMetadata& metadata, const iceberg::Snapshot& snapshot)
      : run_(run), metadata_(metadata), snapshot_(snapshot) {
    const auto parent = snapshot.parent_id ? metadata.FindSnapshot(*snapshot.parent_id) : nullptr;
    before_ = ByLocation(LiveOf(run, metadata, parent.get()));
    after_ = ByLocation(LiveOf(run, metadata, &snapshot));
  }

  void Check(std::map<std::string, int>& applied) {
    CheckEntries();
    CheckTotals();
    const auto named = snapshot_.summary.find(kChange);
    if (named == snapshot_.summary.end()) {
      EXPECT_TRUE(Minus(before_, after_).empty()) << "an append removes nothing";
      for (const std::string& location : Minus(after_, before_)) {
        ++applied[location.substr(location.rfind('/') + 1)];
      }
      return;
    }
    ++applied[named->second];
    CheckDelta(std::get<RowDelta>(run_.changes.at(named->second).change));
  }

 private:
  // What the entries say of this snapshot is the difference.
  void CheckEntries() {
    Names added, removed;
    for (const ManifestEntry& entry : EntriesOf(run_, metadata_, &snapshot_)) {
      if (entry.snapshot_id != snapshot_.snapshot_id) continue;
      (entry.status == EntryStatus::kDeleted ? removed : added).insert(entry.file.location);
    }
    EXPECT_EQ(added, Minus(after_, before_));
    EXPECT_EQ(removed, Minus(before_, after_));
    for (const auto& [location, entry] : before_) {
      const auto kept = after_.find(location);
      if (kept == after_.end()) continue;
      EXPECT_EQ(kept->second.sequence_number, entry.sequence_number);
      EXPECT_EQ(kept->second.snapshot_id, entry.snapshot_id);
    }
  }

  void CheckTotals() {
    int64_t files = 0, rows = 0, deletes = 0;
    for (const auto& [location, entry] : after_) {
      const bool data = entry.file.content == FileContent::kData;
      files += data;
      deletes += data ? 0 : entry.file.record_count;
      rows += data ? entry.file.record_count : 0;
    }
    EXPECT_EQ(snapshot_.summary.at("total-data-files"), std::to_string(files));
    EXPECT_EQ(snapshot_.summary.at("total-records"), std::to_string(rows));
    EXPECT_EQ(snapshot_.summary.at("total-position-deletes"), std::to_string(deletes));
  }

  void CheckDelta(const RowDelta& delta) {
    ++run_.committed[snapshot_.summary.at("operation")];
    Names added, removed;
    std::vector<std::string> sources;
    int64_t newest = 0;
    for (const DataFile& file : delta.added) {
      added.insert(file.location);
      if (file.referenced_data_file) {
        EXPECT_TRUE(before_.contains(*file.referenced_data_file));
        sources.push_back(*file.referenced_data_file);
      }
    }
    for (const iceberg::FileRef& file : delta.removed) {
      removed.insert(file.location);
      sources.push_back(file.location);
      const auto found = before_.find(file.location);
      if (found != before_.end()) newest = std::max(newest, *found->second.sequence_number);
    }
    EXPECT_EQ(Minus(after_, before_), added);
    EXPECT_EQ(Minus(before_, after_), removed);
    const bool carries = std::ranges::any_of(
        delta.added, [](const DataFile& file) { return file.content == FileContent::kData; });
    if (carries) CheckNoNewDeletes(sources, *delta.base_snapshot_id);
    if (delta.reads) CheckNoNewRows(*delta.base_snapshot_id);
    for (const std::string& location : added) {
      const int64_t number = *after_.at(location).sequence_number;
      if (!delta.rewrite) {
        EXPECT_EQ(number, snapshot_.sequence_number);
        continue;
      }
      // Deletes of the base apply to it no more, later ones do.
      EXPECT_GE(number, newest);
      EXPECT_LE(number, SequenceOf(*delta.base_snapshot_id));
    }
  }

  int64_t SequenceOf(int64_t snapshot_id) const {
    return metadata_.FindSnapshot(snapshot_id)->sequence_number;
  }

  void CheckNoNewDeletes(const std::vector<std::string>& sources, int64_t base) {
    for (const auto& [location, entry] : before_) {
      if (!entry.file.referenced_data_file) continue;
      if (std::ranges::find(sources, *entry.file.referenced_data_file) == sources.end()) continue;
      EXPECT_LE(entry.sequence_number, SequenceOf(base)) << "rows came back: " << location;
    }
  }

  void CheckNoNewRows(int64_t base) {
    for (const auto& [location, entry] : before_) {
      if (entry.file.content != FileContent::kData) continue;
      EXPECT_LE(entry.sequence_number, SequenceOf(base)) << "it has not seen " << location;
    }
  }

  World& run_;
  const iceberg::TableMetadata& metadata_;
  const iceberg::Snapshot& snapshot_;
  Files before_, after_;
};

void Check(World& run) {
  PK_ASSERT_OK(const auto node, run.client->Get(HeadPath(run.table.key)));
  PK_ASSERT_OK(const auto head, DecodeHead(node.value));
  PK_ASSERT_OK(const auto json, storage::ReadAll(*run.storage, head.metadata_location));
  PK_ASSERT_OK(const auto metadata, iceberg::ParseTableMetadata(json));
  std::map<std::string, int> applied;
  for (const auto& snapshot : metadata.snapshots) {
    Step(run, metadata, *snapshot).Check(applied);
  }
  run.grouped += int64_t(metadata.snapshots.size()) > head.version;
  for (const auto& [name, change] : run.changes) {
    EXPECT_LE(applied[name], 1) << name;
    if (change.fate == Fate::kUnknown) continue;
    EXPECT_EQ(applied[name], change.fate == Fate::kCommitted ? 1 : 0) << name;
  }
}

TEST(RowDeltaSimulation, ChangesExactlyWhatItsWritersSaidOfWhatTheyRead) {
  std::map<std::string, int> committed;
  int rejected = 0, grouped = 0;
  const uint64_t seeds = Seeds(300);
  coordination::ForEachSeed(seeds, [&](Simulation& simulation) {
    World run(simulation);
    Prepare(run);
    for (int w = 0; w < 5; ++w) {
      simulation.Spawn(fmt::format("writer-{}", w), [&, w] { Write(run, w, {.odds = 0.02}); });
    }
    EXPECT_THAT(simulation.Run(), IsOk());
    EXPECT_THAT(run.client->Sync(), IsOk());
    Check(run);
    for (const auto& [operation, count] : run.committed) committed[operation] += count;
    rejected += run.rejected;
    grouped += run.grouped;
  });
  for (const char* operation : {"overwrite", "delete", "replace"}) {
    EXPECT_GT(committed[operation], int(seeds)) << operation;
  }
  EXPECT_GT(rejected, int(seeds) / 2) << "they met each other";
  EXPECT_GT(grouped, int(seeds) / 20) << "several snapshots in one version";
}

}  // namespace
}  // namespace pk::catalog
