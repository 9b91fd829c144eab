#pragma once

// How each wanted column comes out of a Parquet file: matched by field id at every depth.

#include <arrow/type_fwd.h>
#include <parquet/arrow/reader.h>

#include <memory>
#include <set>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/column_decoder_internal.h"
#include "parkeeper/datafile/parquet_file_internal.h"
#include "parkeeper/iceberg/value.h"

namespace pk::datafile {

struct ColumnPlan {
  enum class Source {
    kConstant,  // the same value in each row: null, or what the partition tells
    kDecoded,   // one leaf, by a ColumnDecoder
    kAssembled  // nested, by Arrow's own reader
  };

  iceberg::Field field;
  Source source = Source::kConstant;
  iceberg::Value constant;
  DecoderOptions decoder;
  const FileField* file_field = nullptr;
  std::set<int> leaves;  // of an assembled column
};

// The plan for `field`. `constant` is its value where the file lacks it. kCorrupt names the column:
// missing though required, or stored as a type that does not become the wanted one.
Result<ColumnPlan> PlanColumn(const ParquetFile& file, const iceberg::Field& field,
                              const iceberg::Value& constant);

// `rows` times the same value, or null.
Result<std::shared_ptr<arrow::Array>> RepeatValue(const iceberg::Value& value,
                                                  const iceberg::Type& type, int64_t rows);

// An assembled column of one row group, as a decoder. Skipped rows are decoded all the same.
Result<std::unique_ptr<ColumnDecoder>> OpenAssembled(parquet::arrow::FileReader& reader, int group,
                                                     const ColumnPlan& plan);

}  // namespace pk::datafile
