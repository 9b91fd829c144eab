// Partition specs and sort orders as people write them.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/token_internal.h"

namespace pk::iceberg {
namespace {

struct NamedTransform {
  std::string_view name;
  TransformKind kind;
  std::string_view suffix;  // of the partition field's name
};
// Spark's plurals are accepted too.
constexpr NamedTransform kNamedTransforms[] = {
    {"identity", TransformKind::kIdentity, ""},
    {"bucket", TransformKind::kBucket, "_bucket"},
    {"truncate", TransformKind::kTruncate, "_trunc"},
    {"year", TransformKind::kYear, "_year"},
    {"years", TransformKind::kYear, "_year"},
    {"month", TransformKind::kMonth, "_month"},
    {"months", TransformKind::kMonth, "_month"},
    {"day", TransformKind::kDay, "_day"},
    {"days", TransformKind::kDay, "_day"},
    {"date", TransformKind::kDay, "_day"},
    {"hour", TransformKind::kHour, "_hour"},
    {"hours", TransformKind::kHour, "_hour"},
    {"void", TransformKind::kVoid, "_null"},
};

std::string_view SuffixOf(TransformKind kind) {
  return std::ranges::find(kNamedTransforms, kind, &NamedTransform::kind)->suffix;
}

struct Term {
  Transform transform;
  int32_t source_id = 0;
};

class TermParser {
 public:
  TermParser(TokenCursor& cursor, const Schema& schema) : cursor_(cursor), schema_(schema) {}

  // "category", "day(ts)", "bucket(16, id)" or "bucket(id, 16)"
  Result<Term> Next() {
    const size_t position = cursor_.Peek().position;
    Result<Term> term = cursor_.IsSymbol("(", 1) ? Call() : Column({});
    if (!term.ok()) return term;
    const PrimitiveType* type = schema_.FindById(term->source_id)->type.primitive();
    const std::string where =
        fmt::format("column '{}' at position {}", schema_.FullName(term->source_id), position);
    PK_CHECK(
        type != nullptr && !schema_.IsRepeated(term->source_id),
        InvalidArgument(where + " is nested: a primitive one outside of lists and maps is wanted"));
    PK_TRY(ResultType(term->transform, *type).With(where));
    return term;
  }

 private:
  Result<Term> Call() {
    const auto* const known = std::ranges::find_if(
        kNamedTransforms, [&](const NamedTransform& named) { return cursor_.IsWord(named.name); });
    if (known == std::end(kNamedTransforms))
      return cursor_.Expected(
          "a transform (identity, bucket, truncate, year, month, day, hour or void)");
    cursor_.Take();
    cursor_.Take();  // the bracket
    Transform transform{.kind = known->kind};
    const bool parametrised =
        known->kind == TransformKind::kBucket || known->kind == TransformKind::kTruncate;
    const bool parameter_first = parametrised && cursor_.Peek().kind == Token::Kind::kNumber;
    if (parameter_first) {
      transform.parameter = PK_TRY(Parameter());
      PK_TRY(cursor_.NeedSymbol(","));
    }
    Term term = PK_TRY(Column(transform));
    if (parametrised && !parameter_first) {
      PK_TRY(cursor_.NeedSymbol(","));
      term.transform.parameter = PK_TRY(Parameter());
    }
    PK_TRY(cursor_.NeedSymbol(")"));
    return term;
  }

  Result<int32_t> Parameter() {
    const std::string& text = cursor_.Peek().text;
    int32_t number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (cursor_.Peek().kind != Token::Kind::kNumber || code != std::errc() ||
        end != text.data() + text.size() || number < 1)
      return cursor_.Expected("a whole number from 1 to 2147483647");
    cursor_.Take();
    return number;
  }

  Result<Term> Column(Transform transform) {
    const size_t position = cursor_.Peek().position;
    const std::string name = PK_TRY(cursor_.NeedColumn());
    const Field* field = schema_.FindByName(name);
    if (field == nullptr)
      return UnknownColumn(schema_, name).With(fmt::format("position {}", position));
    return Term{.transform = std::move(transform), .source_id = field->id};
  }

  TokenCursor& cursor_;
  const Schema& schema_;
};

bool IsTime(TransformKind kind) {
  return kind == TransformKind::kYear || kind == TransformKind::kMonth ||
         kind == TransformKind::kDay || kind == TransformKind::kHour;
}

// The reference implementation refuses, too, what would only split partitions twice over.
bool IsRedundant(const PartitionField& field, const PartitionField& other) {
  return field.source_id == other.source_id &&
         (field.transform == other.transform ||
          (IsTime(field.transform.kind) && IsTime(other.transform.kind)));
}

Result<PartitionField> NextPartitionField(TokenCursor& cursor, const Schema& schema,
                                          const PartitionSpec& so_far) {
  const size_t position = cursor.Peek().position;
  Term term = PK_TRY(TermParser(cursor, schema).Next());
  const std::string column = schema.FullName(term.source_id);
  PartitionField field{.source_id = term.source_id,
                       .field_id = kFirstPartitionFieldId + int32_t(so_far.fields.size()),
                       .name = column + std::string(SuffixOf(term.transform.kind)),
                       .transform = std::move(term.transform)};
  if (cursor.TakeWord("as")) field.name = PK_TRY(cursor.NeedColumn());
  for (const PartitionField& other : so_far.fields) {
    PK_CHECK(!IsRedundant(field, other),
             InvalidArgument(fmt::format("column '{}' at position {} is partitioned by {} already, "
                                         "which makes {} redundant",
                                         column, position, ToString(other.transform),
                                         ToString(field.transform))));
    PK_CHECK(field.name != other.name,
             InvalidArgument(fmt::format("partition field at position {} needs another name than "
                                         "'{}' (write: ... as NAME)",
                                         position, field.name)));
  }
  return field;
}

Result<SortField> NextSortField(TokenCursor& cursor, const Schema& schema) {
  Term term = PK_TRY(TermParser(cursor, schema).Next());
  SortField field{.source_id = term.source_id, .transform = std::move(term.transform)};
  field.descending = cursor.TakeWord("desc");
  if (!field.descending) cursor.TakeWord("asc");
  field.nulls_first = !field.descending;
  if (cursor.TakeWord("nulls")) {
    field.nulls_first = cursor.TakeWord("first");
    if (!field.nulls_first && !cursor.TakeWord("last")) return cursor.Expected("'first' or 'last'");
  }
  return field;
}

}  // namespace

Result<PartitionSpec> ParsePartitionText(std::string_view text, const Schema& schema) {
  const std::vector<Token> tokens = PK_TRY(Tokenize(text).With("partition spec"));
  TokenCursor cursor(tokens);
  PartitionSpec spec;
  if (cursor.AtEnd()) return spec;
  do {
    spec.fields.push_back(PK_TRY(NextPartitionField(cursor, schema, spec).With("partition spec")));
  } while (cursor.TakeSymbol(","));
  if (!cursor.AtEnd()) return cursor.Expected("',' or the end").With("partition spec");
  PK_TRY(Validate(spec, schema));
  return spec;
}

Result<SortOrder> ParseSortText(std::string_view text, const Schema& schema) {
  const std::vector<Token> tokens = PK_TRY(Tokenize(text).With("sort order"));
  TokenCursor cursor(tokens);
  SortOrder order;
  if (cursor.AtEnd()) return order;
  order.order_id = 1;
  do {
    order.fields.push_back(PK_TRY(NextSortField(cursor, schema).With("sort order")));
  } while (cursor.TakeSymbol(","));
  if (!cursor.AtEnd()) return cursor.Expected("',' or the end").With("sort order");
  return order;
}

}  // namespace pk::iceberg
