#pragma once

// Transformed columns as small codes: the keys of partitioning and sorting.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/iceberg/transform.h"

namespace pk::datafile {

// Each row's transformed value as a position in `values`, which are distinct and in the order of
// their first appearance; null is one of them. All NaNs are one value.
struct TransformCodes {
  std::vector<int32_t> of_row;
  std::vector<iceberg::Value> values;
};

// Of `array`, a form in which a Batch holds `source`. The transform is computed once per distinct
// value wherever that is cheaper than once per row. kUnsupported: an unknown transform.
Result<TransformCodes> CodesOf(const arrow::Array& array, const iceberg::PrimitiveType& source,
                               const iceberg::Transform& transform);

// Rows `indices` of `array`, in their order, in memory of their own.
Result<std::shared_ptr<arrow::Array>> Gather(const std::shared_ptr<arrow::Array>& array,
                                             const int32_t* indices, int64_t count);

}  // namespace pk::datafile
