#pragma once

// Reading manifests: entries decoded straight into columns, for planning over millions of files,
// with only the metrics asked for; or whole entries, for rewriting manifests.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::manifest {

// Strings of one column end to end, at most 2 GiB in all (readers refuse larger manifests). A
// missing one is empty and not `Has`.
class StringColumn {
 public:
  void Append(std::string_view text) {
    bytes_.append(text);
    ends_.push_back(uint32_t(bytes_.size()));
  }
  void AppendMissing() { ends_.push_back(uint32_t(bytes_.size()) | kMissing); }
  size_t size() const { return ends_.size(); }
  bool Has(size_t row) const { return (ends_[row] & kMissing) == 0; }
  std::string_view operator[](size_t row) const {
    const size_t begin = row == 0 ? 0 : ends_[row - 1] & ~kMissing;
    return std::string_view(bytes_).substr(begin, (ends_[row] & ~kMissing) - begin);
  }

 private:
  static constexpr uint32_t kMissing = uint32_t(1) << 31;

  std::string bytes_;
  std::vector<uint32_t> ends_;
};

// Metrics of one column over all entries; -1: not known.
struct MetricColumns {
  int32_t field_id = 0;
  // In the schema that the reader was given: bounds are read as this. A field that is not there, or
  // not primitive, has no bounds.
  iceberg::PrimitiveType type = {};
  std::vector<int64_t> value_count = {}, null_count = {}, nan_count = {};
  StringColumn lower = {}, upper = {};  // single-value binary
};

// Entries that live (status existing or added), by column; deleted ones where asked for. Sequence
// numbers and snapshot ids are resolved; a file sequence number is -1 where an early v2 writer left
// it out of an existing entry, and both are where one left them out of a deleted entry.
struct EntryColumns {
  std::vector<iceberg::EntryStatus> status;
  std::vector<int64_t> snapshot_id, sequence_number, file_sequence_number;
  std::vector<iceberg::FileContent> content;
  StringColumn location;
  std::vector<int64_t> record_count, file_size;
  // [partition field][entry]
  std::vector<std::vector<iceberg::Value>> partition;
  std::vector<std::vector<int64_t>> split_offsets;  // per entry; empty unless asked for
  std::vector<MetricColumns> metrics;               // one per field asked for

  size_t size() const { return status.size(); }
  // What a filter needs to know of entry `row`; a field not read gives nothing known.
  iceberg::ColumnStatistics Statistics(size_t row, int32_t field_id) const;
};

struct ReadOptions {
  std::vector<int32_t> metrics_of = {};  // field ids
  bool split_offsets = false;
  bool deleted = false;  // deleted entries too
};

// `file` is the manifest's line in the manifest list: sequence numbers and snapshot ids are
// inherited from it (spec, "Sequence Number Inheritance"; a manifest without such columns, v1,
// gives 0). A partition field whose source column is gone, or whose transform is unknown, reads as
// null. `schema` gives the types of metrics and partition sources (the table's current schema).
// kCorrupt says what and at which byte; a count or length that the bytes cannot hold is refused
// before memory is taken.
Result<EntryColumns> ReadColumns(std::string_view bytes, const iceberg::ManifestFile& file,
                                 const iceberg::PartitionSpec& spec, const iceberg::Schema& schema,
                                 const ReadOptions& options);

// Every entry, deleted ones too, whole, inheritance resolved.
Result<std::vector<iceberg::ManifestEntry>> ReadEntries(std::string_view bytes,
                                                        const iceberg::ManifestFile& file,
                                                        const iceberg::PartitionSpec& spec,
                                                        const iceberg::Schema& schema);

}  // namespace pk::manifest
