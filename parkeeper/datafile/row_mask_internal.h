#pragma once

// Which rows of a batch pass a filter, exactly: the same answer as iceberg::Matches gives row by
// row, column by column.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::datafile {

struct RowMask {
  std::vector<uint8_t> passes;  // 0 or 1 for each row
  int64_t count = 0;            // of the rows that pass

  bool none() const { return count == 0; }
  bool all() const { return count == static_cast<int64_t>(passes.size()); }
};

// The column with this field id, of its plain Arrow type, a dictionary or a view.
using ColumnSource = std::function<Result<std::shared_ptr<arrow::Array>>(int32_t field_id)>;

Result<RowMask> EvaluateRows(const iceberg::BoundExpression& filter, int64_t rows,
                             const ColumnSource& columns);

// The mask as Arrow's kernels want it.
Result<std::shared_ptr<arrow::Array>> SelectionOf(const RowMask& mask);
// `array` cut down to the rows of `selection`.
Result<std::shared_ptr<arrow::Array>> Apply(const std::shared_ptr<arrow::Array>& selection,
                                            const std::shared_ptr<arrow::Array>& array);

// The column `field_id` of a batch with the columns of `schema`; a member of a struct is null where
// the struct is. kInternal when there is none.
Result<std::shared_ptr<arrow::Array>> ColumnById(const arrow::RecordBatch& batch,
                                                 const iceberg::Schema& schema, int32_t field_id);

}  // namespace pk::datafile
