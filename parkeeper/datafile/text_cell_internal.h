#pragma once

// Cells of text put into Arrow builders as the values that the schema wants.

#include <arrow/array/builder_base.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::datafile {

// Appends the value that `text` spells; false when it spells none of this type.
Result<bool> AppendText(std::string_view text, const iceberg::PrimitiveType& type,
                        arrow::ArrayBuilder& builder);

// Appends the value of the JSON text `json`, nested types included: objects as structs, arrays as
// lists, objects as maps with string keys and arrays of [key, value] as others. Numbers are read
// exactly. kInvalidArgument names the member at fault, from `path` on, its text and the wanted
// type.
Result<> AppendJson(std::string_view json, const iceberg::Field& field, const std::string& path,
                    arrow::ArrayBuilder& builder);

// A batch on the way, one builder per column.
class RowBuilder {
 public:
  static Result<RowBuilder> Make(std::shared_ptr<const iceberg::Schema> schema);

  const iceberg::Schema& schema() const { return *schema_; }
  arrow::ArrayBuilder& column(size_t i) { return *builders_[i]; }
  // Appends the members of the JSON object `line` as one row; errors as AppendJson.
  Result<> AppendObject(std::string_view line);
  // What was appended, as the columns of a Batch; the builder is empty afterwards.
  Result<std::shared_ptr<arrow::RecordBatch>> Finish();

 private:
  std::shared_ptr<const iceberg::Schema> schema_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
};

// "'abc' is not an int", the text cut to a length that can be read.
std::string IsNot(std::string_view text, const iceberg::Type& type);

}  // namespace pk::datafile
