#pragma once

// Reading Parquet data files: columns by field id, rows pruned by row-group statistics, bloom
// filters and page index, then filtered exactly; rows that delete files hide are left out.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/row_deletes.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/name_mapping.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/storage/storage.h"

namespace pk::datafile {

// Counters of what reading cost, summed over all readers that share them. Thread-safe.
struct ReadCounters {
  std::atomic<int64_t> files{0}, row_groups{0}, row_groups_skipped{0},
      row_groups_skipped_by_bloom{0}, rows_skipped_by_pages{0}, bytes_read{0}, rows_decoded{0},
      rows_hidden{0}, rows{0};
};

struct ReaderOptions {
  // What each batch holds, in order: columns of the table's schema by id; those that the file lacks
  // are null (or the partition's value where the spec's identity transform tells it).
  std::shared_ptr<const iceberg::Schema> projection;
  // Over any column of the table, projected or not; True reads all.
  iceberg::BoundExpression filter;
  // Of the table; columns that `filter` names are found here.
  std::shared_ptr<const iceberg::Schema> table_schema;
  std::optional<iceberg::NameMapping> name_mapping;  // for files without field ids
  // The spec of the file's partition, for columns that only the partition tells; only looked at
  // during OpenParquet. May be null.
  const iceberg::PartitionSpec* spec = nullptr;
  // Rows that these hide are left out. Positions are those of the file, whatever is pruned; the
  // columns of keys are read though nobody projects them, and a column that the file lacks counts
  // as it is read: null, or what the partition tells.
  RowDeletes deletes = {};
  // When there: only rows that these hide.
  std::optional<RowDeletes> only_hidden_by = std::nullopt;
  // Values of columns that no file has, by field id.
  std::map<int32_t, iceberg::Value> constants = {};
  // A top-level column of the projection that the file lacks is kCorrupt, optional or not.
  bool columns_must_exist = false;
  int64_t batch_rows = 65'536;
  bool dictionaries =
      true;  // hand over string columns as Arrow dictionaries where the file holds them so
  bool page_index = true;
  bool bloom_filters = true;
  // Only row groups whose first byte (their split offset) lies in [begin, end).
  int64_t begin = 0;
  int64_t end = INT64_MAX;
  ReadCounters* counters = nullptr;
};

// The rows of one data file. Memory: about one batch, the column chunks being decoded and 8 bytes
// for each of its rows that a position hides. kCorrupt names the file and the column; a file
// without field ids and without a mapping is read by the schema's names.
Result<std::unique_ptr<BatchSource>> OpenParquet(storage::Storage& storage,
                                                 const iceberg::DataFile& file,
                                                 const ReaderOptions& options);

// What a Parquet file says of itself: for import, registration of existing files and doctor.
struct ParquetSummary {
  iceberg::Schema schema;  // ids of the file, or from 1 on
  bool has_field_ids = false;
  int64_t rows = 0;
  int64_t row_groups = 0;
  std::string created_by;
};
Result<ParquetSummary> DescribeParquet(storage::RandomAccessFile& file);

}  // namespace pk::datafile
