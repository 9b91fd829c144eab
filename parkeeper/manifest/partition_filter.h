#pragma once

// A filter as partitions see it: skips manifests by the summaries in their list, and entries by
// their partition values.

#include <vector>

#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/manifest/manifest_reader.h"

namespace pk::manifest {

// Immutable. Holds no reference to what it was made from.
class PartitionFilter {
 public:
  // `filter` is over the partition values of `spec`: field ids are partition field ids.
  PartitionFilter(iceberg::BoundExpression filter, const iceberg::PartitionSpec& spec,
                  const iceberg::Schema& schema);
  // Partitions in which a row that passes `rows` can lie.
  static PartitionFilter OfRows(const iceberg::BoundExpression& rows,
                                const iceberg::PartitionSpec& spec, const iceberg::Schema& schema);
  // One partition. A field whose values `schema` does not tell, because its source column is gone
  // or its transform unknown, is left out, and so is a value of another representation.
  static PartitionFilter OfValues(const std::vector<iceberg::Value>& values,
                                  const iceberg::PartitionSpec& spec,
                                  const iceberg::Schema& schema);

  // False only when no entry of the manifest can pass.
  bool MightMatch(const iceberg::ManifestFile& manifest) const;
  bool Matches(const EntryColumns& entries, size_t row) const;
  bool Matches(const std::vector<iceberg::Value>& partition) const;

 private:
  // The position of a field in the spec; their number when it is not there.
  size_t IndexOf(int32_t field_id) const;

  iceberg::BoundExpression filter_;
  std::vector<int32_t> field_ids_;
  std::vector<iceberg::PrimitiveType> types_;
};

}  // namespace pk::manifest
