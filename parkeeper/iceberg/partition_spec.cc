#include "parkeeper/iceberg/partition_spec.h"

#include <fmt/format.h>

#include <cassert>
#include <set>

namespace pk::iceberg {
namespace {

// The source column of a transform, held against the rules that specs and sort orders share.
Result<> ValidateSource(const Transform& transform, int32_t source_id, const Schema& schema) {
  const Field* source = schema.FindById(source_id);
  PK_CHECK(source != nullptr,
           InvalidArgument(fmt::format("there is no source column with id {}", source_id)));
  const std::string name = schema.FullName(source_id);
  const PrimitiveType* type = source->type.primitive();
  PK_CHECK(type != nullptr,
           InvalidArgument(fmt::format("column '{}' is not of a primitive type: {}", name,
                                       ToString(source->type))));
  PK_CHECK(!schema.IsRepeated(source_id),
           InvalidArgument(fmt::format("column '{}' is inside a list or map", name)));
  PK_TRY(ResultType(transform, *type).With(fmt::format("column '{}'", name)));
  return {};
}

PrimitiveType PartitionType(const PartitionField& field, const Schema& schema) {
  constexpr PrimitiveType kUnknownType{.kind = PrimitiveKind::kString};
  // A result that does not depend on the source outlives it.
  switch (field.transform.kind) {
    case TransformKind::kBucket:
    case TransformKind::kYear:
    case TransformKind::kMonth:
    case TransformKind::kHour:
      return {.kind = PrimitiveKind::kInt};
    case TransformKind::kDay:
      return {.kind = PrimitiveKind::kDate};
    default:
      break;
  }
  const Field* source = schema.FindById(field.source_id);
  if (source == nullptr || source->type.primitive() == nullptr) return kUnknownType;
  const auto type = ResultType(field.transform, *source->type.primitive());
  return type.ok() ? *type : kUnknownType;
}

// As java.net.URLEncoder: form encoding, not that of paths.
void AppendEncoded(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '-' || c == '*' || c == '_';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
}

}  // namespace

Result<> Validate(const PartitionSpec& spec, const Schema& schema) {
  std::set<std::string_view> names;
  std::set<int32_t> ids;
  for (const PartitionField& field : spec.fields) {
    const std::string where = fmt::format("partition field '{}'", field.name);
    PK_CHECK(!field.name.empty(),
             InvalidArgument(fmt::format("a partition field has no name: {}", field.field_id)));
    PK_CHECK(names.insert(field.name).second,
             InvalidArgument(fmt::format("{}: another one has the same name", where)));
    PK_CHECK(
        ids.insert(field.field_id).second,
        InvalidArgument(fmt::format("{}: another one has the same id {}", where, field.field_id)));
    const bool dropped = field.transform.kind == TransformKind::kVoid;
    if (!dropped) PK_TRY(ValidateSource(field.transform, field.source_id, schema).With(where));
    const Field* namesake = schema.FindByName(field.name);
    const bool own = (dropped || field.transform.kind == TransformKind::kIdentity) &&
                     namesake != nullptr && namesake->id == field.source_id;
    PK_CHECK(namesake == nullptr || own,
             InvalidArgument(fmt::format("{}: a column has the same name", where)));
  }
  return {};
}

std::vector<PrimitiveType> PartitionTypes(const PartitionSpec& spec, const Schema& schema) {
  std::vector<PrimitiveType> types;
  types.reserve(spec.fields.size());
  for (const PartitionField& field : spec.fields) types.push_back(PartitionType(field, schema));
  return types;
}

StructType PartitionStruct(const PartitionSpec& spec, const Schema& schema) {
  StructType type;
  for (const PartitionField& field : spec.fields) {
    Field& added = type.fields.emplace_back();
    added.id = field.field_id;
    added.name = field.name;
    added.type = PartitionType(field, schema);
  }
  return type;
}

std::string PartitionPath(const PartitionSpec& spec, const Schema& schema,
                          const std::vector<Value>& values) {
  assert(values.size() == spec.fields.size());
  std::string path;
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    if (i > 0) path += '/';
    AppendEncoded(path, field.name);
    path += '=';
    AppendEncoded(path, ToHumanString(field.transform, PartitionType(field, schema), values[i]));
  }
  return path;
}

Result<> Validate(const SortOrder& order, const Schema& schema) {
  PK_CHECK(order.unsorted() == (order.order_id == 0),
           InvalidArgument(fmt::format("sort order id 0 stands for unsorted, and for nothing else: "
                                       "id {} with {} fields",
                                       order.order_id, order.fields.size())));
  for (const SortField& field : order.fields)
    PK_TRY(ValidateSource(field.transform, field.source_id, schema)
               .With(fmt::format("sort order {}", order.order_id)));
  return {};
}

}  // namespace pk::iceberg
