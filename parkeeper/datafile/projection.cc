#include "parkeeper/datafile/projection_internal.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>
#include <parquet/schema.h>

#include <cstring>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveType;
using iceberg::Value;

const FileField* FindField(const std::vector<FileField>& fields, int32_t id) {
  for (const FileField& field : fields) {
    if (field.id == id && id != 0) return &field;
  }
  return nullptr;
}

Error WrongType(const std::string& path, const FileField& stored, const iceberg::Type& wanted) {
  return Corrupt(fmt::format("column '{}' is stored as {}, which cannot be read as {}", path,
                             stored.field->field->type()->ToString(), iceberg::ToString(wanted)));
}

bool IsList(const FileField& field) {
  const auto kind = field.field->field->type()->id();
  return (kind == arrow::Type::LIST || kind == arrow::Type::LARGE_LIST ||
          kind == arrow::Type::FIXED_SIZE_LIST) &&
         field.children.size() == 1;
}

void AddLeaves(const FileField& field, std::set<int>& leaves) {
  if (field.is_leaf()) leaves.insert(field.field->column_index);
  for (const FileField& child : field.children) AddLeaves(child, leaves);
}

int FirstLeaf(const FileField& field) {
  const FileField* at = &field;
  while (!at->is_leaf() && !at->children.empty()) at = &at->children.front();
  return at->field->column_index;
}

// Collects the leaves to be read for a nested column.
class LeafSelection {
 public:
  LeafSelection(const ParquetFile& file, std::set<int>& leaves) : file_(file), leaves_(leaves) {}

  Result<> Select(const FileField& stored, const iceberg::Type& wanted, const std::string& path) {
    if (const PrimitiveType* primitive = wanted.primitive()) {
      PK_CHECK(stored.is_leaf(), WrongType(path, stored, wanted));
      const auto* column = file_.metadata->schema()->Column(stored.field->column_index);
      PK_CHECK(FindConversion(*column, *primitive) != Conversion::kUnsupported,
               WrongType(path, stored, wanted));
      leaves_.insert(stored.field->column_index);
      return {};
    }
    if (const auto* members = wanted.struct_type()) {
      PK_CHECK(stored.field->field->type()->id() == arrow::Type::STRUCT,
               WrongType(path, stored, wanted));
      return SelectMembers(stored, *members, path);
    }
    if (const auto* list = wanted.list()) {
      PK_CHECK(IsList(stored), WrongType(path, stored, wanted));
      return Select(stored.children[0], list->element, path + ".element");
    }
    const auto* map = wanted.map();
    PK_CHECK(stored.field->field->type()->id() == arrow::Type::MAP && stored.children.size() == 1 &&
                 stored.children[0].children.size() == 2,
             WrongType(path, stored, wanted));
    const auto& parts = stored.children[0].children;
    AddLeaves(parts[0], leaves_);
    PK_TRY(Select(parts[0], map->key, path + ".key"));
    return Select(parts[1], map->value, path + ".value");
  }

 private:
  Result<> SelectMembers(const FileField& stored, const iceberg::StructType& wanted,
                         const std::string& path) {
    bool any = false;
    for (const iceberg::Field& member : wanted.fields) {
      const std::string name = path + "." + member.name;
      if (const FileField* found = FindField(stored.children, member.id)) {
        PK_TRY(Select(*found, member.type, name));
        any = true;
        continue;
      }
      PK_CHECK(!member.required,
               Corrupt(fmt::format("column '{}' is required and the file lacks it", name)));
    }
    // Some leaf has to tell where the struct itself is null.
    if (!any) leaves_.insert(FirstLeaf(stored));
    return {};
  }

  const ParquetFile& file_;
  std::set<int>& leaves_;
};

arrow::Result<std::shared_ptr<arrow::Scalar>> ToScalar(const Value& value,
                                                       std::shared_ptr<arrow::DataType> type) {
  if (const auto* v = std::get_if<bool>(&value)) return arrow::MakeScalar(std::move(type), *v);
  if (const auto* v = std::get_if<int32_t>(&value)) return arrow::MakeScalar(std::move(type), *v);
  if (const auto* v = std::get_if<int64_t>(&value)) return arrow::MakeScalar(std::move(type), *v);
  if (const auto* v = std::get_if<float>(&value)) return arrow::MakeScalar(std::move(type), *v);
  if (const auto* v = std::get_if<double>(&value)) return arrow::MakeScalar(std::move(type), *v);
  if (const auto* v = std::get_if<iceberg::Int128>(&value)) {
    uint8_t bytes[16];
    std::memcpy(bytes, v, 16);
    return arrow::MakeScalar(std::move(type), arrow::Decimal128(bytes));
  }
  if (const auto* v = std::get_if<std::string>(&value)) {
    return arrow::MakeScalar(std::move(type), arrow::Buffer::FromString(*v));
  }
  return arrow::MakeNullScalar(std::move(type));
}

}  // namespace

Result<ColumnPlan> PlanColumn(const ParquetFile& file, const iceberg::Field& field,
                              const Value& constant) {
  ColumnPlan plan{.field = field, .constant = constant, .decoder = {}, .leaves = {}};
  plan.file_field = FindField(file.fields, field.id);
  if (plan.file_field == nullptr) {
    PK_CHECK(!field.required || !iceberg::IsNull(constant),
             Corrupt(fmt::format("column '{}' is required and the file lacks it", field.name)));
    return plan;
  }
  const PrimitiveType* primitive = field.type.primitive();
  if (primitive != nullptr && plan.file_field->is_leaf()) {
    const int leaf = plan.file_field->field->column_index;
    const auto* column = file.metadata->schema()->Column(leaf);
    const Conversion conversion = FindConversion(*column, *primitive);
    PK_CHECK(conversion != Conversion::kUnsupported && column->max_repetition_level() == 0,
             WrongType(field.name, *plan.file_field, field.type));
    plan.source = ColumnPlan::Source::kDecoded;
    plan.decoder = {.column = leaf, .target = *primitive, .conversion = conversion};
    return plan;
  }
  plan.source = ColumnPlan::Source::kAssembled;
  PK_TRY(LeafSelection(file, plan.leaves).Select(*plan.file_field, field.type, field.name));
  return plan;
}

Result<std::shared_ptr<arrow::Array>> RepeatValue(const Value& value, const iceberg::Type& type,
                                                  int64_t rows) {
  auto arrow_type = ToArrowType(type);
  if (iceberg::IsNull(value)) return FromArrow(arrow::MakeArrayOfNull(arrow_type, rows));
  const auto scalar = PK_TRY(FromArrow(ToScalar(value, arrow_type)));
  return FromArrow(arrow::MakeArrayFromScalar(*scalar, rows));
}

}  // namespace pk::datafile
