// Filters as text: a recursive descent over tokens, and back.

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/token_internal.h"

namespace pk::iceberg {
namespace {

constexpr int kDepthMax = 200;

constexpr std::string_view kReserved[] = {"and",  "or",   "not",     "in",   "is",
                                          "null", "like", "between", "true", "false"};

bool IsReserved(std::string_view lower) {
  return std::ranges::find(kReserved, lower) != std::end(kReserved);
}

struct NamedOperator {
  std::string_view symbol;
  Operator op;
  Operator flipped;  // 5 < a is a > 5
};
constexpr NamedOperator kComparisons[] = {
    {"=", Operator::kEqual, Operator::kEqual},
    {"!=", Operator::kNotEqual, Operator::kNotEqual},
    {"<", Operator::kLess, Operator::kGreater},
    {"<=", Operator::kLessOrEqual, Operator::kGreaterOrEqual},
    {">", Operator::kGreater, Operator::kLess},
    {">=", Operator::kGreaterOrEqual, Operator::kLessOrEqual},
};

class FilterParser {
 public:
  explicit FilterParser(TokenCursor& cursor) : cursor_(cursor) {}

  Result<Expression> Whole() {
    Expression filter = PK_TRY(Alternatives(0));
    if (!cursor_.AtEnd()) return cursor_.Expected("'and', 'or' or the end");
    return filter;
  }

 private:
  Result<Expression> Alternatives(int depth) {
    std::vector<Expression> of;
    do {
      of.push_back(PK_TRY(Conjunction(depth)));
    } while (cursor_.TakeWord("or"));
    if (of.size() == 1) return std::move(of.front());
    return Expression(Expression::Or{std::move(of)});
  }

  Result<Expression> Conjunction(int depth) {
    std::vector<Expression> of;
    do {
      of.push_back(PK_TRY(Negation(depth)));
    } while (cursor_.TakeWord("and"));
    if (of.size() == 1) return std::move(of.front());
    return Expression(Expression::And{std::move(of)});
  }

  Result<Expression> Negation(int depth) {
    PK_CHECK(depth < kDepthMax,
             InvalidArgument(fmt::format("filter is nested more than {} deep at position {}",
                                         kDepthMax, cursor_.Peek().position)));
    if (cursor_.TakeWord("not")) {
      std::vector<Expression> of;
      of.push_back(PK_TRY(Negation(depth + 1)));
      return Expression(Expression::Not{std::move(of)});
    }
    if (!cursor_.TakeSymbol("(")) return Comparison();
    Expression inner = PK_TRY(Alternatives(depth + 1));
    PK_TRY(cursor_.NeedSymbol(")"));
    return inner;
  }

  Result<Expression> Comparison() {
    if (AtLiteral()) return LiteralFirst();
    std::string column = PK_TRY(Column());
    if (const NamedOperator* named = TakeComparison()) {
      const Literal literal = PK_TRY(NeedLiteral());
      return Make(named->op, std::move(column), {literal});
    }
    if (cursor_.TakeWord("is")) return Is(std::move(column));
    const bool negated = cursor_.IsWord("not") && IsListOrRange(1) && cursor_.TakeWord("not");
    if (cursor_.TakeWord("in")) return In(std::move(column), negated);
    if (cursor_.TakeWord("like")) return Like(std::move(column), negated);
    if (cursor_.TakeWord("between")) return Between(std::move(column), negated);
    // A boolean column alone.
    return Make(Operator::kEqual, std::move(column),
                {Literal{.kind = Literal::Kind::kBoolean, .text = "true"}});
  }

  bool IsListOrRange(size_t ahead) const {
    return cursor_.IsWord("in", ahead) || cursor_.IsWord("like", ahead) ||
           cursor_.IsWord("between", ahead);
  }

  static Expression Make(Operator op, std::string column, std::vector<Literal> literals) {
    return Predicate{.op = op, .column = std::move(column), .literals = std::move(literals)};
  }

  Result<std::string> Column() {
    if (cursor_.Peek().kind == Token::Kind::kWord &&
        std::ranges::any_of(kReserved, [&](std::string_view word) { return cursor_.IsWord(word); }))
      return cursor_.Expected("a column (in double quotes if this is its name)");
    return cursor_.NeedColumn();
  }

  const NamedOperator* TakeComparison() {
    for (const NamedOperator& named : kComparisons)
      if (cursor_.TakeSymbol(named.symbol)) return &named;
    return nullptr;
  }

  Result<Expression> LiteralFirst() {
    const bool constant = cursor_.IsWord("true") || cursor_.IsWord("false");
    const Literal literal = PK_TRY(NeedLiteral());
    if (const NamedOperator* named = TakeComparison()) {
      std::string column = PK_TRY(Column());
      return Make(named->flipped, std::move(column), {literal});
    }
    if (!constant) return cursor_.Expected("a comparison (=, !=, <, <=, > or >=)");
    return literal.text == "true" ? Expression(True{}) : Expression(False{});
  }

  Result<Expression> Is(std::string column) {
    const bool negated = cursor_.TakeWord("not");
    if (cursor_.TakeWord("null"))
      return Make(negated ? Operator::kNotNull : Operator::kIsNull, std::move(column), {});
    if (cursor_.TakeWord("nan"))
      return Make(negated ? Operator::kNotNan : Operator::kIsNan, std::move(column), {});
    return cursor_.Expected("'null' or 'nan'");
  }

  Result<Expression> In(std::string column, bool negated) {
    PK_TRY(cursor_.NeedSymbol("("));
    std::vector<Literal> literals;
    if (!cursor_.TakeSymbol(")")) {
      do {
        literals.push_back(PK_TRY(NeedLiteral()));
      } while (cursor_.TakeSymbol(","));
      if (!cursor_.TakeSymbol(")")) return cursor_.Expected("',' or ')'");
    }
    return Make(negated ? Operator::kNotIn : Operator::kIn, std::move(column), std::move(literals));
  }

  Result<Expression> Between(std::string column, bool negated) {
    const Literal least = PK_TRY(NeedLiteral());
    PK_TRY(cursor_.NeedWord("and"));
    const Literal most = PK_TRY(NeedLiteral());
    std::vector<Expression> of;
    of.push_back(Make(Operator::kGreaterOrEqual, column, {least}));
    of.push_back(Make(Operator::kLessOrEqual, std::move(column), {most}));
    Expression range(Expression::And{std::move(of)});
    if (!negated) return range;
    std::vector<Expression> inner;
    inner.push_back(std::move(range));
    return Expression(Expression::Not{std::move(inner)});
  }

  Result<Expression> Like(std::string column, bool negated) {
    if (cursor_.Peek().kind != Token::Kind::kString) return cursor_.Expected("a pattern in quotes");
    const Token pattern = cursor_.Take();
    Literal literal{.kind = Literal::Kind::kString, .text = ""};
    bool wildcard = false;
    for (size_t i = 0; i < pattern.text.size(); ++i) {
      char c = pattern.text[i];
      if (c == '%') {
        wildcard = true;
        continue;
      }
      PK_CHECK(!wildcard && c != '_',
               InvalidArgument(fmt::format(
                   "like takes a prefix only, as in 'ab%', at position {}: '{}' (write \\_ and \\% "
                   "for these characters themselves)",
                   pattern.position, pattern.text.substr(0, 80))));
      if (c == '\\' && i + 1 < pattern.text.size()) c = pattern.text[++i];
      literal.text += c;
    }
    const Operator op = wildcard ? (negated ? Operator::kNotStartsWith : Operator::kStartsWith)
                                 : (negated ? Operator::kNotEqual : Operator::kEqual);
    return Make(op, std::move(column), {std::move(literal)});
  }

  // "date '2024-01-01'": the word says no more than the column's type does.
  bool AtTypedString() const {
    return cursor_.Peek(1).kind == Token::Kind::kString &&
           (cursor_.IsWord("date") || cursor_.IsWord("time") || cursor_.IsWord("timestamp") ||
            cursor_.IsWord("timestamptz"));
  }

  bool AtLiteral() const {
    const Token::Kind kind = cursor_.Peek().kind;
    return kind == Token::Kind::kString || kind == Token::Kind::kNumber ||
           kind == Token::Kind::kHex || cursor_.IsSymbol("-") || cursor_.IsSymbol("+") ||
           cursor_.IsWord("true") || cursor_.IsWord("false") || AtTypedString();
  }

  Result<Literal> NeedLiteral() {
    if (AtTypedString()) cursor_.Take();
    if (cursor_.Peek().kind == Token::Kind::kString)
      return Literal{.kind = Literal::Kind::kString, .text = cursor_.Take().text};
    if (cursor_.Peek().kind == Token::Kind::kHex)
      return Literal{.kind = Literal::Kind::kHex, .text = cursor_.Take().text};
    if (cursor_.TakeWord("true")) return Literal{.kind = Literal::Kind::kBoolean, .text = "true"};
    if (cursor_.TakeWord("false")) return Literal{.kind = Literal::Kind::kBoolean, .text = "false"};
    if (cursor_.IsWord("null")) return cursor_.Expected("a literal (null is tested by 'is null')");
    const bool negative = cursor_.TakeSymbol("-");
    if (!negative) cursor_.TakeSymbol("+");
    if (cursor_.Peek().kind != Token::Kind::kNumber)
      return cursor_.Expected("a literal (a number, 'text' or a date in quotes, true, false)");
    return Literal{.kind = Literal::Kind::kNumber,
                   .text = (negative ? "-" : "") + cursor_.Take().text};
  }

  TokenCursor& cursor_;
};

std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted.append(c == '\'' ? 2 : 1, c);
  return quoted + "'";
}

std::string LikePattern(std::string_view prefix) {
  std::string pattern;
  for (const char c : prefix) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

std::string LiteralText(const Literal& literal) {
  if (literal.kind == Literal::Kind::kString) return Quoted(literal.text);
  if (literal.kind == Literal::Kind::kHex) return "x" + Quoted(literal.text);
  return literal.text;
}

std::string_view ComparisonSymbol(Operator op) {
  return std::ranges::find(kComparisons, op, &NamedOperator::op)->symbol;
}

std::string PredicateText(const Predicate& predicate) {
  const std::string column = QuotedName(predicate.column, IsReserved);
  const std::vector<Literal>& literals = predicate.literals;
  switch (predicate.op) {
    case Operator::kIsNull:
      return column + " is null";
    case Operator::kNotNull:
      return column + " is not null";
    case Operator::kIsNan:
      return column + " is nan";
    case Operator::kNotNan:
      return column + " is not nan";
    case Operator::kStartsWith:
      return column + " like " + Quoted(LikePattern(literals.at(0).text));
    case Operator::kNotStartsWith:
      return column + " not like " + Quoted(LikePattern(literals.at(0).text));
    case Operator::kIn:
    case Operator::kNotIn: {
      std::string list;
      for (const Literal& literal : literals)
        list += (list.empty() ? "" : ", ") + LiteralText(literal);
      return column + (predicate.op == Operator::kIn ? " in (" : " not in (") + list + ")";
    }
    default:
      return fmt::format("{} {} {}", column, ComparisonSymbol(predicate.op),
                         LiteralText(literals.at(0)));
  }
}

Literal ToLiteral(const Value& value, const PrimitiveType& type) {
  Literal literal{.kind = Literal::Kind::kString, .text = ToString(value, type)};
  switch (type.kind) {
    case PrimitiveKind::kBoolean:
      literal.kind = Literal::Kind::kBoolean;
      break;
    case PrimitiveKind::kInt:
    case PrimitiveKind::kLong:
    case PrimitiveKind::kDecimal:
      literal.kind = Literal::Kind::kNumber;
      break;
    case PrimitiveKind::kFloat:
    case PrimitiveKind::kDouble:
      if (literal.text.find_first_of("IN") == std::string::npos)
        literal.kind = Literal::Kind::kNumber;
      break;
    case PrimitiveKind::kFixed:
    case PrimitiveKind::kBinary:
      literal.kind = Literal::Kind::kHex;
      break;
    default:
      break;
  }
  return literal;
}

Predicate Unbound(const BoundPredicate& bound, const Schema& schema) {
  Predicate predicate{.op = bound.op, .column = schema.FullName(bound.field_id), .literals = {}};
  if (predicate.column.empty()) predicate.column = fmt::format("field {}", bound.field_id);
  for (const Value& value : bound.values)
    predicate.literals.push_back(ToLiteral(value, bound.type));
  return predicate;
}

// Writes any tree; `predicate_text` writes its leaves.
template <class P, class PredicateText>
std::string TreeText(const Tree<P>& tree, const PredicateText& predicate_text);

template <class P, class PredicateText>
std::string JoinedText(const std::vector<Tree<P>>& of, std::string_view word,
                       const PredicateText& predicate_text) {
  std::string text;
  for (const Tree<P>& part : of) {
    if (!text.empty()) text += fmt::format(" {} ", word);
    const bool nested = std::holds_alternative<typename Tree<P>::And>(part.node) ||
                        std::holds_alternative<typename Tree<P>::Or>(part.node);
    const std::string inner = TreeText(part, predicate_text);
    text += nested ? "(" + inner + ")" : inner;
  }
  return text;
}

template <class P, class PredicateText>
std::string TreeText(const Tree<P>& tree, const PredicateText& predicate_text) {
  using T = Tree<P>;
  if (tree.is_true()) return "true";
  if (tree.is_false()) return "false";
  if (const P* predicate = std::get_if<P>(&tree.node)) return predicate_text(*predicate);
  if (const auto* all = std::get_if<typename T::And>(&tree.node))
    return all->of.empty() ? "true" : JoinedText(all->of, "and", predicate_text);
  if (const auto* any = std::get_if<typename T::Or>(&tree.node))
    return any->of.empty() ? "false" : JoinedText(any->of, "or", predicate_text);
  return "not (" + TreeText(std::get<typename T::Not>(tree.node).of.at(0), predicate_text) + ")";
}

}  // namespace

Result<Expression> ParseExpression(std::string_view text) {
  const std::vector<Token> tokens = PK_TRY(Tokenize(text).With("filter"));
  TokenCursor cursor(tokens);
  return FilterParser(cursor).Whole().With("filter");
}

std::string ToString(const Expression& expression) { return TreeText(expression, PredicateText); }

std::string ToString(const BoundExpression& expression, const Schema& schema) {
  return TreeText(expression, [&](const BoundPredicate& predicate) {
    return PredicateText(Unbound(predicate, schema));
  });
}

}  // namespace pk::iceberg
