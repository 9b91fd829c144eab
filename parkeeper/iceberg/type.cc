#include "parkeeper/iceberg/type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace pk::iceberg {
namespace {

struct NamedKind {
  std::string_view name;
  PrimitiveKind kind;
};
constexpr NamedKind kNamedKinds[] = {
    {"boolean", PrimitiveKind::kBoolean},     {"int", PrimitiveKind::kInt},
    {"long", PrimitiveKind::kLong},           {"float", PrimitiveKind::kFloat},
    {"double", PrimitiveKind::kDouble},       {"decimal", PrimitiveKind::kDecimal},
    {"date", PrimitiveKind::kDate},           {"time", PrimitiveKind::kTime},
    {"timestamp", PrimitiveKind::kTimestamp}, {"timestamptz", PrimitiveKind::kTimestamptz},
    {"string", PrimitiveKind::kString},       {"uuid", PrimitiveKind::kUuid},
    {"fixed", PrimitiveKind::kFixed},         {"binary", PrimitiveKind::kBinary},
};
constexpr std::string_view kTypesOfV3[] = {"timestamp_ns", "timestamptz_ns", "unknown",
                                           "variant",      "geometry",       "geography"};

constexpr int32_t kMaxPrecision = 38;

std::string_view Trim(std::string_view text) {
  const auto blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// Nullopt unless all of `text` is a number that fits.
std::optional<int32_t> Number(std::string_view text) {
  text = Trim(text);
  int32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "decimal(9,2)" as name "decimal" and arguments "9,2"; nullopt when the brackets do not match.
struct Call {
  std::string name;
  std::optional<std::string_view> arguments;
};
std::optional<Call> SplitCall(std::string_view text, char open, char close) {
  text = Trim(text);
  const size_t start = text.find(open);
  Call call;
  if (start != std::string_view::npos) {
    if (text.back() != close) return std::nullopt;
    call.arguments = text.substr(start + 1, text.size() - start - 2);
  }
  call.name = Trim(text.substr(0, start));
  std::ranges::transform(call.name, call.name.begin(),
                         [](unsigned char c) { return char(std::tolower(c)); });
  return call;
}

Result<PrimitiveType> ParseDecimal(std::string_view text, std::string_view arguments) {
  const size_t comma = arguments.find(',');
  PK_CHECK(comma != std::string_view::npos,
           InvalidArgument(fmt::format("decimal needs a precision and a scale: '{}'", text)));
  const std::optional<int32_t> precision = Number(arguments.substr(0, comma));
  const std::optional<int32_t> scale = Number(arguments.substr(comma + 1));
  PK_CHECK(precision && scale,
           InvalidArgument(fmt::format("precision and scale must be numbers: '{}'", text)));
  PK_CHECK(*precision <= kMaxPrecision,
           InvalidArgument(fmt::format("precision over {}: '{}'", kMaxPrecision, text)));
  PK_CHECK(*precision >= 1, InvalidArgument(fmt::format("precision under 1: '{}'", text)));
  PK_CHECK(*scale >= 0 && *scale <= *precision,
           InvalidArgument(fmt::format("scale not within 0 and the precision: '{}'", text)));
  return Decimal(*precision, *scale);
}

template <class T>
bool SameTarget(const std::shared_ptr<const T>& left, const std::shared_ptr<const T>& right) {
  return left == right || *left == *right;
}

}  // namespace

Type::Type(StructType type) : alternatives_(std::make_shared<const StructType>(std::move(type))) {}
Type::Type(ListType type) : alternatives_(std::make_shared<const ListType>(std::move(type))) {}
Type::Type(MapType type) : alternatives_(std::make_shared<const MapType>(std::move(type))) {}

const StructType* Type::struct_type() const {
  const auto* type = std::get_if<std::shared_ptr<const StructType>>(&alternatives_);
  return type == nullptr ? nullptr : type->get();
}

const ListType* Type::list() const {
  const auto* type = std::get_if<std::shared_ptr<const ListType>>(&alternatives_);
  return type == nullptr ? nullptr : type->get();
}

const MapType* Type::map() const {
  const auto* type = std::get_if<std::shared_ptr<const MapType>>(&alternatives_);
  return type == nullptr ? nullptr : type->get();
}

bool Type::operator==(const Type& other) const {
  if (alternatives_.index() != other.alternatives_.index()) return false;
  return std::visit(
      [&other](const auto& mine) {
        const auto& theirs = std::get<std::remove_cvref_t<decltype(mine)>>(other.alternatives_);
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(mine)>, PrimitiveType>)
          return mine == theirs;
        else
          return SameTarget(mine, theirs);
      },
      alternatives_);
}

std::string ToString(const Type& type) {
  if (const PrimitiveType* primitive = type.primitive()) {
    if (primitive->kind == PrimitiveKind::kDecimal)
      return fmt::format("decimal({},{})", primitive->precision, primitive->scale);
    if (primitive->kind == PrimitiveKind::kFixed)
      return fmt::format("fixed[{}]", primitive->length);
    const auto* named = std::ranges::find(kNamedKinds, primitive->kind, &NamedKind::kind);
    assert(named != std::end(kNamedKinds));
    return std::string(named->name);
  }
  if (const ListType* list = type.list()) return fmt::format("list<{}>", ToString(list->element));
  if (const MapType* map = type.map())
    return fmt::format("map<{}, {}>", ToString(map->key), ToString(map->value));
  std::string out = "struct<";
  for (const Field& field : type.struct_type()->fields) {
    if (out.back() != '<') out += ", ";
    out += fmt::format("{}: {}: {} {}", field.id, field.name,
                       field.required ? "required" : "optional", ToString(field.type));
  }
  return out + ">";
}

Result<PrimitiveType> ParsePrimitive(std::string_view text) {
  const bool is_fixed = Trim(text).find('[') != std::string_view::npos;
  const std::optional<Call> call = is_fixed ? SplitCall(text, '[', ']') : SplitCall(text, '(', ')');
  PK_CHECK(call, InvalidArgument(fmt::format("brackets do not match in type '{}'", text)));
  PK_CHECK(std::ranges::find(kTypesOfV3, call->name) == std::end(kTypesOfV3),
           Unsupported(fmt::format("type of a later format version: '{}'", text)));
  const auto* named =
      std::ranges::find(kNamedKinds, std::string_view(call->name), &NamedKind::name);
  PK_CHECK(named != std::end(kNamedKinds),
           InvalidArgument(fmt::format("no such type: '{}'", text)));
  switch (named->kind) {
    case PrimitiveKind::kDecimal:
      PK_CHECK(call->arguments && !is_fixed,
               InvalidArgument(fmt::format("decimal is written decimal(P,S): '{}'", text)));
      return ParseDecimal(text, *call->arguments);
    case PrimitiveKind::kFixed: {
      const std::optional<int32_t> length =
          call->arguments && is_fixed ? Number(*call->arguments) : std::nullopt;
      PK_CHECK(length && *length >= 1,
               InvalidArgument(fmt::format("fixed is written fixed[LENGTH]: '{}'", text)));
      return Fixed(*length);
    }
    default:
      PK_CHECK(!call->arguments,
               InvalidArgument(fmt::format("type takes no parameters: '{}'", text)));
      return PrimitiveType{.kind = named->kind};
  }
}

bool IsPromotable(const PrimitiveType& from, const PrimitiveType& to) {
  if (from == to) return true;
  if (from.kind == PrimitiveKind::kInt) return to.kind == PrimitiveKind::kLong;
  if (from.kind == PrimitiveKind::kFloat) return to.kind == PrimitiveKind::kDouble;
  return from.kind == PrimitiveKind::kDecimal && to.kind == PrimitiveKind::kDecimal &&
         from.scale == to.scale && from.precision <= to.precision;
}

}  // namespace pk::iceberg
