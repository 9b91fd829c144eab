#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/projection_internal.h"

namespace pk::datafile {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

bool HasSelected(const FileField& field, const std::set<int>& leaves) {
  if (field.is_leaf()) return leaves.contains(field.field->column_index);
  return std::any_of(field.children.begin(), field.children.end(),
                     [&](const FileField& child) { return HasSelected(child, leaves); });
}

// Brings what Arrow assembled, by the names and order of the file, into the form of the table.
class Shaping {
 public:
  // `exact`: as in DecoderOptions.
  Shaping(const std::set<int>& leaves, bool exact) : leaves_(leaves), exact_(exact) {}

  arrow::Result<ArrayPtr> Shape(ArrayPtr array, const FileField& stored,
                                const iceberg::Type& wanted) const {
    if (wanted.is_primitive()) return ShapePrimitive(array, wanted);
    if (const auto* members = wanted.struct_type()) {
      return ShapeStruct(*array, stored, *members, ToArrowType(wanted));
    }
    if (const auto* list = wanted.list()) {
      ARROW_ASSIGN_OR_RAISE(array, AsList(array));
      const auto& data = *array->data();
      ARROW_ASSIGN_OR_RAISE(auto element, Shape(arrow::MakeArray(data.child_data[0]),
                                                stored.children[0], list->element));
      return Rebuild(data, ToArrowType(wanted), {element->data()});
    }
    return ShapeMap(*array, stored, *wanted.map(), ToArrowType(wanted));
  }

 private:
  arrow::Result<ArrayPtr> ShapePrimitive(const ArrayPtr& array, const iceberg::Type& wanted) const {
    auto type = ToArrowType(wanted);
    if (array->type()->Equals(*type)) return array;
    RegisterKernels();
    auto options = arrow::compute::CastOptions::Safe(type);
    options.allow_time_truncate = !exact_;
    options.allow_invalid_utf8 = true;
    return arrow::compute::Cast(*array, type, options);
  }

  static arrow::Result<ArrayPtr> AsList(const ArrayPtr& array) {
    if (array->type_id() == arrow::Type::LIST) return array;
    RegisterKernels();
    return arrow::compute::Cast(*array, arrow::list(array->type()->field(0)));
  }

  static ArrayPtr Rebuild(const arrow::ArrayData& data, std::shared_ptr<arrow::DataType> type,
                          std::vector<std::shared_ptr<arrow::ArrayData>> children) {
    return arrow::MakeArray(arrow::ArrayData::Make(std::move(type), data.length, data.buffers,
                                                   std::move(children), data.null_count,
                                                   data.offset));
  }

  arrow::Result<ArrayPtr> ShapeStruct(const arrow::Array& array, const FileField& stored,
                                      const iceberg::StructType& wanted,
                                      std::shared_ptr<arrow::DataType> type) const {
    const auto& data = *array.data();
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (const iceberg::Field& member : wanted.fields) {
      ARROW_ASSIGN_OR_RAISE(auto child, ShapeMember(data, stored, member));
      children.push_back(child->data());
    }
    return Rebuild(data, std::move(type), std::move(children));
  }

  arrow::Result<ArrayPtr> ShapeMember(const arrow::ArrayData& data, const FileField& stored,
                                      const iceberg::Field& member) const {
    size_t at = 0;  // among the members that were read
    for (const FileField& child : stored.children) {
      if (!HasSelected(child, leaves_)) continue;
      if (child.id == member.id) {
        if (at >= data.child_data.size()) return arrow::Status::Invalid("a struct lacks a member");
        return Shape(arrow::MakeArray(data.child_data[at]), child, member.type);
      }
      ++at;
    }
    return arrow::MakeArrayOfNull(ToArrowType(member.type), data.offset + data.length);
  }

  arrow::Result<ArrayPtr> ShapeMap(const arrow::Array& array, const FileField& stored,
                                   const iceberg::MapType& wanted,
                                   std::shared_ptr<arrow::DataType> type) const {
    const auto& data = *array.data();
    const auto& entries = *data.child_data[0];
    const auto& parts = stored.children[0].children;
    if (entries.child_data.size() != 2) return arrow::Status::Invalid("a map lacks its values");
    ARROW_ASSIGN_OR_RAISE(auto keys,
                          Shape(arrow::MakeArray(entries.child_data[0]), parts[0], wanted.key));
    ARROW_ASSIGN_OR_RAISE(auto values,
                          Shape(arrow::MakeArray(entries.child_data[1]), parts[1], wanted.value));
    auto shaped = Rebuild(entries, type->field(0)->type(), {keys->data(), values->data()});
    return Rebuild(data, type, {shaped->data()});
  }

  const std::set<int>& leaves_;
  const bool exact_;
};

class AssembledColumn : public ColumnDecoder {
 public:
  AssembledColumn(std::unique_ptr<arrow::RecordBatchReader> batches, const ColumnPlan& plan)
      : batches_(std::move(batches)), plan_(plan) {}

  void Skip(int64_t rows) override { pending_ += rows; }

  Result<ArrayPtr> Read(int64_t rows) override {
    return Guarded(ErrorCode::kCorrupt, [&]() -> arrow::Result<ArrayPtr> {
      while (pending_ > 0) {
        ARROW_ASSIGN_OR_RAISE(auto left_out, Take(pending_));
        pending_ -= left_out->length();
      }
      arrow::ArrayVector parts;
      for (int64_t done = 0; done < rows;) {
        ARROW_ASSIGN_OR_RAISE(auto part, Take(rows - done));
        done += part->length();
        ARROW_ASSIGN_OR_RAISE(part, Shaping(plan_.leaves, plan_.decoder.exact)
                                        .Shape(part, *plan_.file_field, plan_.field.type));
        parts.push_back(std::move(part));
      }
      if (parts.size() == 1) return parts[0];
      return arrow::Concatenate(parts);
    });
  }

 private:
  // At least one row, at most `rows`.
  arrow::Result<ArrayPtr> Take(int64_t rows) {
    while (rest_ == nullptr || rest_->length() == 0) {
      ARROW_ASSIGN_OR_RAISE(auto batch, batches_->Next());
      if (batch == nullptr || batch->num_columns() != 1) {
        return arrow::Status::Invalid("the column ends before the row group does");
      }
      rest_ = batch->column(0);
    }
    auto taken = rest_->Slice(0, std::min(rows, rest_->length()));
    rest_ = rest_->Slice(taken->length());
    return taken;
  }

  std::unique_ptr<arrow::RecordBatchReader> batches_;
  const ColumnPlan& plan_;
  ArrayPtr rest_;
  int64_t pending_ = 0;
};

}  // namespace

Result<std::unique_ptr<ColumnDecoder>> OpenAssembled(parquet::arrow::FileReader& reader, int group,
                                                     const ColumnPlan& plan) {
  const std::vector<int> leaves(plan.leaves.begin(), plan.leaves.end());
  auto batches = PK_TRY(
      Guarded(ErrorCode::kCorrupt, [&] { return reader.GetRecordBatchReader({group}, leaves); }));
  return std::make_unique<AssembledColumn>(std::move(batches), plan);
}

}  // namespace pk::datafile
