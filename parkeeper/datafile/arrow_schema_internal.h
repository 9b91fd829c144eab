#pragma once

// Iceberg's types as Arrow's, both ways.
//
//   boolean bool              date        date32              string  utf8
//   int     int32             time        time64[us]          uuid    fixed_size_binary(16)
//   long    int64             timestamp   timestamp[us]       fixed   fixed_size_binary(n)
//   float   float             timestamptz timestamp[us, UTC]  binary  binary
//   double  double            decimal     decimal128(p, s)
//   struct  struct            list        list<element>       map     map<key, value>
//
// These are the plain types. A Batch may also hold a string or binary column (at any depth) as a
// dictionary of the plain type with int32 indices, or as a view (utf8_view, binary_view); nothing
// else. Normalise() brings everything else that Arrow knows into this form.
//
// A field carries its id as metadata PARQUET:field_id, and a uuid ARROW:extension:name "arrow.uuid"
// on its field, which makes it Arrow's uuid for whoever receives it over the C data interface; in
// this process it stays a plain fixed_size_binary, for the kernels' sake.

#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::datafile {

std::shared_ptr<arrow::DataType> ToArrowType(const iceberg::Type& type);
// Nullable unless required, with its id.
std::shared_ptr<arrow::Field> ToArrowField(const iceberg::Field& field);
std::shared_ptr<arrow::Schema> ToArrowSchema(const iceberg::Schema& schema);

// The id in the field's metadata, when there is a readable one.
std::optional<int32_t> FieldIdOf(const arrow::Field& field);

// The Iceberg type that takes all values of an Arrow one, or nearly: what Iceberg lacks is promoted
// (small and unsigned integers to int or long, half floats to float, any date to date, any time
// unit to microseconds, large, view and fixed-size forms to plain ones, dictionaries and run-end
// encodings to their values), and the rare value that does not survive it (a uint64 over 2^63 - 1,
// a nanosecond that is no whole microsecond) is refused with its row when rows are converted.
// kInvalidArgument names the column and the reason: null, duration, interval and union types,
// decimals beyond 38 digits. Ids: those of the metadata if all have a free one, else from 1.
Result<iceberg::Schema> FromArrowSchema(const arrow::Schema& schema);

// `actual` is a form in which a Batch may hold `type`. Names and metadata of nested fields do not
// count.
bool IsHeldAs(const arrow::DataType& actual, const iceberg::Type& type);

}  // namespace pk::datafile
