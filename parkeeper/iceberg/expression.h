#pragma once

// Filters over rows: as people write them (Expression), and bound to a schema (BoundExpression).
// Values.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {

enum class Operator {
  kIsNull,  // the first four take no literal
  kNotNull,
  kIsNan,
  kNotNan,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kEqual,
  kNotEqual,
  kStartsWith,
  kNotStartsWith,
  kIn,
  kNotIn,
};

// A literal as written: the binding reads it as the column's type.
struct Literal {
  enum class Kind { kNumber, kString, kBoolean, kHex };
  Kind kind = Kind::kString;
  std::string text;  // "1.5", "abc", "true", "00ff"
  bool operator==(const Literal&) const = default;
};

struct True {
  bool operator==(const True&) const = default;
};
struct False {
  bool operator==(const False&) const = default;
};

// Trees of And, Or and Not over some predicate.
template <class Predicate>
struct Tree {
  struct And {
    std::vector<Tree> of;
    bool operator==(const And&) const = default;
  };
  struct Or {
    std::vector<Tree> of;
    bool operator==(const Or&) const = default;
  };
  struct Not {
    std::vector<Tree> of;  // exactly one
    bool operator==(const Not&) const = default;
  };
  std::variant<True, False, Predicate, And, Or, Not> node = True{};

  Tree() = default;
  template <class Alternative>
    requires(!std::is_same_v<std::remove_cvref_t<Alternative>, Tree>)
  Tree(Alternative alternative) : node(std::move(alternative)) {}

  bool is_true() const { return std::holds_alternative<True>(node); }
  bool is_false() const { return std::holds_alternative<False>(node); }
  bool operator==(const Tree&) const = default;
};

struct Predicate {
  Operator op = Operator::kIsNull;
  std::string column;  // full name
  std::vector<Literal> literals;
  bool operator==(const Predicate&) const = default;
};
using Expression = Tree<Predicate>;

// Three-valued logic of SQL: any predicate on null but kIsNull and kNotNull is unknown (kIsNan and
// kNotNan, too), and a row passes only when the whole is true. So `a != 1` and `not (a = 1)` both
// drop nulls.
//
// Floats compare as IEEE 754 says and Arrow computes: NaN passes != and not in, and nothing else
// (`not (x < 5)` passes NaN and is bound as `x >= 5 or x is nan`); -0 equals 0.
struct BoundPredicate {
  Operator op = Operator::kIsNull;
  int32_t field_id = 0;
  PrimitiveType type;         // of the field in the schema it was bound to
  std::vector<Value> values;  // of that type; sorted and unique for kIn and kNotIn
  bool operator==(const BoundPredicate&) const = default;
};
using BoundExpression = Tree<BoundPredicate>;

// SQL-like text: `a >= 5 and (b = 'x' or c is not null) and d in (1, 2) and name like 'ab%' and
// ts >= timestamp '2024-01-01 00:00:00' and l_shipdate between date '1994-01-01' and '1994-12-31'
// and not flag and x is not nan and hash = x'00ff' and 5 < e`. Columns may be quoted "with.odd
// name"; keywords are in any case. LIKE takes a prefix pattern only, with \ before a % or _ meant
// as such. Nesting is limited to 200. kInvalidArgument gives the position, counted from 1.
Result<Expression> ParseExpression(std::string_view text);
// ParseExpression reads it back.
std::string ToString(const Expression& expression);
// With column names from the schema; "field 1000" for an id that is not in it.
std::string ToString(const BoundExpression& expression, const Schema& schema);

// A filter as JSON of the REST specification ("Expression"). What it has no form for: a literal
// x'00ff' is {"hex": "00ff"}, and a number that JSON readers would round is a string.
std::string ToJson(const Expression& expression);
// What ToJson wrote means the same again. kCorrupt says what is wrong, kUnsupported names an
// expression that this version does not know, such as one over a transformed column.
Result<Expression> ParseExpressionJson(std::string_view json);

// Resolves columns, reads literals as the columns' types, removes Not by negating, folds what is
// decided (a required column within required structs is never null; `int_column < 3e9` is true
// where not null; `x in ()` is false). A number is compared exactly: `int_column < 1.5` becomes
// `<= 1`, `price = 1.005` with two decimals is false; only for float and double does the nearest
// number stand for it. kInvalidArgument names an unknown column (and near ones), a repeated one, or
// a literal that is none of its type.
Result<BoundExpression> Bind(const Expression& expression, const Schema& schema,
                             bool case_sensitive = true);

// Ids of the columns that it looks at, sorted, unique.
std::vector<int32_t> ReferencedFields(const BoundExpression& expression);

}  // namespace pk::iceberg
