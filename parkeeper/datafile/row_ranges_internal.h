#pragma once

// Which rows of a row group may pass a filter, told by its statistics, bloom filters and page index
// before anything is decoded.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/parquet_file_internal.h"
#include "parkeeper/iceberg/evaluate.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::datafile {

// Rows [begin, end) of a row group.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
  bool operator==(const RowRange&) const = default;
};
// Ascending, neither empty nor touching.
using RowRanges = std::vector<RowRange>;

RowRanges Intersect(const RowRanges& left, const RowRanges& right);
RowRanges Unite(const RowRanges& left, const RowRanges& right);
int64_t CountRows(const RowRanges& ranges);

// What is known of one row group.
struct GroupVerdict {
  enum class Reason { kRead, kStatistics, kBloomFilter, kPages };
  Reason reason = Reason::kRead;  // kRead, or why no row of it is needed
  RowRanges ranges{};             // of the rows that may pass
  bool all_pass = false;          // each of them passes, so none needs to be tested
};

struct PruningOptions {
  bool bloom_filters = true;
  bool page_index = true;
  // The value of a column that the file lacks; null when it is null throughout.
  std::function<iceberg::Value(int32_t field_id)> constant;
};

// `schema` is the table's and holds all columns that `filter` names. Statistics that cannot be
// trusted count as not there; an index or a bloom filter that cannot be read does too, for they
// only save work.
Result<GroupVerdict> JudgeRowGroup(const ParquetFile& file, int group,
                                   const iceberg::BoundExpression& filter,
                                   const iceberg::Schema& schema, const PruningOptions& options);

}  // namespace pk::datafile
