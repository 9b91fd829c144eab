#pragma once

// Cells of Arrow columns as Iceberg values and as text.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>

#include "parkeeper/iceberg/type.h"
#include "parkeeper/iceberg/value.h"

namespace pk::datafile {

// The value in row `row` of `array`, which a Batch holds as a column of `type`.
iceberg::Value ValueAt(const arrow::Array& array, int64_t row, const iceberg::PrimitiveType& type);

// Appends the cell as people read it; nested ones as JSON. The cell is not null.
void AppendPlainText(const arrow::Array& array, int64_t row, const iceberg::Type& type,
                     std::string& out);

// Appends the cell as JSON, null included. Numbers are numbers, but decimals are strings, so that
// no reader rounds them, and so are NaN and the infinities; dates and the like as
// iceberg::ToString writes them; binary as hexadecimal; maps with string keys are objects, others
// arrays of [key, value]. What AppendJson of text_cell_internal.h reads.
void AppendJsonText(const arrow::Array& array, int64_t row, const iceberg::Type& type,
                    std::string& out);
// A JSON string of `text`.
void AppendJsonString(std::string_view text, std::string& out);

}  // namespace pk::datafile
