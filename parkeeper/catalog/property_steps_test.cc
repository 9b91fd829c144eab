// What commits require of properties, as a group applies them: judged in order, whatever joins
// which snapshot, and all or nothing with the change.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "parkeeper/catalog/commit_internal.h"
#include "parkeeper/catalog/group_internal.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/matchers.h"

namespace pk::catalog {
namespace {

using iceberg::AppendFiles;
using iceberg::PropertyStep;
using iceberg::RowDelta;
using iceberg::TableCommit;
using iceberg::UpdateTable;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;

// A table in memory; files are names only, for no commit reads them.
class PropertySteps : public ::testing::Test {
 protected:
  PropertySteps() {
    iceberg::NewTable table;
    table.schema = iceberg::ParseSchemaText("id long").value();
    table.location = "memory://lake/t";
    table.table_uuid = "11111111-2222-4333-8444-555555555555";
    table.properties = {{"position", "0"}};
    table.now_ms = 1'000;
    metadata_ = std::make_shared<const iceberg::TableMetadata>(
        iceberg::MakeTableMetadata(std::move(table)).value());
  }

  static std::string Location(const std::string& name) { return "memory://lake/t/data/" + name; }
  static AppendFiles Append(const std::string& name) {
    AppendFiles append;
    append.files.emplace_back();
    append.files[0].location = Location(name);
    append.files[0].record_count = 1;
    append.files[0].file_size = 100;
    return append;
  }
  // One that fits the table, but whose snapshot cannot be made.
  static AppendFiles Broken(const std::string& name) {
    AppendFiles append = Append(name);
    append.files[0].record_count = -1;
    return append;
  }
  RowDelta Remove(const std::string& name) const {
    RowDelta delta;
    delta.base_snapshot_id = metadata_->current_snapshot()->snapshot_id;
    delta.removed = {{.content = iceberg::FileContent::kData,
                      .location = Location(name),
                      .spec_id = 0,
                      .partition = {}}};
    return delta;
  }

  TableCommit Plain(iceberg::TableChange change) {
    return {.id = ids_.NewUuid7(clock_), .change = std::move(change), .oldest_file_ms = 0};
  }
  TableCommit Advance(int from, iceberg::TableChange change) {
    TableCommit commit = Plain(std::move(change));
    commit.properties = {{"position", std::to_string(from), std::to_string(from + 1)}};
    return commit;
  }

  // The reason of each rejection, "" of a commit that was applied.
  std::vector<std::string> Round(const std::vector<TableCommit>& commits) {
    Group group(files_, metadata_, location_, version_, clock_, ids_);
    for (const TableCommit& commit : commits) EXPECT_THAT(group.Add(commit), IsOk());
    auto built = group.Finish();
    EXPECT_THAT(built, IsOk());
    std::vector<std::string> reasons;
    snapshots_.clear();
    if (!built.ok()) return reasons;
    for (const GroupOutcome& outcome : built->outcomes) {
      const auto* rejected = std::get_if<Rejected>(&outcome);
      reasons.push_back(rejected == nullptr ? "" : rejected->reason);
      const auto* applied = std::get_if<AppliedInGroup>(&outcome);
      snapshots_.push_back(applied == nullptr ? 0 : applied->snapshot_id.value_or(0));
    }
    if (built->metadata == nullptr) return reasons;
    for (const NewFile& file : built->files) {
      EXPECT_THAT(storage::WriteIfAbsent(*storage_, file.location, file.bytes), IsOk());
    }
    EXPECT_GT(built->metadata->last_updated_ms, metadata_->last_updated_ms);
    metadata_ = built->metadata;
    location_ = built->metadata_location;
    ++version_;
    return reasons;
  }

  std::string Position() const { return metadata_->Property("position", "none"); }
  size_t Snapshots() const { return metadata_->snapshots.size(); }
  std::set<std::string> Live() {
    std::set<std::string> names;
    const auto snapshot = metadata_->current_snapshot();
    if (snapshot == nullptr) return names;
    const auto list =
        manifest::ReadManifestList(*storage::ReadAll(*storage_, snapshot->manifest_list));
    EXPECT_THAT(list, IsOk());
    for (const auto& each : *list) {
      const auto entries = manifest::ReadEntries(*storage::ReadAll(*storage_, each.location), each,
                                                 metadata_->spec(), metadata_->schema());
      EXPECT_THAT(entries, IsOk());
      for (const auto& entry : *entries) {
        if (entry.status == iceberg::EntryStatus::kDeleted) continue;
        names.insert(entry.file.location.substr(Location("").size()));
      }
    }
    return names;
  }

  ManualClock clock_;
  SeededIds ids_{1};
  std::unique_ptr<storage::Storage> storage_ = storage::MakeMemory("lake");
  MetadataFiles files_{*storage_, 1};
  std::shared_ptr<const iceberg::TableMetadata> metadata_;
  std::string location_ = "memory://lake/t/metadata/00000.metadata.json";
  int64_t version_ = 0;
  std::vector<int64_t> snapshots_;  // of the last round's commits, 0: none
};

using Names = std::set<std::string>;

TEST_F(PropertySteps, OfTwoThatExpectTheSameTheFirstIsApplied) {
  const auto reasons = Round({Advance(0, Append("a")), Advance(0, Append("b"))});
  EXPECT_THAT(reasons, ElementsAre("", HasSubstr("'position' is not as expected: expected '0', "
                                                 "found '1'")));
  EXPECT_EQ(Position(), "1");
  EXPECT_EQ(Live(), Names{"a"});
}

TEST_F(PropertySteps, OfNeighbouringAppendsMakeOneSnapshot) {
  const auto reasons = Round({Plain(Append("p")), Advance(0, Append("a")), Advance(1, Append("b")),
                              Plain(Append("q")), Advance(2, Append("c"))});
  EXPECT_THAT(reasons, ElementsAre("", "", "", "", ""));
  EXPECT_EQ(Position(), "3");
  EXPECT_EQ(Snapshots(), 1u);
  EXPECT_EQ(Live(), (Names{"a", "b", "c", "p", "q"}));
}

TEST_F(PropertySteps, GoOnWithoutASnapshotWhenThereAreNoFiles) {
  EXPECT_THAT(Round({Advance(0, AppendFiles{})}), ElementsAre(""));
  EXPECT_EQ(Position(), "1");
  EXPECT_EQ(Snapshots(), 0u);
  EXPECT_THAT(snapshots_, ElementsAre(0));
  AppendFiles elsewhere;
  elsewhere.branch = "elsewhere";
  elsewhere.summary = {{"note", "\xFF"}};  // of a snapshot that there is none of
  EXPECT_THAT(Round({Advance(1, Append("a")), Advance(2, elsewhere), Advance(3, Append("b"))}),
              ElementsAre("", "", ""));
  EXPECT_EQ(Position(), "4");
  EXPECT_EQ(Snapshots(), 1u) << "it ends no run";
  EXPECT_THAT(snapshots_, ElementsAre(snapshots_[2], 0, snapshots_[2]));
  EXPECT_THAT(Round({Plain(AppendFiles{})}), ElementsAre(""));
  EXPECT_EQ(Snapshots(), 2u) << "without steps it is a snapshot that adds nothing";
}

TEST_F(PropertySteps, OfARejectedAppendAreNotThere) {
  AppendFiles misfit = Append("m");
  misfit.files[0].spec_id = 9;
  EXPECT_THAT(Round({Advance(0, misfit), Advance(0, Append("a"))}),
              ElementsAre(HasSubstr("partition spec 9"), ""));
  EXPECT_EQ(Position(), "1");
  EXPECT_EQ(Live(), Names{"a"});
}

// Only while its snapshot is made does it show that an append cannot be.
TEST_F(PropertySteps, OfAnAppendThatFailsLateAreTakenBack) {
  EXPECT_THAT(Round({Advance(0, Broken("x"))}), ElementsAre(HasSubstr("negative")));
  EXPECT_EQ(Position(), "0");
  EXPECT_THAT(Round({Advance(0, Broken("x")), Advance(0, Append("a"))}),
              ElementsAre(HasSubstr("negative"), ""));
  EXPECT_EQ(Position(), "1");
  EXPECT_THAT(Round({Advance(1, Append("b")), Advance(2, Broken("y")), Advance(3, Append("c")),
                     Advance(2, AppendFiles{}), Plain(Append("p"))}),
              ElementsAre("", HasSubstr("negative"), HasSubstr("expected '3', found '2'"), "", ""));
  EXPECT_EQ(Position(), "3");
  EXPECT_EQ(Live(), (Names{"a", "b", "p"}));
}

TEST_F(PropertySteps, RideWithRowDeltas) {
  ASSERT_THAT(Round({Plain(Append("a"))}), ElementsAre(""));
  EXPECT_THAT(Round({Advance(7, Remove("a"))}), ElementsAre(HasSubstr("expected '7', found '0'")));
  EXPECT_EQ(Live(), Names{"a"});
  const TableCommit remove = Advance(0, Remove("a"));
  const TableCommit again = Advance(1, Remove("a"));
  const TableCommit late = Advance(0, Remove("a"));
  EXPECT_THAT(Round({remove, again, late, Advance(1, Append("b"))}),
              ElementsAre("", HasSubstr("removed"), HasSubstr("expected '0', found '1'"), ""));
  EXPECT_EQ(Position(), "2") << "not moved on by the delta that failed";
  EXPECT_EQ(Live(), Names{"b"});
}

TEST_F(PropertySteps, RideWithUpdates) {
  UpdateTable update;
  update.updates.emplace_back(iceberg::SetProperties{{{"note", "x"}, {"position", "100"}}});
  UpdateTable impossible = update;
  impossible.requirements.emplace_back(iceberg::AssertCurrentSchemaId{9});
  EXPECT_THAT(Round({Advance(3, update), Advance(0, impossible)}),
              ElementsAre(HasSubstr("expected '3'"), HasSubstr("schema id")));
  EXPECT_EQ(Position(), "0");
  EXPECT_EQ(metadata_->Property("note", "none"), "none");
  EXPECT_THAT(Round({Advance(0, update), Advance(1, UpdateTable{})}), ElementsAre("", ""));
  EXPECT_EQ(Position(), "2") << "whatever the update says of it";
  EXPECT_EQ(metadata_->Property("note", "none"), "x");
}

TEST_F(PropertySteps, SetWhatIsNotThereAndRemoveWhatIs) {
  TableCommit first = Plain(Append("a"));
  first.properties = {{"b", std::nullopt, "1"}, {"position", "0", std::nullopt}};
  TableCommit second = Plain(Append("b"));
  second.properties = first.properties;
  EXPECT_THAT(Round({first, second}), ElementsAre("", HasSubstr("expected none, found '1'")));
  EXPECT_EQ(Position(), "none");
  EXPECT_EQ(metadata_->Property("b", "none"), "1");
}

// An id given again to a later version is not taken for that of another commit.
TEST_F(PropertySteps, OfNoneLeaveTheHashOfACommitAsItWasBeforeThereWereAny) {
  TableCommit commit = Plain(AppendFiles{});
  EXPECT_EQ(RequestHash(commit), 5960572007394356292u);
  commit.properties = {{"position", std::nullopt, std::nullopt}};
  EXPECT_NE(RequestHash(commit), 5960572007394356292u);
}

// In a queue there may be what a careless writer has put there.
TEST_F(PropertySteps, ThatNoTableCanTakeAreRejected) {
  TableCommit commit = Plain(Append("a"));
  commit.properties = {{"format-version", std::nullopt, "1"}};
  EXPECT_THAT(Round({commit}), ElementsAre(HasSubstr("reserved")));
  EXPECT_EQ(Snapshots(), 0u);
}

}  // namespace
}  // namespace pk::catalog
