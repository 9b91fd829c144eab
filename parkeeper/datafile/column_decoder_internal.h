#pragma once

// Decoding of one top-level primitive column of a Parquet file straight into an Arrow array of the
// wanted Iceberg type. Rows are read in order; skipped rows cost no decoding, and pages that are
// skipped whole are not even decompressed.

#include <arrow/type_fwd.h>
#include <parquet/file_reader.h>
#include <parquet/schema.h>

#include <cstdint>
#include <memory>
#include <string>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/type.h"

namespace pk::datafile {

// How the stored values become those of the wanted type.
enum class Conversion {
  kNone,           // same width and meaning
  kWiden,          // int32 to int64 (signed)
  kWidenUnsigned,  // uint32 to int64
  kUnsigned64,     // uint64 to int64, refused beyond its range
  kFloatToDouble,
  kDecimal,         // int32, int64, fixed or binary to decimal128, same scale
  kMillisToMicros,  // int32 or int64
  kNanosToMicros,   // int64, rounded down
  kInt96ToMicros,
  kBytes,       // byte array to string or binary
  kFixedBytes,  // fixed of the same length
  kUnsupported,
};

// kUnsupported when values stored as `column` cannot be read as `target` (spec, "Schema
// Evolution").
Conversion FindConversion(const parquet::ColumnDescriptor& column,
                          const iceberg::PrimitiveType& target);

// The chunk of this column in row group `group` holds nothing but dictionary-encoded pages.
bool IsDictionaryEncoded(const parquet::RowGroupMetaData& group, int column);

struct DecoderOptions {
  int column = 0;  // leaf index
  iceberg::PrimitiveType target;
  Conversion conversion = Conversion::kNone;
  bool exact = false;  // a nanosecond that is no whole microsecond is an error, not rounded down
  bool dictionary = false;  // as an Arrow dictionary; IsDictionaryEncoded holds
};

// One column chunk. Not thread-safe. After an error only destruction is useful.
class ColumnDecoder {
 public:
  // `group` stays alive as long as the decoder. kCorrupt when the chunk cannot be read.
  static Result<std::unique_ptr<ColumnDecoder>> Open(parquet::RowGroupReader& group,
                                                     const DecoderOptions& options);
  virtual ~ColumnDecoder() = default;

  // Leaves out the next `rows` rows, when the next Read comes.
  virtual void Skip(int64_t rows) = 0;
  // Exactly `rows` rows; kCorrupt when the chunk ends earlier or its bytes are wrong.
  virtual Result<std::shared_ptr<arrow::Array>> Read(int64_t rows) = 0;
};

}  // namespace pk::datafile
