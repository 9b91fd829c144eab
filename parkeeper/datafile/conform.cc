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

class ConformingSource final : public BatchSource {
 public:
  ConformingSource(std::shared_ptr<const iceberg::Schema> schema,
                   std::unique_ptr<BatchSource> source)
      : schema_(std::move(schema)), source_(std::move(source)) {}

  const iceberg::Schema& schema() const override { return *schema_; }

  Result<std::optional<Batch>> Next() override {
    std::optional<Batch> batch = PK_TRY(source_->Next());
    if (!batch) return batch;
    auto conformed = Conform(*batch, source_->schema(), *schema_);
    if (!conformed.ok()) {
      Error failure = std::move(conformed).error();
      if (rows_before_ == 0) return failure;
      return std::move(failure).With(fmt::format("behind row {}", rows_before_));
    }
    rows_before_ += batch->num_rows();
    return std::optional<Batch>(*std::move(conformed));
  }

 private:
  const std::shared_ptr<const iceberg::Schema> schema_;
  const std::unique_ptr<BatchSource> source_;
  int64_t rows_before_ = 0;
};

}  // namespace

Result<> CheckConforms(const iceberg::Schema& from, const iceberg::Schema& to) {
  const std::vector<int> positions = PK_TRY(MatchNames(from.fields(), to.fields(), "column"));
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < 0) continue;
    const auto& source = from.fields()[static_cast<size_t>(positions[i])];
    PK_TRY(CheckConverts(source.type, to.fields()[i].type)
               .With(fmt::format("column '{}'", source.name)));
  }
  return {};
}

Result<Batch> Conform(const Batch& batch, const iceberg::Schema& from, const iceberg::Schema& to) {
  const std::vector<int> positions = PK_TRY(MatchNames(from.fields(), to.fields(), "column"));
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

Result<std::unique_ptr<BatchSource>> ConformTo(std::unique_ptr<BatchSource> source,
                                               std::shared_ptr<const iceberg::Schema> schema) {
  PK_TRY(CheckConforms(source->schema(), *schema));
  return std::make_unique<ConformingSource>(std::move(schema), std::move(source));
}

}  // namespace pk::datafile
