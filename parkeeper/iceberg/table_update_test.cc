#include "parkeeper/iceberg/table_update.h"

#include <boost/json.hpp>
#include <random>

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using ::testing::Eq;

constexpr auto kConflict = ErrorCode::kConflict;

TableMetadata Table() {
  Result<TableMetadata> metadata =
      MakeTableMetadata({.schema = *ParseSchemaText("id long, day date, name string"),
                         .spec = {},
                         .sort_order = {},
                         .location = "s3://b/t",
                         .table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1",
                         .properties = {},
                         .now_ms = 1000});
  EXPECT_THAT(metadata, IsOk());
  return *metadata;
}

// Every update as REST writes it.
constexpr std::string_view kUpdates = R"json([
{"action":"assign-uuid","uuid":"u"},
{"action":"upgrade-format-version","format-version":2},
{"action":"add-schema","schema":{"type":"struct","schema-id":1,"identifier-field-ids":[1],
 "fields":[{"id":1,"name":"a","required":true,"type":"int","initial-default":7}]}},
{"action":"set-current-schema","schema-id":-1},
{"action":"add-spec","spec":{"spec-id":0,"fields":[
 {"source-id":1,"name":"a_bucket","transform":"bucket[4]"},
 {"source-id":1,"field-id":1001,"name":"a","transform":"identity"}]}},
{"action":"set-default-spec","spec-id":-1},
{"action":"add-sort-order","sort-order":{"order-id":1,"fields":[
 {"transform":"identity","source-id":1,"direction":"desc","null-order":"nulls-last"}]}},
{"action":"set-default-sort-order","sort-order-id":-1},
{"action":"add-snapshot","snapshot":{"sequence-number":1,"snapshot-id":3055729675574597004,
 "parent-snapshot-id":1,"timestamp-ms":5,"summary":{"operation":"append"},
 "manifest-list":"m.avro","schema-id":1,"first-row-id":0}},
{"action":"set-snapshot-ref","ref-name":"main","snapshot-id":3055729675574597004,"type":"branch",
 "min-snapshots-to-keep":2,"max-snapshot-age-ms":3,"max-ref-age-ms":4,"note":"x"},
{"action":"remove-snapshots","snapshot-ids":[1,9223372036854775807]},
{"action":"remove-snapshot-ref","ref-name":"old"},
{"action":"set-location","location":"s3://x"},
{"action":"set-properties","updates":{"a":"b"}},
{"action":"remove-properties","removals":["c"]},
{"action":"remove-partition-specs","spec-ids":[3]},
{"action":"remove-schemas","schema-ids":[4]},
{"action":"set-statistics","snapshot-id":1,"statistics":{"snapshot-id":1,"statistics-path":"p"}},
{"action":"remove-statistics","snapshot-id":1},
{"action":"set-partition-statistics","partition-statistics":{"snapshot-id":1}},
{"action":"remove-partition-statistics","snapshot-id":1}])json";

boost::json::value Json(std::string_view text) {
  return boost::json::parse(boost::json::string_view(text.data(), text.size()));
}

TEST(TableUpdate, ReadsAndWritesEveryAction) {
  PK_ASSERT_OK(const std::vector<TableUpdate> updates, ParseTableUpdates(kUpdates));
  EXPECT_EQ(updates.size(), std::variant_size_v<TableUpdate>);
  for (size_t i = 0; i < updates.size(); ++i) EXPECT_EQ(updates[i].index(), i);
  EXPECT_EQ(Json(ToJson(updates)), Json(kUpdates));
  const auto& ref = std::get<SetSnapshotRef>(updates[9]).ref;
  EXPECT_EQ(ref.unknown, (UnknownMembers{{"note", "\"x\""}}));
  const auto& spec = std::get<AddPartitionSpec>(updates[4]).spec;
  EXPECT_EQ(spec.fields.at(0).field_id, 0) << "left to the table";
  PK_ASSERT_OK(const std::vector<TableUpdate> again, ParseTableUpdates(ToJson(updates)));
  EXPECT_EQ(again, updates);
}

TEST(TableUpdate, ReadsTheOlderNamesOfPropertyUpdates) {
  EXPECT_THAT(ParseTableUpdates(R"([{"action":"set-properties","updated":{"a":"b"}},
                                    {"action":"remove-properties","removed":["c"]}])"),
              pk::testing::IsOkAnd(Eq(
                  std::vector<TableUpdate>{SetProperties{{{"a", "b"}}}, RemoveProperties{{"c"}}})));
}

TEST(TableUpdate, SaysWhatIsWrongInARequest) {
  const auto bad = ErrorCode::kInvalidArgument;
  EXPECT_THAT(ParseTableUpdates("{"), IsErrorWith(bad, "table updates: not valid JSON"));
  EXPECT_THAT(ParseTableUpdates("{}"), IsErrorWith(bad, "must be a JSON array"));
  EXPECT_THAT(ParseTableUpdates("[1]"), IsErrorWith(bad, "[0]: must be an object"));
  EXPECT_THAT(ParseTableUpdates(R"([{"a":1}])"), IsErrorWith(bad, "'action' is missing"));
  EXPECT_THAT(ParseTableUpdates(R"([{"action":"set-location"}])"),
              IsErrorWith(bad, "[0]: set-location: field 'location' is missing"));
  EXPECT_THAT(ParseTableUpdates(R"([{"action":"add-encryption-key"}])"),
              IsErrorWith(ErrorCode::kUnsupported, "'add-encryption-key'"));
  EXPECT_THAT(ParseTableRequirements(R"([{"type":"assert-table-uuid"}])"),
              IsErrorWith(bad, "table requirements: [0]: assert-table-uuid: field 'uuid'"));
}

TEST(TableRequirement, ReadsAndWritesEveryType) {
  const std::string text = R"([{"type":"assert-create"},{"type":"assert-table-uuid","uuid":"u"},)"
                           R"({"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":5},)"
                           R"({"type":"assert-ref-snapshot-id","ref":"dev","snapshot-id":null},)"
                           R"({"type":"assert-last-assigned-field-id","last-assigned-field-id":1},)"
                           R"({"type":"assert-current-schema-id","current-schema-id":2},)"
                           R"({"type":"assert-last-assigned-partition-id",)"
                           R"("last-assigned-partition-id":3},)"
                           R"({"type":"assert-default-spec-id","default-spec-id":4},)"
                           R"({"type":"assert-default-sort-order-id","default-sort-order-id":5}])";
  PK_ASSERT_OK(const std::vector<TableRequirement> requirements, ParseTableRequirements(text));
  EXPECT_EQ(ToJson(requirements), text);
}

TEST(TableRequirement, OfCreationHoldsOnlyWithoutATable) {
  const TableMetadata table = Table();
  EXPECT_THAT(Check(AssertCreate{}, nullptr), IsOk());
  EXPECT_THAT(Check(AssertCreate{}, &table), IsErrorWith(kConflict, "exists already"));
  EXPECT_THAT(Check(AssertTableUuid{"x"}, nullptr),
              IsErrorWith(kConflict, "assert-table-uuid: the table does not exist"));
}

TEST(TableRequirement, ComparesUuidsWithoutRegardToCase) {
  const TableMetadata table = Table();
  EXPECT_THAT(Check(AssertTableUuid{"9C12D441-03FE-4693-9A96-A0705DDF69C1"}, &table), IsOk());
  EXPECT_THAT(Check(AssertTableUuid{"other"}, &table),
              IsErrorWith(kConflict, "expected uuid other, found 9c12d441"));
}

TEST(TableRequirement, HoldsRefsToTheirSnapshots) {
  TableMetadata table = Table();
  EXPECT_THAT(Check(AssertRefSnapshotId{"main", std::nullopt}, &table), IsOk());
  EXPECT_THAT(Check(AssertRefSnapshotId{"main", 7}, &table),
              IsErrorWith(kConflict, "ref 'main' is gone: expected snapshot 7"));
  table.refs["main"] = {.snapshot_id = 7};
  EXPECT_THAT(Check(AssertRefSnapshotId{"main", 7}, &table), IsOk());
  EXPECT_THAT(Check(AssertRefSnapshotId{"main", 8}, &table),
              IsErrorWith(kConflict, "has moved: expected snapshot 8, found 7"));
  EXPECT_THAT(Check(AssertRefSnapshotId{"main", std::nullopt}, &table),
              IsErrorWith(kConflict, "expected none, found snapshot 7"));
}

TEST(TableRequirement, ComparesIds) {
  const TableMetadata table = Table();
  EXPECT_THAT(Check(AssertLastAssignedFieldId{3}, &table), IsOk());
  EXPECT_THAT(Check(AssertLastAssignedFieldId{2}, &table),
              IsErrorWith(kConflict, "last assigned field id has changed: expected 2, found 3"));
  EXPECT_THAT(Check(AssertCurrentSchemaId{0}, &table), IsOk());
  EXPECT_THAT(Check(AssertCurrentSchemaId{1}, &table), IsErrorWith(kConflict, "schema id"));
  EXPECT_THAT(Check(AssertLastAssignedPartitionId{999}, &table), IsOk());
  EXPECT_THAT(Check(AssertLastAssignedPartitionId{1000}, &table), IsError(kConflict));
  EXPECT_THAT(Check(AssertDefaultSpecId{0}, &table), IsOk());
  EXPECT_THAT(Check(AssertDefaultSpecId{1}, &table), IsError(kConflict));
  EXPECT_THAT(Check(AssertDefaultSortOrderId{0}, &table), IsOk());
  EXPECT_THAT(Check(AssertDefaultSortOrderId{1}, &table), IsError(kConflict));
}

// Makes updates of which some apply and some do not.
class RandomUpdates {
 public:
  explicit RandomUpdates(uint32_t seed) : random_(seed) {}
  uint32_t Below(uint32_t bound) { return random_() % bound; }

  TableUpdate Next(const TableMetadata& table) {
    const int32_t id = int32_t(Below(4)) - 1;
    switch (Below(14)) {
      case 0:
        return AddSchema{std::make_shared<const Schema>(
            *ParseSchemaText("id long, day date, name string, c" + Name() + " int"))};
      case 1:
        return SetCurrentSchema{id};
      case 2:
        return AddPartitionSpec{{.fields = {{.source_id = int32_t(Below(5)),
                                             .name = "p" + Name(),
                                             .transform = {.kind = TransformKind::kBucket,
                                                           .parameter = 1 + int32_t(Below(3))}}}}};
      case 3:
        return SetDefaultSpec{id};
      case 4:
        return AddSortOrder{{.fields = {{.source_id = int32_t(Below(5)), .transform = {}}}}};
      case 5:
        return SetDefaultSortOrder{id};
      case 6:
      case 7:
        return AddSnapshot{std::make_shared<const Snapshot>(
            Snapshot{.snapshot_id = next_snapshot_++,
                     .sequence_number = table.last_sequence_number + int64_t(Below(4)),
                     .timestamp_ms = int64_t(1000 + Below(5000)),
                     .manifest_list = "m",
                     .summary = {{"operation", "append"}}})};
      case 8:
      case 9:
        return SetSnapshotRef{Below(2) == 0 ? "main" : "b" + Name(),
                              {.snapshot_id = SnapshotId(), .is_tag = Below(4) == 0}};
      case 10:
        return RemoveSnapshots{{SnapshotId(), SnapshotId()}};
      case 11:
        return RemoveSnapshotRef{Below(4) == 0 ? "main" : "b" + Name()};
      case 12:
        return SetProperties{{{Name(), Name()}}};
      default:
        return RemoveSchemas{{id}};
    }
  }

 private:
  std::string Name() { return std::to_string(Below(4)); }
  int64_t SnapshotId() { return next_snapshot_ - 1 - int64_t(Below(5)); }

  std::mt19937 random_;
  int64_t next_snapshot_ = 10;
};

TEST(Apply, KeepsEveryInvariantUnderRandomUpdates) {
  int applied = 0, refused = 0;
  for (uint32_t seed = 0; seed < 60; ++seed) {
    RandomUpdates random(seed);
    TableMetadata table = Table();
    for (int step = 0; step < 50; ++step) {
      std::vector<TableUpdate> updates;
      for (uint32_t i = 0; i <= random.Below(3); ++i) updates.push_back(random.Next(table));
      const std::string before = ToJson(table);
      const int64_t now_ms = 1000 + int64_t(random.Below(6000));
      const Result<TableMetadata> next = Apply(table, updates, now_ms);
      ASSERT_EQ(ToJson(table), before) << "the argument does not change";
      const Result<std::vector<TableUpdate>> reread = ParseTableUpdates(ToJson(updates));
      ASSERT_THAT(reread, IsOk());
      ASSERT_EQ(*reread, updates);
      if (!next.ok()) {
        ++refused;
        continue;
      }
      ++applied;
      ASSERT_GT(next->last_updated_ms, table.last_updated_ms);
      ASSERT_GE(next->last_sequence_number, table.last_sequence_number);
      ASSERT_GE(next->last_column_id, table.last_column_id);
      const std::string json = ToJson(*next);
      const Result<TableMetadata> read = ParseTableMetadata(json);
      ASSERT_THAT(read, IsOk()) << "seed " << seed << ": " << json;
      ASSERT_EQ(ToJson(*read), json);
      for (size_t i = 1; i < next->snapshot_log.size(); ++i)
        ASSERT_GE(next->snapshot_log[i].timestamp_ms, next->snapshot_log[i - 1].timestamp_ms);
      if (next->current_snapshot() != nullptr) {
        ASSERT_FALSE(next->snapshot_log.empty());
        ASSERT_EQ(next->snapshot_log.back().snapshot_id, next->current_snapshot()->snapshot_id);
      }
      table = *next;
    }
  }
  EXPECT_GT(applied, 500);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace pk::iceberg
