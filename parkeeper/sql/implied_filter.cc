#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "parkeeper/base/json.h"
#include "parkeeper/iceberg/value.h"
#include "parkeeper/sql/pushdown_internal.h"
#include "parkeeper/sql/tree_internal.h"

namespace pk::sql {
namespace {

namespace bj = boost::json;
using iceberg::Expression;
using iceberg::Field;
using iceberg::Literal;
using iceberg::Operator;
using iceberg::Predicate;
using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;

bool IsFloating(PrimitiveKind kind) {
  return kind == PrimitiveKind::kFloat || kind == PrimitiveKind::kDouble;
}
bool IsInteger(PrimitiveKind kind) {
  return kind == PrimitiveKind::kInt || kind == PrimitiveKind::kLong;
}

std::string CastType(const bj::object& node) {
  const bj::object* type = ObjectMember(node, "cast_type");
  return type == nullptr ? "" : Member(*type, "id");
}

const bj::object* Child(const bj::object& node, std::string_view key, size_t index) {
  const bj::array* children = ArrayMember(node, key);
  if (children == nullptr || index >= children->size()) return nullptr;
  return (*children)[index].if_object();
}

// Digits of a number that stands for `scaled` / 10^scale.
std::string DecimalText(iceberg::Int128 scaled, int64_t scale) {
  return iceberg::ToString(iceberg::Value(scaled),
                           iceberg::Decimal(38, static_cast<int32_t>(scale)));
}

std::optional<std::string> IntegerText(const bj::value& value, int64_t scale) {
  if (value.is_int64()) return DecimalText(value.get_int64(), scale);
  if (value.is_uint64()) return DecimalText(value.get_uint64(), scale);
  const bj::object* halves = value.if_object();
  const bj::value* upper = halves == nullptr ? nullptr : halves->if_contains("upper");
  const bj::value* lower = halves == nullptr ? nullptr : halves->if_contains("lower");
  if (upper == nullptr || lower == nullptr || !upper->is_int64()) return std::nullopt;
  if (!lower->is_uint64() && !lower->is_int64()) return std::nullopt;
  const uint64_t low = lower->is_uint64() ? lower->get_uint64() : uint64_t(lower->get_int64());
  constexpr iceberg::Int128 kTwoTo64 = iceberg::Int128{1} << 64;
  return DecimalText(iceberg::Int128{upper->get_int64()} * kTwoTo64 + low, scale);
}

// A constant that the parser took for a number.
std::optional<std::string> NumberText(const bj::object& value) {
  const bj::object* type = ObjectMember(value, "type");
  const bj::value* number = value.if_contains("value");
  if (type == nullptr || number == nullptr) return std::nullopt;
  const std::string id = Member(*type, "id");
  if (id == "DOUBLE") {
    if (!number->is_number()) return std::nullopt;
    const double real = number->to_number<double>();
    return std::isfinite(real) ? std::optional(fmt::format("{}", real)) : std::nullopt;
  }
  if (id == "DECIMAL") {
    const bj::object* shape = ObjectMember(*type, "type_info");
    const bj::value* scale = shape == nullptr ? nullptr : shape->if_contains("scale");
    if (scale == nullptr || !scale->is_int64()) return std::nullopt;
    return IntegerText(*number, scale->get_int64());
  }
  for (const char* integer : {"INTEGER", "BIGINT", "HUGEINT", "UBIGINT", "UINTEGER"}) {
    if (id == integer) return IntegerText(*number, 0);
  }
  return std::nullopt;
}

// The name that DuckDB has for casts to the type of a column, where its text is ours.
std::string_view TextCastOf(PrimitiveKind kind) {
  switch (kind) {
    case PrimitiveKind::kBoolean:
      return "BOOLEAN";
    case PrimitiveKind::kDate:
      return "DATE";
    case PrimitiveKind::kTime:
      return "TIME";
    case PrimitiveKind::kTimestamp:
      return "TIMESTAMP";
    case PrimitiveKind::kTimestamptz:
      return "TIMESTAMP WITH TIME ZONE";
    case PrimitiveKind::kUuid:
      return "UUID";
    default:
      return "";
  }
}

class Translator {
 public:
  explicit Translator(const iceberg::Schema& schema) : schema_(schema) {}

  Expression Of(const bj::object& node) const {
    const std::string type = Member(node, "type");
    if (type == "CONJUNCTION_AND") return All(node);
    if (type == "CONJUNCTION_OR") return Any(node);
    if (type == "COMPARE_BETWEEN") return Between(node);
    if (type == "COMPARE_IN") return In(node, Operator::kIn);
    if (type == "COMPARE_NOT_IN") return In(node, Operator::kNotIn);
    if (type == "OPERATOR_NOT") return Not(node);
    if (type == "OPERATOR_IS_NULL") return Null(node, Operator::kIsNull);
    if (type == "OPERATOR_IS_NOT_NULL") return Null(node, Operator::kNotNull);
    if (type == "FUNCTION") return Prefix(node, Operator::kStartsWith);
    if (type == "COLUMN_REF" || type == "OPERATOR_CAST") return Flag(node, "true");
    if (const auto op = Comparison(type)) return Compare(node, *op);
    return iceberg::True{};
  }

 private:
  // The column that is meant, itself or through such a cast.
  const Field* Column(const bj::object* node) const {
    if (node == nullptr) return nullptr;
    if (Member(*node, "type") == "OPERATOR_CAST") {
      const Field* inner = Column(ObjectMember(*node, "child"));
      return inner != nullptr && KeepsValues(inner->type, *node) ? inner : nullptr;
    }
    if (Member(*node, "type") != "COLUMN_REF") return nullptr;
    const bj::array* names = ArrayMember(*node, "column_names");
    if (names == nullptr || names->size() != 1 || !names->front().is_string()) return nullptr;
    const std::string name(names->front().get_string());
    for (size_t i = 0; i < schema_.fields().size(); ++i) {
      if (name == ColumnName(i)) return &schema_.fields()[i];
    }
    return nullptr;
  }

  // The cast keeps order and loses nothing: DuckDB widens columns to compare them.
  static bool KeepsValues(const iceberg::Type& from, const bj::object& cast) {
    const PrimitiveType* type = from.primitive();
    const std::string to = CastType(cast);
    if (type == nullptr) return false;
    if (to == "BOOLEAN") return type->kind == PrimitiveKind::kBoolean;
    if (to == "DOUBLE") return type->kind == PrimitiveKind::kInt;
    if (to == "BIGINT" || to == "HUGEINT") return IsInteger(type->kind);
    const bj::object* shape = ObjectMember(*ObjectMember(cast, "cast_type"), "type_info");
    const bj::value* scale = shape == nullptr ? nullptr : shape->if_contains("scale");
    if (to != "DECIMAL" || scale == nullptr || !scale->is_int64()) return false;
    return IsInteger(type->kind) ||
           (type->kind == PrimitiveKind::kDecimal && scale->get_int64() >= type->scale);
  }

  static std::optional<Operator> Comparison(std::string_view type) {
    if (type == "COMPARE_EQUAL") return Operator::kEqual;
    if (type == "COMPARE_NOTEQUAL") return Operator::kNotEqual;
    if (type == "COMPARE_LESSTHAN") return Operator::kLess;
    if (type == "COMPARE_LESSTHANOREQUALTO") return Operator::kLessOrEqual;
    if (type == "COMPARE_GREATERTHAN") return Operator::kGreater;
    if (type == "COMPARE_GREATERTHANOREQUALTO") return Operator::kGreaterOrEqual;
    return std::nullopt;
  }

  static Operator Mirrored(Operator op) {
    switch (op) {
      case Operator::kLess:
        return Operator::kGreater;
      case Operator::kLessOrEqual:
        return Operator::kGreaterOrEqual;
      case Operator::kGreater:
        return Operator::kLess;
      case Operator::kGreaterOrEqual:
        return Operator::kLessOrEqual;
      default:
        return op;
    }
  }

  // The constant, where it is one of the column's type.
  static std::optional<Literal> Constant(const bj::object* node, const PrimitiveType& type) {
    if (node == nullptr) return std::nullopt;
    const std::string kind = Member(*node, "type");
    if (kind == "OPERATOR_CAST") return Cast(*node, type);
    const bj::object* value = ObjectMember(*node, "value");
    if (kind != "VALUE_CONSTANT" || value == nullptr) return std::nullopt;
    if (value->contains("is_null") && value->at("is_null") != bj::value(false)) return std::nullopt;
    if (type.kind == PrimitiveKind::kString) {
      const bj::value* text = value->if_contains("value");
      if (text == nullptr || !text->is_string()) return std::nullopt;
      return Literal{Literal::Kind::kString, std::string(text->get_string())};
    }
    if (!IsInteger(type.kind) && !IsFloating(type.kind) && type.kind != PrimitiveKind::kDecimal) {
      return std::nullopt;
    }
    const auto number = NumberText(*value);
    if (!number) return std::nullopt;
    return Literal{Literal::Kind::kNumber, *number};
  }

  static std::optional<Literal> Cast(const bj::object& node, const PrimitiveType& type) {
    const bj::object* child = ObjectMember(node, "child");
    const std::string to = CastType(node);
    const PrimitiveType text{.kind = PrimitiveKind::kString};
    auto literal = Constant(child, text);
    if (!literal) return std::nullopt;
    if (type.kind == PrimitiveKind::kBoolean && to == "BOOLEAN") {
      if (literal->text != "t" && literal->text != "f") return std::nullopt;
      return Literal{Literal::Kind::kBoolean, literal->text == "t" ? "true" : "false"};
    }
    if (to.empty() || to != TextCastOf(type.kind)) return std::nullopt;
    // "+00" for "+00:00".
    if (type.kind == PrimitiveKind::kTimestamptz && literal->text.size() > 3) {
      const char sign = literal->text[literal->text.size() - 3];
      if (sign == '+' || sign == '-') literal->text += ":00";
    }
    return literal;
  }

  // The predicate, if it can be bound; for NaN as DuckDB has it.
  Expression Bound(Predicate predicate, const PrimitiveType& type) const {
    if (!iceberg::Bind(Expression(predicate), schema_, true).ok()) return iceberg::True{};
    const bool upwards =
        predicate.op == Operator::kGreater || predicate.op == Operator::kGreaterOrEqual;
    if (!upwards || !IsFloating(type.kind)) return predicate;
    Predicate nan{.op = Operator::kIsNan, .column = predicate.column, .literals = {}};
    return Expression::Or{{Expression(std::move(predicate)), Expression(std::move(nan))}};
  }

  Expression Compare(const bj::object& node, Operator op) const {
    const bj::object* left = ObjectMember(node, "left");
    const bj::object* right = ObjectMember(node, "right");
    const Field* column = Column(left);
    if (column == nullptr) {
      column = Column(right);
      std::swap(left, right);
      op = Mirrored(op);
    }
    if (column == nullptr || !column->type.is_primitive()) return iceberg::True{};
    return Against(*column, op, right);
  }

  Expression Against(const Field& column, Operator op, const bj::object* constant) const {
    const PrimitiveType& type = *column.type.primitive();
    const bool equality = op == Operator::kEqual || op == Operator::kNotEqual;
    // Engines do not agree on the order of UUIDs.
    if (type.kind == PrimitiveKind::kUuid && !equality) return iceberg::True{};
    auto literal = Constant(constant, type);
    if (!literal) return iceberg::True{};
    return Bound({.op = op, .column = column.name, .literals = {*std::move(literal)}}, type);
  }

  // DuckDB writes BETWEEN also where an end is excluded.
  Expression Between(const bj::object& node) const {
    const Field* column = Column(ObjectMember(node, "input"));
    if (column == nullptr || !column->type.is_primitive()) return iceberg::True{};
    return Both(Against(*column, Operator::kGreaterOrEqual, ObjectMember(node, "lower")),
                Against(*column, Operator::kLessOrEqual, ObjectMember(node, "upper")));
  }

  Expression In(const bj::object& node, Operator op) const {
    const Field* column = Column(Child(node, "children", 0));
    if (column == nullptr || !column->type.is_primitive()) return iceberg::True{};
    Predicate predicate{.op = op, .column = column->name, .literals = {}};
    for (size_t i = 1; i < ArrayMember(node, "children")->size(); ++i) {
      auto literal = Constant(Child(node, "children", i), *column->type.primitive());
      if (!literal) return iceberg::True{};
      predicate.literals.push_back(*std::move(literal));
    }
    return Bound(std::move(predicate), *column->type.primitive());
  }

  // Only of what is known exactly: a wider filter turned round is a narrower one.
  Expression Not(const bj::object& node) const {
    const bj::object* child = Child(node, "children", 0);
    if (child == nullptr) return iceberg::True{};
    const std::string type = Member(*child, "type");
    if (type == "COLUMN_REF" || type == "OPERATOR_CAST") return Flag(*child, "false");
    if (type == "COMPARE_IN") return In(*child, Operator::kNotIn);
    if (type == "FUNCTION") return Prefix(*child, Operator::kNotStartsWith);
    if (type == "OPERATOR_IS_NULL") return Null(*child, Operator::kNotNull);
    return iceberg::True{};
  }

  Expression Null(const bj::object& node, Operator op) const {
    const Field* column = Column(Child(node, "children", 0));
    if (column == nullptr || !column->type.is_primitive()) return iceberg::True{};
    return Bound({.op = op, .column = column->name, .literals = {}}, *column->type.primitive());
  }

  Expression Prefix(const bj::object& node, Operator op) const {
    const std::string name = Member(node, "function_name");
    if (name != "prefix" && name != "starts_with" && name != "^@") return iceberg::True{};
    const Field* column = Column(Child(node, "children", 0));
    const PrimitiveType text{.kind = PrimitiveKind::kString};
    if (column == nullptr || column->type != iceberg::Type(text)) return iceberg::True{};
    auto literal = Constant(Child(node, "children", 1), text);
    if (!literal) return iceberg::True{};
    return Bound({.op = op, .column = column->name, .literals = {*std::move(literal)}}, text);
  }

  // A boolean column alone.
  Expression Flag(const bj::object& node, const char* value) const {
    const Field* column = Column(&node);
    const PrimitiveType boolean{.kind = PrimitiveKind::kBoolean};
    if (column == nullptr || column->type != iceberg::Type(boolean)) return iceberg::True{};
    return Bound({.op = Operator::kEqual,
                  .column = column->name,
                  .literals = {{Literal::Kind::kBoolean, value}}},
                 boolean);
  }

  static Expression Both(Expression left, Expression right) {
    if (left.is_true()) return right;
    if (right.is_true()) return left;
    if (auto* several = std::get_if<Expression::And>(&left.node)) {
      several->of.push_back(std::move(right));
      return left;
    }
    return Expression::And{{std::move(left), std::move(right)}};
  }

  Expression All(const bj::object& node) const {
    Expression all = iceberg::True{};
    for (size_t i = 0; const bj::object* child = Child(node, "children", i); ++i) {
      all = Both(std::move(all), Of(*child));
    }
    return all;
  }

  Expression Any(const bj::object& node) const {
    Expression::Or any;
    for (size_t i = 0; const bj::object* child = Child(node, "children", i); ++i) {
      any.of.push_back(Of(*child));
      if (any.of.back().is_true()) return iceberg::True{};
    }
    return any.of.empty() ? Expression(iceberg::True{}) : Expression(std::move(any));
  }

  const iceberg::Schema& schema_;
};

}  // namespace

Expression ImpliedFilter(std::string_view tree, const iceberg::Schema& schema) {
  // Too deep for it, or none: nothing is known.
  const auto parsed = json::Parse(tree);
  const bj::object* answer = parsed.ok() ? parsed->if_object() : nullptr;
  const bj::object* statement = answer == nullptr ? nullptr : Child(*answer, "statements", 0);
  const bj::object* query = statement == nullptr ? nullptr : ObjectMember(*statement, "node");
  const bj::object* expression = query == nullptr ? nullptr : Child(*query, "select_list", 0);
  if (expression == nullptr || ArrayMember(*query, "select_list")->size() != 1) {
    return iceberg::True{};
  }
  return Translator(schema).Of(*expression);
}

}  // namespace pk::sql
