// Row deltas as a group of commits applies them: what they rest on, and what they leave.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "parkeeper/catalog/group_internal.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/storage/faulty.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using iceberg::AppendFiles;
using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::FileContent;
using iceberg::FileRef;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::RowDelta;
using iceberg::Value;
using testing::IsOk;

constexpr int32_t kFilePathId = 2147483546;

using Names = std::set<std::string>;

// A table in memory of `id long, cat string`; files are names only, for no commit reads them.
class RowDeltas : public ::testing::Test {
 protected:
  RowDeltas() { MakeTable("", 2); }

  void MakeTable(const std::string& partition_by, int format_version) {
    iceberg::NewTable table;
    table.schema = iceberg::ParseSchemaText("id long, cat string").value();
    table.spec = iceberg::ParsePartitionText(partition_by, table.schema).value();
    table.location = "memory://lake/t";
    table.table_uuid = "11111111-2222-4333-8444-555555555555";
    table.properties = {{"format-version", std::to_string(format_version)}};
    table.now_ms = 1'000;
    metadata_ = std::make_shared<const iceberg::TableMetadata>(
        iceberg::MakeTableMetadata(std::move(table)).value());
    location_ = "memory://lake/t/metadata/00000.metadata.json";
  }

  // Rows with ids from `least` to `most`.
  DataFile File(const std::string& name, int64_t least, int64_t most, const std::string& cat = "") {
    DataFile file;
    file.location = "memory://lake/t/data/" + name;
    if (!metadata_->spec().unpartitioned()) file.partition = {Value(cat)};
    file.record_count = most - least + 1;
    file.file_size = 100;
    file.value_counts = {{1, file.record_count}};
    file.null_counts = {{1, 0}};
    const iceberg::PrimitiveType type{.kind = iceberg::PrimitiveKind::kLong};
    file.lower_bounds = {{1, iceberg::ToBytes(Value(least), type)}};
    file.upper_bounds = {{1, iceberg::ToBytes(Value(most), type)}};
    return file;
  }

  // Deletes rows of `of`; `exact`: and says so, else its bounds do.
  DataFile PositionDeletes(const std::string& name, const DataFile& of, bool exact = true) {
    DataFile file;
    file.content = FileContent::kPositionDeletes;
    file.location = "memory://lake/t/data/" + name;
    file.partition = of.partition;
    file.record_count = 1;
    file.file_size = 10;
    file.lower_bounds = {{kFilePathId, of.location}};
    file.upper_bounds = {{kFilePathId, of.location}};
    if (exact) file.referenced_data_file = of.location;
    return file;
  }

  DataFile EqualityDeletes(const std::string& name, const std::string& cat = "") {
    DataFile file = File(name, 0, 0, cat);
    file.content = FileContent::kEqualityDeletes;
    file.equality_ids = {1};
    return file;
  }

  static FileRef Ref(const DataFile& file) {
    return {.content = file.content,
            .location = file.location,
            .spec_id = file.spec_id,
            .partition = file.partition};
  }

  static AppendFiles Append(std::vector<DataFile> files) {
    AppendFiles append;
    append.files = std::move(files);
    return append;
  }

  // Made from the present state.
  RowDelta Delta(const std::vector<DataFile>& removed, std::vector<DataFile> added) {
    RowDelta delta;
    const auto head = metadata_->current_snapshot();
    if (head != nullptr) delta.base_snapshot_id = head->snapshot_id;
    for (const DataFile& file : removed) delta.removed.push_back(Ref(file));
    delta.added = std::move(added);
    return delta;
  }

  using Outcomes = std::vector<GroupOutcome>;

  // One round of these commits.
  Outcomes Round(const std::vector<iceberg::TableChange>& changes) {
    std::vector<iceberg::TableCommit> commits;
    for (const auto& change : changes) {
      commits.push_back({.id = ids_.NewUuid7(clock_), .change = change, .oldest_file_ms = 0});
    }
    Group group(files_, metadata_, location_, version_, clock_, ids_);
    for (const iceberg::TableCommit& commit : commits) EXPECT_THAT(group.Add(commit), IsOk());
    auto built = group.Finish();
    EXPECT_THAT(built, IsOk());
    if (!built.ok() || built->metadata == nullptr) return built.ok() ? built->outcomes : Outcomes{};
    for (const NewFile& file : built->files) {
      EXPECT_THAT(storage::WriteIfAbsent(*memory_, file.location, file.bytes), IsOk());
    }
    // As whoever comes next reads it.
    EXPECT_THAT(iceberg::ParseTableMetadata(built->files.back().bytes), IsOk());
    metadata_ = built->metadata;
    location_ = built->metadata_location;
    ++version_;
    return built->outcomes;
  }

  // Of a round of this commit alone; "" when it was applied.
  std::string Reason(const iceberg::TableChange& change) {
    const auto outcomes = Round({change});
    if (outcomes.size() != 1) return "no outcome";
    const auto* rejected = std::get_if<Rejected>(&outcomes[0]);
    return rejected == nullptr ? "" : rejected->reason;
  }
  static std::string ReasonOf(const GroupOutcome& outcome) {
    const auto* rejected = std::get_if<Rejected>(&outcome);
    return rejected == nullptr ? "" : rejected->reason;
  }

  std::vector<ManifestFile> Manifests(int64_t snapshot_id = 0) {
    const auto snapshot =
        snapshot_id == 0 ? metadata_->current_snapshot() : metadata_->FindSnapshot(snapshot_id);
    const auto list =
        manifest::ReadManifestList(*storage::ReadAll(*memory_, snapshot->manifest_list));
    EXPECT_THAT(list, IsOk());
    return list.ok() ? *list : std::vector<ManifestFile>();
  }
  std::vector<ManifestEntry> Entries(const ManifestFile& manifest) {
    const auto entries =
        manifest::ReadEntries(*storage::ReadAll(*memory_, manifest.location), manifest,
                              *metadata_->FindSpec(manifest.spec_id), metadata_->schema());
    EXPECT_THAT(entries, IsOk());
    return entries.ok() ? *entries : std::vector<ManifestEntry>();
  }
  std::map<std::string, ManifestEntry> ByName(EntryStatus status) {
    std::map<std::string, ManifestEntry> found;
    for (const ManifestFile& manifest : Manifests()) {
      for (ManifestEntry& entry : Entries(manifest)) {
        if (entry.status != status) continue;
        const std::string name =
            entry.file.location.substr(std::string("memory://lake/t/data/").size());
        EXPECT_FALSE(found.contains(name)) << name;
        found[name] = std::move(entry);
      }
    }
    return found;
  }
  Names Live() {
    Names names;
    for (const EntryStatus status : {EntryStatus::kAdded, EntryStatus::kExisting}) {
      for (const auto& [name, entry] : ByName(status)) names.insert(name);
    }
    return names;
  }
  std::string Summary(const std::string& key) {
    const auto& summary = metadata_->current_snapshot()->summary;
    const auto found = summary.find(key);
    return found == summary.end() ? "" : found->second;
  }
  int64_t SnapshotId() { return metadata_->current_snapshot()->snapshot_id; }

  ManualClock clock_;
  SeededIds ids_{1};
  std::unique_ptr<storage::Storage> memory_ = storage::MakeMemory("lake");
  std::vector<std::string> opened_;
  std::unique_ptr<storage::Storage> storage_ = storage::MakeFaulty(
      *memory_, {.schedule = [this](storage::Call call, std::string_view location) {
        if (call == storage::Call::kOpen) opened_.emplace_back(location);
        return storage::Fault::kNone;
      }});
  MetadataFiles files_{*storage_, 1};
  std::shared_ptr<const iceberg::TableMetadata> metadata_;
  std::string location_;
  int64_t version_ = 0;
};

TEST_F(RowDeltas, RemovesFilesAndAddsOthers) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a, b})), "");
  const int64_t first = SnapshotId();
  RowDelta delta = Delta({a}, {File("c", 5, 9)});
  delta.summary = {{"by", "me"}, {"deleted-records", "1000"}};
  ASSERT_EQ(Reason(delta), "");
  EXPECT_EQ(Live(), (Names{"b", "c"}));
  const auto removed = ByName(EntryStatus::kDeleted);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed.at("a").snapshot_id, SnapshotId());
  EXPECT_EQ(removed.at("a").sequence_number, 1);
  const auto kept = ByName(EntryStatus::kExisting);
  EXPECT_EQ(kept.at("b").snapshot_id, first);
  EXPECT_EQ(kept.at("b").sequence_number, 1);
  EXPECT_EQ(kept.at("b").file_sequence_number, 1);
  EXPECT_EQ(kept.at("b").file.lower_bounds, b.lower_bounds);
  EXPECT_EQ(ByName(EntryStatus::kAdded).at("c").sequence_number, 2);
  for (const ManifestFile& manifest : Manifests()) {
    EXPECT_EQ(manifest.sequence_number, 2);
    EXPECT_EQ(manifest.min_sequence_number, manifest.added_files == 1 ? 2 : 1);
  }
  const std::map<std::string, std::string> expected = {
      {"operation", "overwrite"},       {"by", "me"},
      {"added-data-files", "1"},        {"added-records", "5"},
      {"added-files-size", "100"},      {"deleted-data-files", "1"},
      {"deleted-records", "10"},        {"removed-files-size", "100"},
      {"changed-partition-count", "1"}, {"total-data-files", "2"},
      {"total-records", "15"},          {"total-files-size", "200"},
      {"total-delete-files", "0"},      {"total-position-deletes", "0"},
      {"total-equality-deletes", "0"}};
  EXPECT_EQ(metadata_->current_snapshot()->summary, expected);
}

TEST_F(RowDeltas, SayWhatTheyAreInTheSummary) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a, b})), "");
  ASSERT_EQ(Reason(Delta({}, {PositionDeletes("p", a), EqualityDeletes("e")})), "");
  EXPECT_EQ(Summary("operation"), "delete");
  EXPECT_EQ(Summary("added-delete-files"), "2");
  EXPECT_EQ(Summary("added-position-deletes"), "1");
  EXPECT_EQ(Summary("added-equality-deletes"), "1");
  EXPECT_EQ(Summary("total-delete-files"), "2");
  EXPECT_EQ(Summary("total-records"), "20");
  RowDelta rewrite = Delta({a, PositionDeletes("p", a)}, {File("c", 1, 9)});
  rewrite.rewrite = true;
  ASSERT_EQ(Reason(rewrite), "");
  EXPECT_EQ(Summary("operation"), "replace");
  EXPECT_EQ(Summary("removed-delete-files"), "1");
  EXPECT_EQ(Summary("removed-position-deletes"), "1");
  EXPECT_EQ(Summary("total-delete-files"), "1");
  EXPECT_EQ(Summary("total-position-deletes"), "0");
  EXPECT_EQ(Summary("total-equality-deletes"), "1");
  ASSERT_EQ(Reason(Delta({b}, {})), "");
  EXPECT_EQ(Summary("operation"), "delete");
  ASSERT_EQ(Reason(Delta({}, {File("d", 0, 1), EqualityDeletes("f")})), "");
  EXPECT_EQ(Summary("operation"), "overwrite");
  ASSERT_EQ(Reason(Delta({}, {File("g", 0, 1)})), "");
  EXPECT_EQ(Summary("operation"), "append");
}

TEST_F(RowDeltas, AreRejectedWhenAFileIsGoneAndNameWhoRemovedIt) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a, b})), "");
  const RowDelta late = Delta({a}, {File("d", 0, 5)});
  const RowDelta deletes = Delta({}, {PositionDeletes("p", a)});
  ASSERT_EQ(Reason(Append({File("x", 20, 29)})), "");
  ASSERT_EQ(Reason(Delta({a}, {File("c", 1, 9)})), "");
  const std::string who = "snapshot " + std::to_string(SnapshotId()) + " removed " + a.location;
  ASSERT_EQ(Reason(Append({File("y", 30, 39)})), "");
  EXPECT_THAT(Reason(late), ::testing::HasSubstr(who));
  EXPECT_THAT(Reason(deletes), ::testing::HasSubstr(who)) << "a data file that it refers to";
  EXPECT_EQ(Live(), (Names{"b", "c", "x", "y"}));
  EXPECT_THAT(Reason(Delta({File("never", 0, 1)}, {})),
              ::testing::HasSubstr("does not hold memory://lake/t/data/never"));
}

// The manifests that hold the rows are not written yet.
TEST_F(RowDeltas, StandOnEarlierCommitsOfTheirGroup) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a})), "");
  const int64_t base = SnapshotId();
  RowDelta second = Delta({a}, {File("d", 0, 5)});
  RowDelta third = Delta({}, {EqualityDeletes("e")});
  const auto outcomes =
      Round({Append({b}), Delta({a}, {File("c", 1, 9)}), second, third, Append({File("f", 0, 0)})});
  ASSERT_EQ(outcomes.size(), 5u);
  EXPECT_EQ(ReasonOf(outcomes[1]), "");
  const int64_t removed_by = *std::get<AppliedInGroup>(outcomes[1]).snapshot_id;
  EXPECT_THAT(ReasonOf(outcomes[2]),
              ::testing::HasSubstr("snapshot " + std::to_string(removed_by) + " removed"));
  EXPECT_EQ(ReasonOf(outcomes[3]), "");
  EXPECT_EQ(Live(), (Names{"b", "c", "e", "f"}));
  EXPECT_EQ(metadata_->snapshots.size(), 5u) << "each of the four applied has its own";
  EXPECT_EQ(metadata_->FindSnapshot(base)->sequence_number, 1);
  // An equality delete binds to lower numbers: to all but what came after it.
  std::map<std::string, int64_t> numbers;
  for (const EntryStatus status : {EntryStatus::kAdded, EntryStatus::kExisting}) {
    for (const auto& [name, entry] : ByName(status)) numbers[name] = *entry.sequence_number;
  }
  EXPECT_EQ(numbers, (std::map<std::string, int64_t>{{"b", 2}, {"c", 3}, {"e", 4}, {"f", 5}}));
}

TEST_F(RowDeltas, RemoveInTheGroupWhatWasAddedInIt) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a})), "");
  RowDelta delta = Delta({b}, {File("c", 10, 15)});
  const auto outcomes = Round({Append({b}), delta});
  EXPECT_EQ(ReasonOf(outcomes[1]), "");
  EXPECT_EQ(Live(), (Names{"a", "c"}));
}

// Small manifests are remembered as soon as they are made, large ones are not.
TEST_F(RowDeltas, StandOnLargeManifestsThatAreNotWrittenYet) {
  iceberg::UpdateTable plain;
  plain.updates.emplace_back(
      iceberg::SetProperties{{{"write.avro.compression-codec", "uncompressed"}}});
  ASSERT_EQ(Reason(plain), "");
  ASSERT_EQ(Reason(Append({File("a", 0, 9)})), "");
  std::vector<DataFile> many;
  for (int i = 0; i < 1'000; ++i) many.push_back(File("f" + std::to_string(i), 0, 9));
  const auto outcomes = Round({Append(many), Delta({many[500], File("a", 0, 9)}, {})});
  ASSERT_EQ(ReasonOf(outcomes[1]), "");
  EXPECT_EQ(Live().size(), 999u);
  EXPECT_GT(Manifests()[0].length, 65'536);
}

TEST_F(RowDeltas, AreRejectedWhenRowsThatTheyDependOnCame) {
  const DataFile a = File("a", 0, 9);
  ASSERT_EQ(Reason(Append({a})), "");
  RowDelta near = Delta({a}, {File("c", 1, 9)});
  near.reads = iceberg::ParseExpression("id < 15").value();
  RowDelta far = Delta({a}, {File("c", 1, 9)});
  far.reads = iceberg::ParseExpression("id < 10").value();
  RowDelta blind = Delta({}, {File("d", 100, 109)});
  ASSERT_EQ(Reason(Append({File("b", 10, 19)})), "");
  EXPECT_EQ(Reason(near), "snapshot " + std::to_string(SnapshotId()) +
                              " added memory://lake/t/data/b meanwhile, which may hold rows with "
                              "id < 15");
  EXPECT_EQ(Reason(blind), "");
  EXPECT_EQ(Reason(far), "");
  EXPECT_EQ(Live(), (Names{"b", "c", "d"}));
}

TEST_F(RowDeltas, DependOnNothingInOtherPartitions) {
  MakeTable("cat", 2);
  const DataFile a = File("a", 0, 9, "x");
  ASSERT_EQ(Reason(Append({a})), "");
  RowDelta of_x = Delta({a}, {});
  of_x.reads = iceberg::ParseExpression("cat = 'x'").value();
  RowDelta of_y = of_x;
  of_y.reads = iceberg::ParseExpression("cat = 'y'").value();
  ASSERT_EQ(Reason(Append({File("b", 0, 9, "y")})), "");
  EXPECT_THAT(Reason(of_y), ::testing::HasSubstr("meanwhile"));
  EXPECT_EQ(Reason(of_x), "");
}

// Their rows were there before.
TEST_F(RowDeltas, DoNotTakeRewrittenRowsForNewOnes) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a, b})), "");
  RowDelta reader = Delta({b}, {});
  reader.reads = iceberg::ParseExpression("id < 100").value();
  RowDelta rewrite = Delta({a}, {File("c", 0, 9)});
  rewrite.rewrite = true;
  ASSERT_EQ(Reason(rewrite), "");
  EXPECT_EQ(Reason(reader), "");
  EXPECT_EQ(Live(), (Names{"c"}));
}

// As others may write them, or a rewrite of rows that came after the base.
TEST_F(RowDeltas, TakeRewrittenRowsThatCameMeanwhileForNewOnes) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a})), "");
  RowDelta reader = Delta({a}, {});
  reader.reads = iceberg::ParseExpression("id < 100").value();
  ASSERT_EQ(Reason(Append({b})), "");
  RowDelta rewrite = Delta({b}, {File("c", 10, 19)});
  rewrite.rewrite = true;
  ASSERT_EQ(Reason(rewrite), "");
  EXPECT_THAT(Reason(reader), ::testing::HasSubstr("data/c meanwhile"));
}

TEST_F(RowDeltas, GiveRewrittenRowsTheSequenceNumberThatTheyHad) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a})), "");
  ASSERT_EQ(Reason(Append({b})), "");
  RowDelta rewrite = Delta({a, b}, {File("c", 0, 19)});
  rewrite.rewrite = true;
  ASSERT_EQ(Reason(Delta({}, {EqualityDeletes("e")})), "");
  ASSERT_EQ(Reason(rewrite), "") << "equality deletes go on applying";
  const ManifestEntry c = ByName(EntryStatus::kAdded).at("c");
  EXPECT_EQ(c.sequence_number, 2);
  EXPECT_EQ(c.file_sequence_number, 4);
  for (const ManifestFile& manifest : Manifests()) {
    if (manifest.added_snapshot_id == SnapshotId() && manifest.added_files == 1) {
      EXPECT_EQ(manifest.min_sequence_number, 2);
    }
  }
}

// They were applied when the rows were read: applied again, those of another partition spec could
// hide others.
TEST_F(RowDeltas, GiveRewrittenRowsNoNumberBelowThatOfDeletesOfTheBase) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a})), "");
  ASSERT_EQ(Reason(Delta({}, {EqualityDeletes("e")})), "");
  ASSERT_EQ(Reason(Append({b})), "");
  RowDelta rewrite = Delta({a}, {File("c", 0, 9)});
  rewrite.rewrite = true;
  ASSERT_EQ(Reason(Delta({}, {EqualityDeletes("f")})), "");
  ASSERT_EQ(Reason(rewrite), "");
  EXPECT_EQ(ByName(EntryStatus::kAdded).at("c").sequence_number, 2) << "e is of 2, f of 4";
  // Its manifest carries another on and is newer than what it holds.
  ASSERT_EQ(Reason(Delta({EqualityDeletes("e")}, {})), "");
  ASSERT_EQ(Reason(Append({File("g", 20, 29)})), "");
  RowDelta later = Delta({b}, {File("d", 10, 19)});
  later.rewrite = true;
  ASSERT_EQ(Reason(later), "");
  const auto number = ByName(EntryStatus::kAdded).at("d").sequence_number;
  EXPECT_GE(number, 4);
  EXPECT_LE(number, 7);
}

TEST_F(RowDeltas, IntoAnotherSpecMeetEqualityDeletesOfBoth) {
  MakeTable("cat", 2);
  const DataFile a = File("a", 0, 9, "x");
  ASSERT_EQ(Reason(Append({a})), "");
  iceberg::AddPartitionSpec shorter{
      iceberg::ParsePartitionText("truncate(1, cat)", metadata_->schema()).value()};
  shorter.spec.fields[0].field_id = metadata_->last_partition_id + 1;
  iceberg::UpdateTable evolve;
  evolve.updates.emplace_back(shorter);
  ASSERT_EQ(Reason(evolve), "");
  const int32_t other = metadata_->specs.back().spec_id;
  const auto deletes = [&](const std::string& name, int32_t spec, const std::string& cat) {
    DataFile file = EqualityDeletes(name, cat);
    file.spec_id = spec;
    return file;
  };
  DataFile moved = File("b", 0, 9, "x");
  moved.spec_id = other;
  RowDelta rewrite = Delta({a}, {moved});
  rewrite.rewrite = true;
  RowDelta again = rewrite, stays = rewrite;
  stays.added[0].spec_id = a.spec_id;
  ASSERT_EQ(Reason(Delta({}, {deletes("e", other, "y"), deletes("f", a.spec_id, "y")})), "");
  ASSERT_EQ(Reason(Delta({}, {deletes("g", other, "x")})), "");
  EXPECT_THAT(Reason(rewrite), ::testing::HasSubstr("data/b")) << "did not apply before";
  again.base_snapshot_id = SnapshotId();
  ASSERT_EQ(Reason(Delta({}, {deletes("h", a.spec_id, "x")})), "");
  EXPECT_THAT(Reason(again), ::testing::HasSubstr("data/a")) << "would apply no more";
  EXPECT_EQ(Reason(stays), "");
}

TEST_F(RowDeltas, BringNoRowBackThatWasDeletedMeanwhile) {
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a, b})), "");
  RowDelta rewrite = Delta({a}, {File("c", 0, 9)});
  rewrite.rewrite = true;
  const RowDelta update = Delta({}, {PositionDeletes("p", a), File("d", 0, 0)});
  const RowDelta other = Delta({b}, {File("f", 10, 18)});
  const RowDelta drop = Delta({a}, {});
  ASSERT_EQ(Reason(Delta({}, {PositionDeletes("q", a, false)})), "");
  const std::string met = "snapshot " + std::to_string(SnapshotId()) + " deleted rows meanwhile";
  EXPECT_THAT(Reason(rewrite), ::testing::HasSubstr(met));
  EXPECT_THAT(Reason(Delta({a}, {File("x", 0, 8)})), ::testing::StrEq(""))
      << "made after the delete, so knows of it";
  EXPECT_EQ(Live(), (Names{"b", "q", "x"}));
  EXPECT_THAT(Reason(update), ::testing::HasSubstr("removed"));
  EXPECT_EQ(Reason(other), "") << "the deletes are not of its file";
  EXPECT_THAT(Reason(drop), ::testing::HasSubstr("removed"));
}

TEST_F(RowDeltas, DeleteTwiceButUpdateOnce) {
  const DataFile a = File("a", 0, 9);
  ASSERT_EQ(Reason(Append({a})), "");
  const RowDelta update = Delta({}, {PositionDeletes("p", a), File("d", 0, 0)});
  const RowDelta again = Delta({}, {PositionDeletes("r", a)});
  const RowDelta drop = Delta({a}, {});
  ASSERT_EQ(Reason(Delta({}, {PositionDeletes("q", a)})), "");
  EXPECT_THAT(Reason(update), ::testing::HasSubstr("deleted rows meanwhile")) << "would come back";
  EXPECT_EQ(Reason(again), "");
  EXPECT_EQ(Reason(drop), "");
  EXPECT_EQ(Live(), (Names{"q", "r"}));
}

TEST_F(RowDeltas, MeetEqualityDeletesOfTheirPartitionAndOfNone) {
  MakeTable("cat", 2);
  const DataFile a = File("a", 0, 9, "x");
  ASSERT_EQ(Reason(Append({a})), "");
  const RowDelta update = Delta({a}, {File("b", 0, 9, "x")});
  ASSERT_EQ(Reason(Delta({}, {EqualityDeletes("e", "y")})), "");
  iceberg::UpdateTable evolve;
  evolve.updates.emplace_back(iceberg::AddPartitionSpec{});
  ASSERT_EQ(Reason(evolve), "");
  const int32_t none = metadata_->specs.back().spec_id;
  ASSERT_EQ(Reason(Append({File("z", 0, 1, "y")})), "");
  RowDelta also = update;
  also.added[0].location += "2";
  EXPECT_EQ(Reason(update), "") << "those are of another partition";
  const DataFile b = File("b", 0, 9, "x");
  const RowDelta late = Delta({b}, {File("c", 0, 9, "x")});
  DataFile everywhere = EqualityDeletes("g", "");
  everywhere.spec_id = none;
  everywhere.partition.clear();
  ASSERT_EQ(Reason(Delta({}, {everywhere})), "");
  EXPECT_THAT(Reason(late), ::testing::HasSubstr("deleted rows meanwhile"));
}

TEST_F(RowDeltas, AreRejectedWhenTheirBaseIsNotInTheHistory) {
  const DataFile a = File("a", 0, 9);
  ASSERT_EQ(Reason(Append({a})), "");
  const int64_t first = SnapshotId();
  ASSERT_EQ(Reason(Append({File("b", 10, 19)})), "");
  const RowDelta delta = Delta({a}, {});
  iceberg::UpdateTable rollback;
  rollback.updates.emplace_back(iceberg::SetSnapshotRef{"main", {.snapshot_id = first}});
  ASSERT_EQ(Reason(rollback), "");
  EXPECT_THAT(Reason(delta), ::testing::HasSubstr("not in the history"));
  RowDelta none = Delta({}, {File("c", 0, 1)});
  none.base_snapshot_id.reset();
  none.reads = iceberg::ParseExpression("id = 5").value();
  EXPECT_THAT(Reason(none), ::testing::HasSubstr("data/a meanwhile")) << "read an empty table";
  none.reads = iceberg::ParseExpression("id = 50").value();
  EXPECT_EQ(Reason(none), "");
  iceberg::UpdateTable expire;
  expire.updates.emplace_back(iceberg::RemoveSnapshots{{first}});
  ASSERT_EQ(Reason(expire), "");
  none.added = {File("d", 0, 1)};
  none.reads = iceberg::ParseExpression("id = 5").value();
  EXPECT_THAT(Reason(none), ::testing::HasSubstr("data/a meanwhile")) << "whoever added it";
}

TEST_F(RowDeltas, OfFormatVersion1HaveNoDeletesAndNoSequenceNumbers) {
  MakeTable("", 1);
  const DataFile a = File("a", 0, 9), b = File("b", 10, 19);
  ASSERT_EQ(Reason(Append({a, b})), "");
  EXPECT_THAT(Reason(Delta({}, {PositionDeletes("p", a)})),
              ::testing::HasSubstr("no delete files"));
  RowDelta reader = Delta({b}, {});
  reader.reads = iceberg::ParseExpression("id = 25").value();
  RowDelta rewrite = Delta({a}, {File("c", 0, 9)});
  rewrite.rewrite = true;
  ASSERT_EQ(Reason(rewrite), "");
  ASSERT_EQ(Reason(reader), "");
  EXPECT_EQ(Live(), (Names{"c"}));
  reader = Delta({File("c", 0, 9)}, {});
  reader.reads = iceberg::ParseExpression("id = 25").value();
  ASSERT_EQ(Reason(Append({File("d", 20, 29)})), "");
  EXPECT_THAT(Reason(reader), ::testing::HasSubstr("data/d meanwhile"));
}

TEST_F(RowDeltas, ReadAndRewriteNoMoreManifestsThanTheyMust) {
  MakeTable("cat", 2);
  std::vector<DataFile> files;
  for (int i = 0; i < 20; ++i) {
    files.push_back(File("f" + std::to_string(i), 0, 9, "c" + std::to_string(100 + i)));
    ASSERT_EQ(Reason(Append({files.back()})), "");
  }
  const auto before = Manifests();
  ASSERT_EQ(before.size(), 20u);
  // As another process sees it, that remembers nothing.
  MetadataFiles fresh(*storage_, 1);
  opened_.clear();
  Group group(fresh, metadata_, location_, version_, clock_, ids_);
  const iceberg::TableCommit commit{.id = ids_.NewUuid7(clock_),
                                    .change = Delta({files[7]}, {File("g", 0, 5, "c107")}),
                                    .oldest_file_ms = 0};
  ASSERT_THAT(group.Add(commit), IsOk());
  PK_ASSERT_OK(const Group::Built built, group.Finish());
  ASSERT_TRUE(std::holds_alternative<AppliedInGroup>(built.outcomes[0]));
  const std::string touched = before[12].location;
  EXPECT_EQ(Names(opened_.begin(), opened_.end()),
            (Names{metadata_->current_snapshot()->manifest_list, touched}));
  EXPECT_EQ(built.files.size(), 4u) << "two manifests, a list, metadata";
}

TEST_F(RowDeltas, LeaveNoEmptyManifestsToTheSnapshotsAfterThem) {
  const DataFile a = File("a", 0, 9);
  ASSERT_EQ(Reason(Append({a})), "");
  ASSERT_EQ(Reason(Delta({a}, {})), "");
  EXPECT_EQ(Manifests().size(), 1u) << "tells what was deleted";
  EXPECT_TRUE(Live().empty());
  EXPECT_EQ(Summary("total-data-files"), "0");
  ASSERT_EQ(Reason(Append({File("b", 0, 9)})), "");
  EXPECT_EQ(Manifests().size(), 1u);
  EXPECT_TRUE(ByName(EntryStatus::kDeleted).empty());
}

// The column that partitioned them is gone from the schema.
TEST_F(RowDeltas, KeepPartitionValuesOfDroppedColumns) {
  MakeTable("cat", 2);
  const DataFile a = File("a", 0, 9, "x"), b = File("b", 0, 9, "y");
  ASSERT_EQ(Reason(Append({a, b})), "");
  iceberg::UpdateTable drop;
  drop.updates.emplace_back(iceberg::AddPartitionSpec{});
  drop.updates.emplace_back(iceberg::SetDefaultSpec{});
  auto fields = metadata_->schema().fields();
  fields.pop_back();
  drop.updates.emplace_back(iceberg::AddSchema{
      std::make_shared<const iceberg::Schema>(iceberg::StructType{std::move(fields)}, 1)});
  drop.updates.emplace_back(iceberg::SetCurrentSchema{});
  ASSERT_EQ(Reason(drop), "");
  ASSERT_EQ(metadata_->schema().fields().size(), 1u);
  RowDelta delta = Delta({a}, {});
  delta.removed[0].partition = {Value()};  // as the present schema reads it
  ASSERT_EQ(Reason(delta), "");
  const auto manifests = Manifests();
  ASSERT_EQ(manifests.size(), 1u);
  const auto entries =
      manifest::ReadEntries(*storage::ReadAll(*memory_, manifests[0].location), manifests[0],
                            *metadata_->FindSpec(0), *metadata_->FindSchema(0));
  ASSERT_THAT(entries, IsOk());
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[1].file.partition, std::vector<Value>{std::string("y")});
}

TEST_F(RowDeltas, AreRejectedWhenTheyMakeNoSense) {
  const DataFile a = File("a", 0, 9);
  ASSERT_EQ(Reason(Append({a})), "");
  EXPECT_THAT(Reason(Delta({}, {})), ::testing::HasSubstr("without files"));
  EXPECT_THAT(Reason(Delta({a, a}, {})), ::testing::HasSubstr("removed twice"));
  EXPECT_THAT(Reason(Delta({a}, {a})), ::testing::HasSubstr("both removed and added"));
  RowDelta delta = Delta({}, {File("b", 0, 1)});
  delta.rewrite = true;
  EXPECT_THAT(Reason(delta), ::testing::HasSubstr("adds data files but removes none"));
  delta = Delta({a}, {});
  delta.base_snapshot_id.reset();
  EXPECT_THAT(Reason(delta), ::testing::HasSubstr("no snapshot that it was made from"));
  delta = Delta({a}, {});
  delta.schema_id = 7;
  EXPECT_THAT(Reason(delta), ::testing::HasSubstr("no schema 7"));
  delta = Delta({a}, {});
  delta.removed[0].spec_id = 7;
  EXPECT_THAT(Reason(delta), ::testing::HasSubstr("no partition spec 7"));
  delta = Delta({}, {EqualityDeletes("e")});
  delta.added[0].equality_ids = {9};
  EXPECT_THAT(Reason(delta), ::testing::HasSubstr("field 9"));
  delta = Delta({}, {File("b", 0, 1)});
  delta.reads = iceberg::ParseExpression("nope = 1").value();
  ASSERT_EQ(Reason(Append({File("x", 0, 1)})), "");
  EXPECT_THAT(Reason(delta), ::testing::HasSubstr("nope"));
}

}  // namespace
}  // namespace pk::catalog
