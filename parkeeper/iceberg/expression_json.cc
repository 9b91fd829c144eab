// JSON of filters (REST specification, "Expression").

#include <algorithm>
#include <span>

#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/json_internal.h"

namespace pk::iceberg {
namespace {

namespace bj = boost::json;

struct NamedOperator {
  Operator op;
  std::string_view name;
};
constexpr NamedOperator kOperators[] = {
    {Operator::kIsNull, "is-null"},
    {Operator::kNotNull, "not-null"},
    {Operator::kIsNan, "is-nan"},
    {Operator::kNotNan, "not-nan"},
    {Operator::kLess, "lt"},
    {Operator::kLessOrEqual, "lt-eq"},
    {Operator::kGreater, "gt"},
    {Operator::kGreaterOrEqual, "gt-eq"},
    {Operator::kEqual, "eq"},
    {Operator::kNotEqual, "not-eq"},
    {Operator::kStartsWith, "starts-with"},
    {Operator::kNotStartsWith, "not-starts-with"},
    {Operator::kIn, "in"},
    {Operator::kNotIn, "not-in"},
};

bool IsList(Operator op) { return op == Operator::kIn || op == Operator::kNotIn; }

// The text of a number as it is read from JSON.
std::string NumberText(const bj::value& value) {
  if (value.is_int64()) return std::to_string(value.get_int64());
  if (value.is_uint64()) return std::to_string(value.get_uint64());
  return fmt::format("{}", value.get_double());
}

bool SurvivesJson(const std::string& number) {
  const auto read = json::Parse(number);
  return read.ok() && read->is_number() && NumberText(*read) == number;
}

void Write(JsonWriter& out, const Literal& literal) {
  switch (literal.kind) {
    case Literal::Kind::kNumber:
      if (!SurvivesJson(literal.text)) return out.String(literal.text);
      return out.Raw(literal.text);
    case Literal::Kind::kBoolean:
      return out.Raw(literal.text == "true" ? "true" : "false");
    case Literal::Kind::kString:
      return out.String(literal.text);
    case Literal::Kind::kHex:
      out.BeginObject();
      out.String("hex", literal.text);
      return out.EndObject();
  }
}

void WritePredicate(JsonWriter& out, const Predicate& predicate) {
  out.String("type", std::ranges::find(kOperators, predicate.op, &NamedOperator::op)->name);
  out.String("term", predicate.column);
  if (IsList(predicate.op)) {
    out.Key("values");
    out.BeginArray();
    for (const Literal& literal : predicate.literals) Write(out, literal);
    out.EndArray();
  } else if (!predicate.literals.empty()) {
    out.Key("value");
    Write(out, predicate.literals.front());
  }
}

void Write(JsonWriter& out, const Expression& expression);

// "and" and "or" have two sides; a list is halved, so that a long one is not deep.
void WriteJoined(JsonWriter& out, std::string_view type, std::span<const Expression> of) {
  if (of.size() == 1) return Write(out, of.front());
  out.BeginObject();
  out.String("type", type);
  out.Key("left");
  WriteJoined(out, type, of.first(of.size() / 2));
  out.Key("right");
  WriteJoined(out, type, of.subspan(of.size() / 2));
  out.EndObject();
}

void Write(JsonWriter& out, const Expression& expression) {
  if (const auto* all = std::get_if<Expression::And>(&expression.node); all && !all->of.empty()) {
    return WriteJoined(out, "and", all->of);
  }
  if (const auto* any = std::get_if<Expression::Or>(&expression.node); any && !any->of.empty()) {
    return WriteJoined(out, "or", any->of);
  }
  out.BeginObject();
  if (const auto* predicate = std::get_if<Predicate>(&expression.node)) {
    WritePredicate(out, *predicate);
  } else if (const auto* inverse = std::get_if<Expression::Not>(&expression.node)) {
    out.String("type", "not");
    out.Key("child");
    Write(out, inverse->of.at(0));
  } else {
    // No parts at all: all of them pass, or none.
    const bool passes = expression.is_true() || std::get_if<Expression::And>(&expression.node);
    out.String("type", passes ? "true" : "false");
  }
  out.EndObject();
}

Result<Literal> ReadLiteral(const bj::value& value) {
  if (value.is_string()) {
    return Literal{.kind = Literal::Kind::kString, .text = std::string(value.get_string())};
  }
  if (value.is_bool()) {
    return Literal{.kind = Literal::Kind::kBoolean, .text = value.get_bool() ? "true" : "false"};
  }
  if (value.is_number()) {
    return Literal{.kind = Literal::Kind::kNumber, .text = NumberText(value)};
  }
  const bj::object* object = value.if_object();
  PK_CHECK(object != nullptr, Corrupt("a literal must be a number, a string or a boolean"));
  Literal literal;
  literal.kind = Literal::Kind::kHex;
  literal.text = PK_TRY(json::String(*object, "hex"));
  return literal;
}

Result<Expression> ReadPredicate(Operator op, const bj::object& object) {
  const bj::value* term = object.if_contains("term");
  PK_CHECK(term == nullptr || !term->is_object(),
           Unsupported("a predicate on a transformed column"));
  Predicate predicate;
  predicate.op = op;
  predicate.column = PK_TRY(json::String(object, "term"));
  if (IsList(op)) {
    for (const bj::value& value : *PK_TRY(json::Array(object, "values"))) {
      predicate.literals.push_back(PK_TRY(ReadLiteral(value)));
    }
  } else if (op > Operator::kNotNan) {
    const bj::value* value = object.if_contains("value");
    PK_CHECK(value != nullptr, Corrupt("value is missing"));
    predicate.literals.push_back(PK_TRY(ReadLiteral(*value)));
  }
  return Expression(std::move(predicate));
}

Result<Expression> Read(const bj::value& value);

Result<Expression> ReadSide(const bj::object& object, std::string_view name) {
  const bj::value* side = object.if_contains(name);
  PK_CHECK(side != nullptr, Corrupt(fmt::format("{} is missing", name)));
  return Read(*side);
}

// A side of the same kind is drawn in, as it was written.
template <class Join>
Result<Expression> ReadJoined(const bj::object& object) {
  Join joined;
  for (const std::string_view name : {"left", "right"}) {
    Expression side = PK_TRY(ReadSide(object, name));
    if (auto* same = std::get_if<Join>(&side.node)) {
      std::ranges::move(same->of, std::back_inserter(joined.of));
    } else {
      joined.of.push_back(std::move(side));
    }
  }
  return Expression(std::move(joined));
}

Result<Expression> Read(const bj::value& value) {
  if (value.is_bool()) return value.get_bool() ? Expression(True{}) : Expression(False{});
  const bj::object& object = *PK_TRY(json::AsObject(value, "expression"));
  const std::string type = PK_TRY(json::String(object, "type"));
  if (type == "true") return Expression(True{});
  if (type == "false") return Expression(False{});
  if (type == "and") return ReadJoined<Expression::And>(object);
  if (type == "or") return ReadJoined<Expression::Or>(object);
  if (type == "not") {
    Expression::Not inverse;
    inverse.of.push_back(PK_TRY(ReadSide(object, "child")));
    return Expression(std::move(inverse));
  }
  const auto* named = std::ranges::find(kOperators, type, &NamedOperator::name);
  PK_CHECK(named != std::end(kOperators),
           Unsupported(fmt::format("unknown expression '{}'", type)));
  return ReadPredicate(named->op, object);
}

}  // namespace

std::string ToJson(const Expression& expression) {
  JsonWriter out;
  Write(out, expression);
  return std::move(out).Take();
}

Result<Expression> ReadExpression(const bj::value& value) { return Read(value).With("expression"); }

Result<Expression> ParseExpressionJson(std::string_view text) {
  return ReadExpression(PK_TRY(json::Parse(text).With("expression")));
}

}  // namespace pk::iceberg
