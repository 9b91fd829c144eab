#include "parkeeper/manifest/partition_filter.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::manifest {
namespace {

using iceberg::Value;

iceberg::Schema Columns() {
  return iceberg::ParseSchemaText("id long, cat string, x double").value();
}
iceberg::PartitionSpec ByCategory(const iceberg::Schema& schema) {
  return iceberg::ParsePartitionText("cat", schema).value();
}

// Partitions from "b" to "d", none of them null.
iceberg::ManifestFile Manifest() {
  iceberg::ManifestFile manifest;
  manifest.partitions = {
      {.contains_null = false, .contains_nan = false, .lower = "b", .upper = "d"}};
  return manifest;
}

bool MayHold(const Value& value, const iceberg::ManifestFile& manifest = Manifest(),
             const iceberg::Schema& schema = Columns()) {
  return PartitionFilter::OfValues({value}, ByCategory(Columns()), schema).MightMatch(manifest);
}

TEST(PartitionFilter, FindsManifestsThatCanHoldAPartition) {
  EXPECT_TRUE(MayHold(std::string("c")));
  EXPECT_TRUE(MayHold(std::string("d")));
  EXPECT_FALSE(MayHold(std::string("e")));
  EXPECT_FALSE(MayHold(std::string("a")));
  EXPECT_FALSE(MayHold(Value()));
  iceberg::ManifestFile with_null = Manifest();
  with_null.partitions[0].contains_null = true;
  EXPECT_TRUE(MayHold(Value(), with_null));
}

TEST(PartitionFilter, RulesNothingOutByWhatItDoesNotKnow) {
  EXPECT_TRUE(MayHold(int64_t{5})) << "a value of another type";
  iceberg::ManifestFile silent = Manifest();
  silent.partitions.clear();
  EXPECT_TRUE(MayHold(std::string("e"), silent));
  const auto without = iceberg::ParseSchemaText("id long").value();
  EXPECT_TRUE(MayHold(Value(), Manifest(), without)) << "the values of a column that is gone";
}

TEST(PartitionFilter, CarriesAFilterOverRowsToPartitions) {
  const iceberg::Schema schema = Columns();
  const auto of = [&](std::string_view text) {
    const auto bound = iceberg::Bind(iceberg::ParseExpression(text).value(), schema).value();
    return PartitionFilter::OfRows(bound, ByCategory(schema), schema);
  };
  EXPECT_TRUE(of("cat = 'c' and id = 5").MightMatch(Manifest()));
  EXPECT_FALSE(of("cat = 'x' and id = 5").MightMatch(Manifest()));
  EXPECT_TRUE(of("id = 5").MightMatch(Manifest()));
  EntryColumns entries;
  entries.partition = {{Value(std::string("c")), Value(std::string("d")), Value()}};
  EXPECT_TRUE(of("cat = 'c'").Matches(entries, 0));
  EXPECT_FALSE(of("cat = 'c'").Matches(entries, 1));
  EXPECT_TRUE(of("cat is null").Matches(entries, 2));
}

}  // namespace
}  // namespace pk::manifest
