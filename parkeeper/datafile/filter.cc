#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/row_mask_internal.h"

namespace pk::datafile {

Result<Batch> Filter(const Batch& batch, const iceberg::Schema& schema,
                     const iceberg::BoundExpression& filter) {
  if (filter.is_true()) return batch;
  if (filter.is_false()) return Batch{batch.rows->Slice(0, 0)};
  const RowMask mask = PK_TRY(EvaluateRows(filter, batch.rows->num_rows(), [&](int32_t id) {
    return ColumnById(*batch.rows, schema, id);
  }));
  if (mask.all()) return batch;
  if (mask.none()) return Batch{batch.rows->Slice(0, 0)};
  const auto selection = PK_TRY(SelectionOf(mask));
  arrow::ArrayVector columns;
  for (const auto& column : batch.rows->columns())
    columns.push_back(PK_TRY(Apply(selection, column)));
  return Batch{arrow::RecordBatch::Make(batch.rows->schema(), mask.count, std::move(columns))};
}

}  // namespace pk::datafile
