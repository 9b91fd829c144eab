#pragma once

// Batches to and from another library in this process, over the Arrow C data interface, for layers
// that do not know what its structures look like.

#include <functional>
#include <memory>
#include <optional>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"

struct ArrowSchema;  // Arrow C data interface, arrow/c/abi.h
struct ArrowArray;

namespace pk::datafile {

// The source as a stream that this process keeps: it is released, and the source with it, by its
// last holder. The consumer may work on a copy of the structure that it does not release. The first
// batch is read at once. Rows come once: whoever asks on after their end gets an error, not another
// end. `failure`, which must live as long, is set to the error of the source that ended the stream.
Result<std::shared_ptr<ArrowArrayStream>> HoldStream(std::unique_ptr<BatchSource> source,
                                                     std::optional<Error>& failure);

// A source over rows that somebody else makes. `fill_schema` fills the released structure that it
// is given with a struct type, whose members are the columns; `fill_rows` likewise with the next
// rows, and returns false when there are no more. Columns become an Iceberg schema as those of
// ImportStream do, ids from 1 on; errors of types are its errors, those of the functions come out
// as they are.
using FillSchema = std::function<Result<>(ArrowSchema*)>;
using FillRows = std::function<Result<bool>(ArrowArray*)>;
Result<std::unique_ptr<BatchSource>> SourceOfRows(const FillSchema& fill_schema,
                                                  FillRows fill_rows);

}  // namespace pk::datafile
