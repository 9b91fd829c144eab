// The catalog under simulation: concurrent writers, renames, drops and creations over simulated
// coordinators and a storage that fails, with a checker that walks what is left by itself.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/coordination/simulation.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/storage/faulty.h"
#include "parkeeper/storage/memory.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using coordination::Coordinator;
using coordination::Faults;
using coordination::Simulation;
using ::pk::testing::IsOk;

enum class Settle {
  kByTheSameId,  // asks again with the same id
  kByANewCommit  // takes an unknown outcome for a failure: the classic bug
};
enum class Fate { kUnknown, kCommitted, kRejected };

const TableName kTable{{{"n"}}, "orders"};
const TableName kNames[] = {{{{"n"}}, "a"}, {{{"n"}}, "b"}};

// What a process has: a session source, a storage that fails, and the catalog over them.
class Process {
 public:
  Process(Simulation& simulation, storage::Storage& storage, double odds)
      : simulation_(simulation), sessions_([this, odds]() -> Result<std::unique_ptr<Coordinator>> {
          if (simulation_.crashed()) return Unavailable("the process is dead");
          return simulation_.MakeClient(Faults::All(odds));
        }) {
    storage_ = storage::MakeFaulty(
        storage, {.schedule = [this, odds](storage::Call, std::string_view) { return Draw(odds); },
                  .clock = &simulation.clock(),
                  .latency = std::chrono::milliseconds(1)});
    // A short deadline lets outcomes leave the catalog unknown, a long one has it settle them.
    const auto within = std::chrono::milliseconds(simulation.Random(2) == 0 ? 20'000 : 200);
    while (catalog_ == nullptr && !simulation_.crashed()) {
      auto opened = OpenCatalog(sessions_, *storage_,
                                {.retry = {.within = within},
                                 .write_threads = 1,
                                 .clock = &simulation.clock(),
                                 .ids = &simulation.ids()});
      if (opened.ok()) catalog_ = std::move(opened).value();
    }
  }
  bool alive() const { return !simulation_.crashed(); }
  Catalog& catalog() { return *catalog_; }

 private:
  storage::Fault Draw(double odds) {
    if (simulation_.crashed()) return storage::Fault::kUnavailable;
    const double drawn = double(simulation_.Random(10'000)) / 10'000;
    if (drawn < odds) return storage::Fault::kLostReply;
    return drawn < 1.2 * odds ? storage::Fault::kUnavailable : storage::Fault::kNone;
  }

  Simulation& simulation_;
  coordination::SessionSource sessions_;
  std::unique_ptr<storage::Storage> storage_;
  std::unique_ptr<Catalog> catalog_;
};

struct World {
  explicit World(Simulation& s)
      : simulation(s), storage(storage::MakeMemory("lake", s.clock())), client(s.MakeClient()) {}

  Simulation& simulation;
  std::unique_ptr<storage::Storage> storage;
  std::unique_ptr<Coordinator> client;  // of the checker, without faults
  LoadedTable table;
  std::map<std::string, Fate> files;  // by location
  std::set<std::string> made;         // keys of tables whose creation was acknowledged
  int committed = 0;
  int doubled = 0;
};

void Prepare(World& run) {
  coordination::SessionSource sessions(
      [&] { return Result<std::unique_ptr<Coordinator>>(run.simulation.MakeClient()); });
  PK_ASSERT_OK(const auto catalog, OpenCatalog(sessions, *run.storage,
                                               {.write_threads = 1,
                                                .clock = &run.simulation.clock(),
                                                .ids = &run.simulation.ids()}));
  ASSERT_THAT(catalog->CreateNamespace({{"n"}}, {}), IsOk());
  PK_ASSERT_OK(run.table, catalog->CreateTable(kTable, {}));
}

Fate CommitOne(World& run, Process& process, iceberg::TableCommit commit, Settle settle) {
  CommitId id = CommitId::kNew;
  bool unknown = false;
  while (process.alive()) {
    const auto result = process.catalog().Commit(run.table.key, commit, id);
    // Now and then the catalog's answer itself is lost on its way to the writer.
    const bool heard = run.simulation.Random(8) > 0;
    if (result.ok() && heard) {
      return std::holds_alternative<Committed>(*result) ? Fate::kCommitted : Fate::kRejected;
    }
    if (!result.ok() && result.error().code() != ErrorCode::kOutcomeUnknown) {
      EXPECT_EQ(result.error().code(), ErrorCode::kUnavailable) << result.error().message();
      if (settle == Settle::kByTheSameId) {
        EXPECT_EQ(id, CommitId::kNew) << "an earlier call may still be applied";
      }
      return unknown ? Fate::kUnknown : Fate::kRejected;
    }
    unknown = true;
    if (settle == Settle::kByTheSameId) {
      id = CommitId::kMaybeRepeated;
    } else {
      commit.id = run.simulation.ids().NewUuid7(run.simulation.clock());
    }
  }
  return Fate::kUnknown;
}

void Write(World& run, int writer, Settle settle, double odds) {
  Process process(run.simulation, *run.storage, odds);
  for (int n = 0; n < 4 && process.alive(); ++n) {
    iceberg::DataFile file;
    file.location = fmt::format("{}/data/{}-{}.parquet", run.table.metadata->location, writer, n);
    file.record_count = 1;
    file.file_size = 100;
    iceberg::AppendFiles append;
    append.files = {file};
    append.schema_id = run.table.metadata->current_schema_id;
    run.files[file.location] = Fate::kUnknown;
    run.files[file.location] = CommitOne(
        run, process,
        {.id = run.simulation.ids().NewUuid7(run.simulation.clock()), .change = append}, settle);
  }
}

// Creates, renames and drops under two names, and commits to none of them.
void Rename(World& run, double odds) {
  Process process(run.simulation, *run.storage, odds);
  for (int n = 0; n < 5 && process.alive(); ++n) {
    const uint64_t from = run.simulation.Random(2);
    const uint64_t what = run.simulation.Random(4);
    if (what < 2) {
      const auto made = process.catalog().CreateTable(kNames[from], {});
      if (made.ok()) run.made.insert(made->key);
    } else if (what == 2) {
      static_cast<void>(process.catalog().RenameTable(kNames[from], kNames[1 - from]));
    } else {
      static_cast<void>(process.catalog().DropTable(kNames[from], false));
    }
  }
}

// Every file that the metadata reaches must be there; counts how often each data file is named.
std::map<std::string, int> Reachable(World& run, const std::string& location) {
  std::map<std::string, int> found;
  const auto json = storage::ReadAll(*run.storage, location);
  EXPECT_THAT(json, IsOk());
  if (!json.ok()) return found;
  const auto metadata = iceberg::ParseTableMetadata(*json);
  EXPECT_THAT(metadata, IsOk());
  const auto snapshot = metadata->current_snapshot();
  if (snapshot == nullptr) return found;
  const auto list = storage::ReadAll(*run.storage, snapshot->manifest_list);
  EXPECT_THAT(list, IsOk());
  if (!list.ok()) return found;
  const auto manifests = manifest::ReadManifestList(*list);
  EXPECT_THAT(manifests, IsOk());
  for (const iceberg::ManifestFile& manifest : *manifests) {
    const auto bytes = storage::ReadAll(*run.storage, manifest.location);
    EXPECT_THAT(bytes, IsOk());
    if (!bytes.ok()) continue;
    const auto entries =
        manifest::ReadColumns(*bytes, manifest, {}, run.table.metadata->schema(), {});
    EXPECT_THAT(entries, IsOk());
    for (size_t i = 0; i < entries->size(); ++i) ++found[std::string(entries->location[i])];
  }
  return found;
}

std::optional<HeadNode> HeadOf(World& run, const std::string& key) {
  const auto node = run.client->Get(HeadPath(key));
  EXPECT_THAT(node, IsOk());
  if (!node.ok()) return std::nullopt;
  const auto head = DecodeHead(node->value);
  EXPECT_THAT(head, IsOk());
  return *head;
}

void CheckWrites(World& run) {
  const auto head = HeadOf(run, run.table.key);
  ASSERT_TRUE(head);
  for (int64_t n = head->floor; n <= head->version; ++n) {
    EXPECT_THAT(run.client->Get(RecordPath(run.table.key, n)), IsOk()) << "record " << n;
  }
  const auto found = Reachable(run, head->metadata_location);
  for (const auto& [location, times] : found) {
    EXPECT_TRUE(run.files.contains(location)) << location;
    run.doubled += times > 1;
  }
  for (const auto& [location, fate] : run.files) {
    const bool there = found.contains(location);
    run.committed += there;
    if (fate == Fate::kUnknown) continue;
    EXPECT_EQ(there, fate == Fate::kCommitted) << location;
  }
}

// Each name has a live table with its metadata, each live table one name.
void CheckNames(World& run) {
  std::map<std::string, int> named;
  for (const TableName& name : kNames) {
    const auto node = run.client->Get(NamePath(name));
    if (!node.ok()) continue;
    const std::string key = DecodeName(node->value)->key;
    ++named[key];
    run.made.insert(key);
  }
  for (const std::string& key : run.made) {
    const auto head = HeadOf(run, key);
    ASSERT_TRUE(head);
    EXPECT_EQ(named[key], head->dropped ? 0 : 1) << "names of the table " << key;
    Reachable(run, head->metadata_location);
  }
}

World Simulate(Simulation& simulation, Settle settle, double odds) {
  World run(simulation);
  Prepare(run);
  for (int w = 0; w < 4; ++w) {
    simulation.Spawn(fmt::format("writer-{}", w), [&, w] { Write(run, w, settle, odds); });
  }
  for (int w = 0; w < 3; ++w) {
    simulation.Spawn(fmt::format("renamer-{}", w), [&] { Rename(run, odds); });
  }
  EXPECT_THAT(simulation.Run(), IsOk());
  EXPECT_THAT(run.client->Sync(), IsOk());
  CheckWrites(run);
  CheckNames(run);
  return run;
}

uint64_t Seeds(uint64_t usual) {
  const char* given = std::getenv("PARKEEPER_SEEDS");
  return given == nullptr ? usual : std::strtoull(given, nullptr, 10);
}

TEST(CatalogSimulation, AppliesEachCommitOnceAndKeepsNamesWithTheirTables) {
  int committed = 0;
  const uint64_t seeds = Seeds(1'000);
  coordination::ForEachSeed(seeds, [&](Simulation& simulation) {
    const World run = Simulate(simulation, Settle::kByTheSameId, 0.03);
    EXPECT_EQ(run.doubled, 0);
    committed += run.committed;
  });
  EXPECT_GT(committed, int(seeds) * 4) << "and most got through";
}

TEST(CatalogSimulation, FindsWritersThatTakeUnknownOutcomesForFailures) {
  int doubled = 0;
  coordination::ForEachSeed(60, [&](Simulation& simulation) {
    doubled += Simulate(simulation, Settle::kByANewCommit, 0.1).doubled;
  });
  EXPECT_GT(doubled, 0);
}

}  // namespace
}  // namespace pk::catalog
