#pragma once

// A BatchSource under Arrow's writers.

#include <arrow/record_batch.h>

#include <memory>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"

namespace pk::datafile {

// `source` as Arrow batches of one schema, whose errors FromArrow gives back as they were.
Result<std::shared_ptr<arrow::RecordBatchReader>> ReaderOver(std::unique_ptr<BatchSource> source);

}  // namespace pk::datafile
