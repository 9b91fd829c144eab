#include <algorithm>

#include "parkeeper/iceberg/table_update.h"
#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kBad = ErrorCode::kInvalidArgument;
constexpr int64_t kNow = 1'700'000'000'000;

Schema Columns(std::string_view text) {
  Result<Schema> schema = ParseSchemaText(text);
  EXPECT_THAT(schema, IsOk());
  return schema.ok() ? *schema : Schema();
}

PartitionField By(int32_t source_id, std::string name, TransformKind kind, int32_t field_id = 0) {
  return {.source_id = source_id,
          .field_id = field_id,
          .name = std::move(name),
          .transform = {.kind = kind}};
}

TableMetadata Table(std::map<std::string, std::string> properties = {}) {
  NewTable table{.schema = Columns("id long not null, ts timestamptz, name string"),
                 .spec = {.fields = {By(2, "ts_day", TransformKind::kDay)}},
                 .sort_order = {.order_id = 1, .fields = {{.source_id = 1, .transform = {}}}},
                 .location = "s3://b/wh/t/",
                 .table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1",
                 .properties = std::move(properties),
                 .now_ms = kNow};
  Result<TableMetadata> metadata = MakeTableMetadata(std::move(table));
  EXPECT_THAT(metadata, IsOk());
  return metadata.ok() ? *metadata : TableMetadata{};
}

AddSchema Add(std::string_view text) {
  return {.schema = std::make_shared<const Schema>(Columns(text))};
}
AddSnapshot Add(Snapshot snapshot) {
  return {.snapshot = std::make_shared<const Snapshot>(std::move(snapshot))};
}
Snapshot At(int64_t id, int64_t sequence_number, int64_t timestamp_ms = kNow) {
  return {.snapshot_id = id,
          .sequence_number = sequence_number,
          .timestamp_ms = timestamp_ms,
          .manifest_list = "s3://b/wh/t/metadata/" + std::to_string(id) + ".avro",
          .summary = {{"operation", "append"}}};
}
SetSnapshotRef Branch(std::string name, int64_t id) {
  return {.name = std::move(name), .ref = {.snapshot_id = id}};
}
SetSnapshotRef Main(int64_t id) { return Branch("main", id); }

// Applies, expecting success.
TableMetadata After(const TableMetadata& metadata, const std::vector<TableUpdate>& updates,
                    int64_t now_ms = kNow) {
  Result<TableMetadata> next = Apply(metadata, updates, now_ms);
  EXPECT_THAT(next, IsOk());
  return next.ok() ? *std::move(next) : metadata;
}

// Three snapshots, one commit each.
TableMetadata WithHistory() {
  TableMetadata metadata = Table();
  for (int64_t i = 1; i <= 3; ++i)
    metadata = After(metadata, {Add(At(i, i, kNow + i)), Main(i)}, kNow + i);
  return metadata;
}

std::vector<int64_t> LoggedIds(const TableMetadata& metadata) {
  std::vector<int64_t> ids;
  for (const SnapshotLogEntry& entry : metadata.snapshot_log) ids.push_back(entry.snapshot_id);
  return ids;
}

TEST(NewTable, GivesFreshIdsToEverything) {
  Schema schema(
      StructType{{Field{.id = 70, .name = "a", .type = PrimitiveKind::kDate},
                  Field{.id = 50, .name = "b", .required = true, .type = PrimitiveKind::kLong}}},
      9, {50});
  NewTable table{.schema = schema,
                 .spec = {.spec_id = 5, .fields = {By(70, "a_month", TransformKind::kMonth, 7)}},
                 .sort_order = {.order_id = 8, .fields = {{.source_id = 50, .transform = {}}}},
                 .location = "file:///t//",
                 .table_uuid = "u",
                 .properties = {{"format-version", "1"}, {"a", "b"}},
                 .now_ms = 5};
  PK_ASSERT_OK(const TableMetadata metadata, MakeTableMetadata(table));
  EXPECT_EQ(metadata.format_version, 1);
  EXPECT_EQ(metadata.location, "file:///t");
  EXPECT_EQ(metadata.last_updated_ms, 5);
  EXPECT_EQ(metadata.last_column_id, 2);
  EXPECT_EQ(metadata.schema().schema_id(), 0);
  EXPECT_THAT(metadata.schema().identifier_ids(), ElementsAre(2));
  EXPECT_EQ(metadata.spec(),
            (PartitionSpec{.fields = {By(1, "a_month", TransformKind::kMonth, 1000)}}));
  EXPECT_EQ(metadata.last_partition_id, 1000);
  EXPECT_EQ(metadata.sort_order().order_id, 1);
  EXPECT_EQ(metadata.sort_order().fields.at(0).source_id, 2);
  EXPECT_THAT(metadata.properties, ElementsAre(std::pair("a", "b")));
  EXPECT_EQ(metadata.current_snapshot(), nullptr);
  EXPECT_THAT(ParseTableMetadata(ToJson(metadata)), IsOk());
}

TEST(NewTable, RefusesWhatDoesNotFitTogether) {
  const auto with = [](auto change) {
    NewTable table{.schema = Columns("a int, l list<int>"),
                   .spec = {},
                   .sort_order = {},
                   .location = "l",
                   .table_uuid = "u",
                   .properties = {}};
    change(table);
    return MakeTableMetadata(table);
  };
  EXPECT_THAT(with([](NewTable&) {}), IsOk());
  EXPECT_THAT(with([](NewTable& t) { t.location = ""; }), IsErrorWith(kBad, "location"));
  EXPECT_THAT(with([](NewTable& t) { t.table_uuid = ""; }), IsErrorWith(kBad, "uuid"));
  EXPECT_THAT(with([](NewTable& t) { t.spec.fields = {By(9, "x", TransformKind::kDay)}; }),
              IsErrorWith(kBad, "id 9"));
  EXPECT_THAT(with([](NewTable& t) { t.spec.fields = {By(1, "x", TransformKind::kDay)}; }),
              IsError(kBad));
  EXPECT_THAT(with([](NewTable& t) { t.sort_order.fields = {{.source_id = 2, .transform = {}}}; }),
              IsError(kBad));
  EXPECT_THAT(with([](NewTable& t) { t.properties["format-version"] = "two"; }),
              IsErrorWith(kBad, "'two'"));
  EXPECT_THAT(with([](NewTable& t) { t.properties["format-version"] = "3"; }),
              IsError(ErrorCode::kUnsupported));
  EXPECT_THAT(with([](NewTable& t) { t.schema = Schema(StructType{{Field{}}}); }), IsError(kBad));
}

TEST(Apply, NeverTurnsTimeBack) {
  const TableMetadata table = Table();
  EXPECT_EQ(After(table, {}, kNow + 10).last_updated_ms, kNow + 10);
  EXPECT_EQ(After(table, {}, kNow - 10).last_updated_ms, kNow + 1);
  EXPECT_EQ(table.last_updated_ms, kNow) << "the argument does not change";
}

TEST(Apply, NamesTheUpdateThatFails) {
  EXPECT_THAT(Apply(Table(), {SetProperties{}, SetCurrentSchema{7}}, kNow),
              IsErrorWith(kBad, "update 2 (set-current-schema): there is no schema with id 7"));
}

TEST(Apply, SharesWhatDoesNotChange) {
  const TableMetadata before = WithHistory();
  const TableMetadata after = After(before, {SetProperties{{{"a", "b"}}}});
  EXPECT_EQ(after.schemas, before.schemas) << "the same objects";
  EXPECT_EQ(after.snapshots, before.snapshots);
}

TEST(AssignUuid, GivesOneOnlyToATableWithoutOne) {
  TableMetadata table = Table();
  EXPECT_THAT(Apply(table, {AssignUuid{"other"}}, kNow), IsErrorWith(kBad, "keeps its uuid"));
  EXPECT_THAT(Apply(table, {AssignUuid{table.table_uuid}}, kNow), IsOk());
  table.table_uuid = "";
  EXPECT_THAT(Apply(table, {}, kNow), IsErrorWith(kBad, "no uuid"));
  EXPECT_EQ(After(table, {AssignUuid{"fresh"}}).table_uuid, "fresh");
  EXPECT_THAT(Apply(table, {AssignUuid{""}}, kNow), IsErrorWith(kBad, "empty"));
}

TEST(UpgradeFormatVersion, GoesUpAndNeverDown) {
  TableMetadata table = Table({{"format-version", "1"}});
  Snapshot snapshot = At(1, 0);
  snapshot.manifest_list = "";
  snapshot.manifests = {"m.avro"};
  table = After(table, {Add(snapshot), Main(1)});
  const TableMetadata upgraded = After(table, {UpgradeFormatVersion{2}});
  EXPECT_EQ(upgraded.format_version, 2);
  EXPECT_EQ(upgraded.last_sequence_number, 0);
  EXPECT_EQ(upgraded.current_snapshot()->sequence_number, 0);
  EXPECT_THAT(ParseTableMetadata(ToJson(upgraded)), IsOk());
  EXPECT_THAT(Apply(upgraded, {UpgradeFormatVersion{1}}, kNow), IsErrorWith(kBad, "go down to 1"));
  EXPECT_THAT(Apply(upgraded, {UpgradeFormatVersion{2}}, kNow), IsOk());
  EXPECT_THAT(Apply(upgraded, {UpgradeFormatVersion{3}}, kNow), IsError(ErrorCode::kUnsupported));
  const TableMetadata next = After(upgraded, {Add(At(2, 1)), Main(2)});
  EXPECT_EQ(next.last_sequence_number, 1);
}

TEST(AddSchema, TakesTheNextIdAndRaisesTheLastColumn) {
  const TableMetadata table =
      After(Table(),
            {Add("id long not null, ts timestamptz, name string, more int"), SetCurrentSchema{-1}});
  EXPECT_THAT(table.schemas, SizeIs(2));
  EXPECT_EQ(table.current_schema_id, 1);
  EXPECT_EQ(table.last_column_id, 4);
  // Fewer columns: the last id stays.
  const TableMetadata fewer = After(table, {Add("id long not null, ts timestamptz")});
  EXPECT_EQ(fewer.schemas.back()->schema_id(), 2);
  EXPECT_EQ(fewer.last_column_id, 4);
  EXPECT_EQ(fewer.current_schema_id, 1);
}

TEST(AddSchema, FindsTheSameSchemaAgain) {
  const TableMetadata table =
      After(Table(), {Add("id long not null, ts timestamptz, x int"), SetCurrentSchema{-1}});
  const TableMetadata back =
      After(table, {Add("id long not null, ts timestamptz, name string"), SetCurrentSchema{-1}});
  EXPECT_THAT(back.schemas, SizeIs(2));
  EXPECT_EQ(back.current_schema_id, 0);
}

TEST(AddSchema, RefusesAnInvalidOne) {
  const auto schema = [](Field field) {
    return AddSchema{std::make_shared<const Schema>(StructType{{std::move(field)}})};
  };
  EXPECT_THAT(Apply(Table(), {schema({.id = 1, .name = ""})}, kNow), IsErrorWith(kBad, "no name"));
  EXPECT_THAT(Apply(Table(), {schema({.id = 1, .name = "\xff"})}, kNow),
              IsErrorWith(kBad, "UTF-8"));
  EXPECT_THAT(Apply(Table(), {schema({.id = 1, .name = "a", .doc = "\xff"})}, kNow),
              IsErrorWith(kBad, "UTF-8"));
  EXPECT_THAT(Apply(Table(), {AddSchema{}}, kNow), IsError(kBad));
}

TEST(SetCurrentSchema, NeedsASchemaThatFitsSpecAndOrder) {
  EXPECT_THAT(Apply(Table(), {SetCurrentSchema{-1}}, kNow), IsErrorWith(kBad, "added no schema"));
  EXPECT_THAT(Apply(Table(), {SetCurrentSchema{5}}, kNow), IsErrorWith(kBad, "id 5"));
  EXPECT_THAT(Apply(Table(), {Add("id long not null"), SetCurrentSchema{-1}}, kNow),
              IsErrorWith(kBad, "default partition spec needs a column"));
  EXPECT_THAT(Apply(Table(), {Add("id long not null, ts string"), SetCurrentSchema{-1}}, kNow),
              IsErrorWith(kBad, "default partition spec"));
}

TEST(AddPartitionSpec, NumbersFieldsAndKeepsIdsOfKnownOnes) {
  const PartitionSpec evolved{
      .spec_id = 77,
      .fields = {By(1, "id", TransformKind::kIdentity), By(2, "day", TransformKind::kDay)}};
  const TableMetadata table = After(Table(), {AddPartitionSpec{evolved}, SetDefaultSpec{-1}});
  EXPECT_EQ(table.default_spec_id, 1);
  EXPECT_EQ(table.spec().fields.at(0).field_id, 1001);
  EXPECT_EQ(table.spec().fields.at(1).field_id, 1000) << "ts_day had it";
  EXPECT_EQ(table.last_partition_id, 1001);
}

TEST(AddPartitionSpec, FindsTheSameSpecAgain) {
  const PartitionSpec same{.fields = {By(2, "ts_day", TransformKind::kDay)}};
  const TableMetadata table =
      After(Table(), {AddPartitionSpec{PartitionSpec{}}, SetDefaultSpec{-1}});
  EXPECT_EQ(table.default_spec_id, 1);
  const TableMetadata back = After(table, {AddPartitionSpec{same}, SetDefaultSpec{-1}});
  EXPECT_THAT(back.specs, SizeIs(2));
  EXPECT_EQ(back.default_spec_id, 0);
}

TEST(AddPartitionSpec, RefusesBadSourcesAndIds) {
  const auto add = [](PartitionField field) {
    return Apply(Table(), {AddPartitionSpec{{.fields = {std::move(field)}}}}, kNow);
  };
  EXPECT_THAT(add(By(9, "x", TransformKind::kIdentity)), IsError(kBad));
  EXPECT_THAT(add(By(3, "x", TransformKind::kDay)), IsError(kBad));
  EXPECT_THAT(add(By(3, "x", TransformKind::kUnknown)), IsErrorWith(kBad, "no such transform"));
  EXPECT_THAT(add(By(2, "id", TransformKind::kDay)), IsErrorWith(kBad, "column has the same name"));
  EXPECT_THAT(add(By(3, "name", TransformKind::kIdentity, 1000)),
              IsErrorWith(kBad, "the id of another one: 1000"));
  EXPECT_THAT(add(By(3, "name", TransformKind::kIdentity, 1005)), IsOk());
  EXPECT_THAT(
      Apply(Table({{"format-version", "1"}}),
            {AddPartitionSpec{{.fields = {By(3, "name", TransformKind::kIdentity, 1005)}}}}, kNow),
      IsErrorWith(kBad, "numbered from 1000 on"));
  EXPECT_THAT(Apply(Table(), {SetDefaultSpec{-1}}, kNow), IsErrorWith(kBad, "added no partition"));
  EXPECT_THAT(Apply(Table(), {SetDefaultSpec{9}}, kNow), IsErrorWith(kBad, "id 9"));
}

TEST(AddSortOrder, AddsFindsAgainAndRefuses) {
  const AddSortOrder by_name{{.order_id = 9, .fields = {{.source_id = 3, .transform = {}}}}};
  TableMetadata table = After(Table(), {by_name, SetDefaultSortOrder{-1}});
  EXPECT_EQ(table.default_sort_order_id, 2);
  table = After(table, {AddSortOrder{}, SetDefaultSortOrder{-1}});
  EXPECT_EQ(table.default_sort_order_id, 0) << "unsorted is always 0";
  table = After(table, {by_name, SetDefaultSortOrder{-1}});
  EXPECT_EQ(table.default_sort_order_id, 2);
  EXPECT_THAT(table.sort_orders, SizeIs(3));
  EXPECT_THAT(Apply(table, {AddSortOrder{{.fields = {{.source_id = 9, .transform = {}}}}}}, kNow),
              IsError(kBad));
  EXPECT_THAT(Apply(table, {SetDefaultSortOrder{-1}}, kNow), IsErrorWith(kBad, "no sort order"));
  EXPECT_THAT(Apply(table, {SetDefaultSortOrder{9}}, kNow), IsErrorWith(kBad, "id 9"));
}

TEST(AddSnapshot, RaisesTheSequenceNumberOfTheTable) {
  const TableMetadata table = After(Table(), {Add(At(1, 5)), Add(At(2, 7)), Main(2)});
  EXPECT_EQ(table.last_sequence_number, 7);
  EXPECT_THAT(table.snapshots, SizeIs(2));
  EXPECT_EQ(table.current_snapshot()->snapshot_id, 2);
}

TEST(AddSnapshot, RefusesAStaleSequenceNumberAsAConflict) {
  const TableMetadata table = After(Table(), {Add(At(1, 5))});
  EXPECT_THAT(Apply(table, {Add(At(2, 5))}, kNow),
              IsErrorWith(ErrorCode::kConflict, "not above the table's: 5 and 5"));
  EXPECT_THAT(Apply(table, {Add(At(2, 4))}, kNow), IsError(ErrorCode::kConflict));
}

TEST(AddSnapshot, RefusesWhatDoesNotFitTheTable) {
  const TableMetadata table = WithHistory();
  EXPECT_THAT(Apply(table, {Add(At(2, 9))}, kNow), IsErrorWith(kBad, "already: 2"));
  EXPECT_THAT(Apply(table, {Add(At(-1, 9))}, kNow), IsErrorWith(kBad, "negative"));
  Snapshot snapshot = At(9, 9);
  snapshot.schema_id = 4;
  EXPECT_THAT(Apply(table, {Add(snapshot)}, kNow), IsErrorWith(kBad, "schema is not in the table"));
  snapshot = At(9, 9);
  snapshot.manifest_list = "";
  EXPECT_THAT(Apply(table, {Add(snapshot)}, kNow), IsErrorWith(kBad, "manifest list"));
  snapshot.manifest_list = "\xff";
  EXPECT_THAT(Apply(table, {Add(snapshot)}, kNow), IsErrorWith(kBad, "UTF-8"));
  EXPECT_THAT(Apply(table, {AddSnapshot{}}, kNow), IsError(kBad));
  EXPECT_THAT(Apply(Table({{"format-version", "1"}}), {Add(At(1, 1))}, kNow),
              IsErrorWith(kBad, "no sequence numbers"));
}

TEST(SetSnapshotRef, LogsTheHistoryOfMain) {
  const TableMetadata table = WithHistory();
  EXPECT_THAT(LoggedIds(table), ElementsAre(1, 2, 3));
  EXPECT_EQ(table.snapshot_log.back().timestamp_ms, kNow + 3);
  const TableMetadata rolled_back = After(table, {Main(1)}, kNow + 50);
  EXPECT_THAT(LoggedIds(rolled_back), ElementsAre(1, 2, 3, 1));
  EXPECT_EQ(rolled_back.snapshot_log.back().timestamp_ms, kNow + 50) << "when it was rolled back";
  EXPECT_THAT(LoggedIds(After(table, {Main(3)})), ElementsAre(1, 2, 3)) << "nothing has changed";
  SetSnapshotRef kept = Main(3);
  kept.ref.max_ref_age_ms = 9;
  EXPECT_THAT(LoggedIds(After(table, {kept})), ElementsAre(1, 2, 3));
  EXPECT_THAT(LoggedIds(After(table, {Branch("dev", 1)})), ElementsAre(1, 2, 3));
}

TEST(SetSnapshotRef, LogsOnlyTheLastSnapshotOfACommit) {
  const TableMetadata table =
      After(WithHistory(), {Add(At(4, 4, kNow + 4)), Main(4), Add(At(5, 5, kNow + 5)), Main(5)});
  EXPECT_THAT(LoggedIds(table), ElementsAre(1, 2, 3, 5));
}

TEST(SetSnapshotRef, KeepsTheLogInOrderWhenClocksDiffer) {
  const TableMetadata table = After(Table(), {Add(At(1, 1, kNow + 500)), Main(1)}, kNow + 10);
  EXPECT_EQ(table.last_updated_ms, kNow + 500);
  const TableMetadata next = After(table, {Add(At(2, 2, kNow + 20)), Main(2)}, kNow + 20);
  EXPECT_EQ(next.snapshot_log.back().timestamp_ms, kNow + 500);
  EXPECT_EQ(next.last_updated_ms, kNow + 501);
  EXPECT_EQ(next.current_snapshot()->timestamp_ms, kNow + 20);
  EXPECT_THAT(ParseTableMetadata(ToJson(next)), IsOk());
}

TEST(SetSnapshotRef, MakesBranchesAndTags) {
  SetSnapshotRef tag = Branch("v1", 1);
  tag.ref.is_tag = true;
  tag.ref.max_ref_age_ms = 5;
  SetSnapshotRef branch = Branch("dev", 2);
  branch.ref.min_snapshots_to_keep = 3;
  const TableMetadata table = After(WithHistory(), {tag, branch});
  EXPECT_EQ(table.refs.at("v1"), tag.ref);
  EXPECT_EQ(table.FindRef("dev")->snapshot_id, 2);
  const TableMetadata without = After(table, {RemoveSnapshotRef{"v1"}, RemoveSnapshotRef{"none"}});
  EXPECT_FALSE(without.refs.contains("v1"));
  EXPECT_TRUE(without.refs.contains("dev"));
}

TEST(SetSnapshotRef, RefusesWhatNoRefCanBe) {
  const TableMetadata table = WithHistory();
  EXPECT_THAT(Apply(table, {Main(9)}, kNow), IsErrorWith(kBad, "'main' names no snapshot"));
  SetSnapshotRef ref = Main(1);
  ref.ref.is_tag = true;
  EXPECT_THAT(Apply(table, {ref}, kNow), IsErrorWith(kBad, "cannot be a tag"));
  ref.name = "t";
  ref.ref.min_snapshots_to_keep = 1;
  EXPECT_THAT(Apply(table, {ref}, kNow), IsErrorWith(kBad, "a tag has no snapshots to keep"));
  ref.ref.is_tag = false;
  ref.ref.min_snapshots_to_keep = 0;
  EXPECT_THAT(Apply(table, {ref}, kNow), IsErrorWith(kBad, "above 0"));
  EXPECT_THAT(Apply(table, {Branch("", 1)}, kNow), IsErrorWith(kBad, "needs a name"));
  EXPECT_THAT(Apply(table, {Branch("\xff", 1)}, kNow), IsErrorWith(kBad, "UTF-8"));
}

TEST(RemoveSnapshots, CutsTheHistoryBeforeThem) {
  const TableMetadata table = After(WithHistory(), {RemoveSnapshots{{2}}});
  EXPECT_EQ(table.FindSnapshot(2), nullptr);
  EXPECT_NE(table.FindSnapshot(1), nullptr);
  EXPECT_THAT(LoggedIds(table), ElementsAre(3));
  EXPECT_THAT(ParseTableMetadata(ToJson(table)), IsOk());
}

TEST(RemoveSnapshots, TakesRefsAndStatisticsAlong) {
  const TableMetadata before =
      After(WithHistory(), {Branch("dev", 2), SetStatistics{2, R"({"snapshot-id":2})"},
                            SetPartitionStatistics{2, R"({"snapshot-id":2})"},
                            SetStatistics{3, R"({"snapshot-id":3})"}});
  const TableMetadata table = After(before, {RemoveSnapshots{{2, 99}}});
  EXPECT_FALSE(table.refs.contains("dev"));
  EXPECT_THAT(table.statistics, SizeIs(1));
  EXPECT_THAT(table.partition_statistics, IsEmpty());
  const TableMetadata empty = After(table, {RemoveSnapshots{{1, 3}}});
  EXPECT_EQ(empty.current_snapshot(), nullptr);
  EXPECT_THAT(empty.snapshot_log, IsEmpty());
  EXPECT_THAT(ParseTableMetadata(ToJson(empty)), IsOk());
}

TEST(RemoveSnapshotRef, OfMainLeavesATableWithoutRows) {
  const TableMetadata table = After(WithHistory(), {RemoveSnapshotRef{"main"}});
  EXPECT_EQ(table.current_snapshot(), nullptr);
  EXPECT_THAT(table.snapshots, SizeIs(3));
  EXPECT_THAT(ParseTableMetadata(ToJson(table)), IsOk());
}

TEST(SetLocation, StripsTheSlashAtTheEnd) {
  EXPECT_EQ(After(Table(), {SetLocation{"s3://other/t/"}}).location, "s3://other/t");
  EXPECT_THAT(Apply(Table(), {SetLocation{""}}, kNow), IsErrorWith(kBad, "empty"));
}

TEST(SetProperties, SetsAndRemoves) {
  const TableMetadata table =
      After(Table({{"a", "1"}, {"b", "2"}}),
            {SetProperties{{{"b", "3"}, {"c", "4"}}}, RemoveProperties{{"a", "none"}}});
  EXPECT_THAT(table.properties, ElementsAre(std::pair("b", "3"), std::pair("c", "4")));
  EXPECT_THAT(Apply(table, {SetProperties{{{"x", "\xc3"}}}}, kNow), IsErrorWith(kBad, "UTF-8"));
}

TEST(RemovePartitionSpecs, SparesTheDefaultOne) {
  const TableMetadata table = After(Table(), {AddPartitionSpec{PartitionSpec{}}});
  EXPECT_THAT(After(table, {RemovePartitionSpecs{{1, 9}}}).specs, SizeIs(1));
  EXPECT_THAT(Apply(table, {RemovePartitionSpecs{{0}}}, kNow), IsErrorWith(kBad, "default"));
}

TEST(RemoveSchemas, SparesTheCurrentOne) {
  const TableMetadata table = After(Table(), {Add("id long not null, ts timestamptz")});
  EXPECT_THAT(After(table, {RemoveSchemas{{1, 9}}}).schemas, SizeIs(1));
  EXPECT_THAT(Apply(table, {RemoveSchemas{{0}}}, kNow), IsErrorWith(kBad, "current"));
}

TEST(SetStatistics, ReplacesThoseOfItsSnapshot) {
  TableMetadata table = After(WithHistory(), {SetStatistics{1, R"({"snapshot-id":1})"}});
  table = After(table, {SetStatistics{1, R"({"snapshot-id":1,"statistics-path":"p"})"},
                        SetPartitionStatistics{2, R"({"snapshot-id":2})"}});
  ASSERT_THAT(table.statistics, SizeIs(1));
  EXPECT_EQ(table.statistics[0].json, R"({"snapshot-id":1,"statistics-path":"p"})");
  table = After(table, {RemoveStatistics{1}, RemoveStatistics{9}, RemovePartitionStatistics{2}});
  EXPECT_THAT(table.statistics, IsEmpty());
  EXPECT_THAT(table.partition_statistics, IsEmpty());
  EXPECT_THAT(Apply(table, {SetStatistics{1, "{"}}, kNow), IsErrorWith(kBad, "not valid JSON"));
  EXPECT_THAT(Apply(table, {SetStatistics{1, R"({"snapshot-id":2})"}}, kNow),
              IsErrorWith(kBad, "of another snapshot"));
}

TEST(Apply, CreatesATableFromNothing) {
  const std::vector<TableUpdate> creation = {
      AssignUuid{"u"},
      UpgradeFormatVersion{1},
      Add("id long not null, ts timestamptz"),
      SetCurrentSchema{-1},
      AddPartitionSpec{{.fields = {By(2, "ts_day", TransformKind::kDay)}}},
      SetDefaultSpec{-1},
      AddSortOrder{},
      SetDefaultSortOrder{-1},
      SetLocation{"s3://b/t"}};
  const TableMetadata table = After(TableMetadata{}, creation);
  EXPECT_EQ(table.format_version, 1);
  EXPECT_EQ(table.last_column_id, 2);
  EXPECT_EQ(table.spec().fields.at(0).field_id, 1000);
  EXPECT_EQ(table.last_updated_ms, kNow);
  EXPECT_THAT(ParseTableMetadata(ToJson(table)), IsOk());
  for (const size_t missing : {2, 4, 6, 8}) {  // schema, spec, order, location
    std::vector<TableUpdate> updates = creation;
    updates.erase(updates.begin() + ptrdiff_t(missing));
    EXPECT_THAT(Apply(TableMetadata{}, updates, kNow), IsError(kBad)) << missing;
  }
}

}  // namespace
}  // namespace pk::iceberg
