#pragma once

// What a data file's manifest entry says of its columns, from the file's own footer.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/schema.h"

namespace parquet {
class FileMetaData;
}

namespace pk::datafile {

// For every primitive field, at any depth, what is to be known of it. Without explicit modes only
// the first `max_metrics_columns` fields have metrics, a struct's own primitives before those of
// the structs inside it, as in the reference implementation.
std::map<int32_t, ColumnMetrics> MetricsPlan(const iceberg::Schema& schema,
                                             const WriterOptions& options);

// Adds the NaNs in `column` to the counts of its float and double fields; inside structs too, not
// inside lists and maps.
Result<> CountNans(const arrow::Array& column, const iceberg::Field& field,
                   std::map<int32_t, int64_t>& nan_counts);

// Fills in record count, split offsets, sizes, counts and bounds. Columns are found by field id;
// those inside lists and maps have sizes only.
void FillMetrics(const parquet::FileMetaData& footer, const iceberg::Schema& schema,
                 const std::map<int32_t, ColumnMetrics>& plan,
                 const std::map<int32_t, int64_t>& nan_counts, iceberg::DataFile& file);

}  // namespace pk::datafile
