#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/datafile/convert_internal.h"

namespace pk::datafile {
namespace {

// Where `to`'s columns stand in `from`; -1 for a missing one.
Result<std::vector<int>> Positions(const iceberg::Schema& from, const iceberg::Schema& to) {
  std::vector<int> positions;
  for (const auto& field : to.fields()) {
    int position = -1;
    for (size_t i = 0; i < from.fields().size(); ++i)
      if (from.fields()[i].name == field.name) position = static_cast<int>(i);
    PK_CHECK(position >= 0 || !field.required,
             InvalidArgument(fmt::format("column '{}' is required and missing", field.name)));
    positions.push_back(position);
  }
  for (const auto& field : from.fields()) {
    bool known = false;
    for (const auto& wanted : to.fields()) known |= wanted.name == field.name;
    PK_CHECK(known, InvalidArgument(fmt::format("column '{}' is not in the table", field.name)));
  }
  return positions;
}

}  // namespace

Result<> CheckConforms(const iceberg::Schema& from, const iceberg::Schema& to) {
  const std::vector<int> positions = PK_TRY(Positions(from, to));
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < 0) continue;
    const auto& source = from.fields()[static_cast<size_t>(positions[i])];
    PK_TRY(CheckConverts(source.type, to.fields()[i].type)
               .With(fmt::format("column '{}'", source.name)));
  }
  return {};
}

Result<Batch> Conform(const Batch& batch, const iceberg::Schema& from, const iceberg::Schema& to) {
  const std::vector<int> positions = PK_TRY(Positions(from, to));
  PK_CHECK(batch.rows->num_columns() == static_cast<int>(from.fields().size()),
           InvalidArgument(fmt::format("a batch has {} columns where its schema has {}",
                                       batch.rows->num_columns(), from.fields().size())));
  arrow::ArrayVector columns;
  arrow::FieldVector held;
  for (size_t i = 0; i < positions.size(); ++i) {
    const iceberg::Field& field = to.fields()[i];
    if (positions[i] < 0) {
      columns.push_back(
          PK_TRY(FromArrow(arrow::MakeArrayOfNull(ToArrowType(field.type), batch.num_rows()))));
    } else {
      columns.push_back(
          PK_TRY(ConvertColumn(batch.rows->column(positions[i]),
                               from.fields()[static_cast<size_t>(positions[i])], field)));
    }
    held.push_back(ToArrowField(field)->WithType(columns.back()->type()));
  }
  return Batch{arrow::RecordBatch::Make(arrow::schema(std::move(held)), batch.num_rows(),
                                        std::move(columns))};
}

}  // namespace pk::datafile
