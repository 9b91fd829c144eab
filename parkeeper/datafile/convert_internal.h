#pragma once

// Columns from one type, and from one form in Arrow, to another; exactly or not at all.

#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::datafile {

// Where each of `to` stands in `from`, by its name, or else by one that is the same in any case of
// ASCII letters; -1: nowhere. kInvalidArgument says of a `what` ("column") that it is nobody's, or
// required and missing.
Result<std::vector<int>> MatchNames(const std::vector<iceberg::Field>& from,
                                    const std::vector<iceberg::Field>& to, std::string_view what);

// Whether values of `from` can become values of `to` (some may still turn out not to fit).
// kInvalidArgument names the member of nested types; the message goes behind "column 'name': ".
Result<> CheckConverts(const iceberg::Type& from, const iceberg::Type& to);

// `array`, any Arrow array whose Iceberg type by FromArrowSchema is `from.type`, as one that a
// Batch may hold for `to.type`. Struct members are matched by name. Strings and binaries stay
// dictionaries or views when they are. The same array, without a copy, when nothing is to be done.
// kInvalidArgument names row and column: a value that does not fit, a null where `to` requires one.
Result<std::shared_ptr<arrow::Array>> ConvertColumn(const std::shared_ptr<arrow::Array>& array,
                                                    const iceberg::Field& from,
                                                    const iceberg::Field& to);

// A batch of any Arrow arrays, whose types are those of `schema` by FromArrowSchema, in the form of
// a Batch.
Result<std::shared_ptr<arrow::RecordBatch>> Normalise(
    const std::shared_ptr<arrow::RecordBatch>& batch, const iceberg::Schema& schema);

// The validity bits of `array` as a buffer that begins with its first row; null when all are valid.
Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const arrow::Array& array);

// `array`, in a form in which a Batch may hold a column, as the plain Arrow type: no dictionaries,
// no views, at any depth.
Result<std::shared_ptr<arrow::Array>> InPlainForm(const std::shared_ptr<arrow::Array>& array);

// kInvalidArgument names row and column of a null where `field`, or a field inside it, is required.
// `array` must be held as `field.type`.
Result<> CheckRequired(const arrow::Array& array, const iceberg::Field& field);

}  // namespace pk::datafile
