#pragma once

// The columns of one row group in the form in which parquet's writer is fastest and its files are
// smallest.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/parquet_writer.h"
#include "parkeeper/iceberg/type.h"

namespace pk::datafile {

// `chunks`, forms in which a Batch holds a column of `type`, as the values to write:
//  - decimals of up to 18 digits as the integers that Parquet stores,
//  - strings and binaries that come as dictionaries with one dictionary in all chunks, since
//    parquet gives up dictionary encoding at the first chunk with another one; or written out when
//    they hardly repeat or their values exceed `dictionary_bytes`,
//  - nested columns without dictionaries,
//  - all else as it is.
Result<std::shared_ptr<arrow::ChunkedArray>> PrepareColumn(const arrow::ArrayVector& chunks,
                                                           const iceberg::Type& type,
                                                           int64_t dictionary_bytes);

// How the values of a column are best encoded.
enum class ColumnEncoding { kDictionary, kPlain, kDelta, kByteStreamSplit, kDeltaLength };

// Decides from a sample of a prepared column, top-level and not nested.
ColumnEncoding ChooseEncoding(const arrow::ChunkedArray& column, Encodings choice,
                              int64_t dictionary_bytes);

}  // namespace pk::datafile
