#include "parkeeper/iceberg/evaluate.h"

#include <cassert>

#include "parkeeper/iceberg/utf8_internal.h"

namespace pk::iceberg {
namespace {

// Compare, but -0 equals 0 as it does for rows. Never called with NaN.
int Order(const Value& left, const Value& right) {
  if (const double* number = std::get_if<double>(&left)) {
    const double other = *std::get_if<double>(&right);
    return *number < other ? -1 : *number > other ? 1 : 0;
  }
  if (const float* number = std::get_if<float>(&left)) {
    const float other = *std::get_if<float>(&right);
    return *number < other ? -1 : *number > other ? 1 : 0;
  }
  return Compare(left, right);
}

bool IsFloating(const PrimitiveType& type) {
  return type.kind == PrimitiveKind::kFloat || type.kind == PrimitiveKind::kDouble;
}

// `value` in the representation of `type`: itself, or promoted into `storage`; null when it has
// none, or is null or NaN.
const Value* Usable(const Value& value, const PrimitiveType& type, Value& storage) {
  if (IsNull(value) || IsNan(value)) return nullptr;
  if (Represents(value, type)) return &value;
  if (const int32_t* number = std::get_if<int32_t>(&value); type.kind == PrimitiveKind::kLong)
    storage = number != nullptr ? Value(int64_t(*number)) : Value();
  else if (const float* real = std::get_if<float>(&value); type.kind == PrimitiveKind::kDouble)
    storage = real != nullptr ? Value(double(*real)) : Value();
  return IsNull(storage) ? nullptr : &storage;
}

// The first of the sorted `values` that is not below `bound`.
auto FirstFrom(const std::vector<Value>& values, const Value& bound) {
  return std::lower_bound(values.begin(), values.end(), bound,
                          [](const Value& a, const Value& b) { return Order(a, b) < 0; });
}

bool Contains(const std::vector<Value>& values, const Value& value) {
  const auto found = FirstFrom(values, value);
  return found != values.end() && Order(*found, value) == 0;
}

std::string_view Text(const Value& value) { return *std::get_if<std::string>(&value); }

// Statistics read in the light of one predicate.
class Evidence {
 public:
  Evidence(const BoundPredicate& predicate, const ColumnStatistics& statistics)
      : predicate_(predicate), statistics_(statistics), floating_(IsFloating(predicate.type)) {
    if (statistics.lower) lower_ = Usable(*statistics.lower, predicate.type, lower_storage_);
    if (statistics.upper) upper_ = Usable(*statistics.upper, predicate.type, upper_storage_);
  }

  bool NoNulls() const { return statistics_.null_count == 0; }
  bool OnlyNulls() const {
    return statistics_.value_count && statistics_.null_count == statistics_.value_count;
  }
  bool NoNans() const { return !floating_ || statistics_.nan_count == 0; }
  bool SomeNans() const { return floating_ && statistics_.nan_count.value_or(0) > 0; }
  bool OnlyNans() const {
    return floating_ && statistics_.value_count && statistics_.nan_count == statistics_.value_count;
  }
  bool OnlyNullsAndNans() const {
    return OnlyNulls() || OnlyNans() ||
           (floating_ && statistics_.value_count && statistics_.null_count &&
            statistics_.nan_count &&
            *statistics_.null_count + *statistics_.nan_count == *statistics_.value_count);
  }

  // Each asks whether a (or every) number, neither null nor NaN, within the bounds may (or must)
  // have the relation to the literal.
  bool MayBeBelow() const { return lower_ == nullptr || Compare(*lower_, literal()) < 0; }
  bool MayBeAtMost() const { return lower_ == nullptr || Order(*lower_, literal()) <= 0; }
  bool MayBeAbove() const { return upper_ == nullptr || Compare(*upper_, literal()) > 0; }
  bool MayBeAtLeast() const { return upper_ == nullptr || Order(*upper_, literal()) >= 0; }
  bool AllBelow() const { return upper_ != nullptr && Order(*upper_, literal()) < 0; }
  bool AllAtMost() const { return upper_ != nullptr && Order(*upper_, literal()) <= 0; }
  bool AllAbove() const { return lower_ != nullptr && Order(*lower_, literal()) > 0; }
  bool AllAtLeast() const { return lower_ != nullptr && Order(*lower_, literal()) >= 0; }

  bool AllEqual() const {
    return lower_ != nullptr && upper_ != nullptr && Order(*lower_, literal()) == 0 &&
           Order(*upper_, literal()) == 0;
  }
  bool AllEqualOneOfList() const {
    return lower_ != nullptr && upper_ != nullptr && Order(*lower_, *upper_) == 0 &&
           Contains(predicate_.values, *lower_);
  }
  bool MayEqualOneOfList() const {
    const std::vector<Value>& values = predicate_.values;
    const auto first = lower_ == nullptr ? values.begin() : FirstFrom(values, *lower_);
    return first != values.end() && (upper_ == nullptr || Order(*first, *upper_) <= 0);
  }
  bool MayHavePrefix() const {
    const std::string_view prefix = Text(literal());
    return (lower_ == nullptr || Text(*lower_).substr(0, prefix.size()) <= prefix) &&
           (upper_ == nullptr || Text(*upper_).substr(0, prefix.size()) >= prefix);
  }
  // What lies between two strings with a prefix has it, too.
  bool AllHavePrefix() const {
    const std::string_view prefix = Text(literal());
    return lower_ != nullptr && upper_ != nullptr && Text(*lower_).starts_with(prefix) &&
           Text(*upper_).starts_with(prefix);
  }

 private:
  const Value& literal() const {
    assert(!predicate_.values.empty());
    return predicate_.values.front();
  }

  const BoundPredicate& predicate_;
  const ColumnStatistics& statistics_;
  bool floating_;
  Value lower_storage_, upper_storage_;
  const Value* lower_ = nullptr;
  const Value* upper_ = nullptr;
};

// Of a row that has a value, neither null nor NaN.
bool Passes(const BoundPredicate& predicate, const Value& value) {
  const std::vector<Value>& values = predicate.values;
  switch (predicate.op) {
    case Operator::kIsNull:
    case Operator::kIsNan:
      return false;
    case Operator::kNotNull:
    case Operator::kNotNan:
      return true;
    case Operator::kLess:
      return Order(value, values.front()) < 0;
    case Operator::kLessOrEqual:
      return Order(value, values.front()) <= 0;
    case Operator::kGreater:
      return Order(value, values.front()) > 0;
    case Operator::kGreaterOrEqual:
      return Order(value, values.front()) >= 0;
    case Operator::kEqual:
      return Order(value, values.front()) == 0;
    case Operator::kNotEqual:
      return Order(value, values.front()) != 0;
    case Operator::kStartsWith:
      return Text(value).starts_with(Text(values.front()));
    case Operator::kNotStartsWith:
      return !Text(value).starts_with(Text(values.front()));
    case Operator::kIn:
      return Contains(values, value);
    case Operator::kNotIn:
      return !Contains(values, value);
  }
  return false;
}

bool NanPasses(Operator op) {
  return op == Operator::kNotNull || op == Operator::kIsNan || op == Operator::kNotEqual ||
         op == Operator::kNotIn;
}

}  // namespace

bool MightMatch(const BoundPredicate& predicate, const ColumnStatistics& statistics) {
  const Evidence evidence(predicate, statistics);
  if (predicate.op == Operator::kIsNull) return !evidence.NoNulls();
  if (evidence.OnlyNulls()) return false;
  if (!NanPasses(predicate.op) && evidence.OnlyNullsAndNans() &&
      predicate.op != Operator::kGreater && predicate.op != Operator::kGreaterOrEqual)
    return false;
  switch (predicate.op) {
    case Operator::kIsNull:
    case Operator::kNotNull:
    case Operator::kNotNan:
      return true;
    case Operator::kIsNan:
      return !evidence.NoNans();
    case Operator::kLess:
      return evidence.MayBeBelow();
    case Operator::kLessOrEqual:
      return evidence.MayBeAtMost();
    case Operator::kGreater:
      return evidence.MayBeAbove() || evidence.SomeNans();
    case Operator::kGreaterOrEqual:
      return evidence.MayBeAtLeast() || evidence.SomeNans();
    case Operator::kEqual:
      return evidence.MayBeAtMost() && evidence.MayBeAtLeast();
    case Operator::kNotEqual:
      return !evidence.AllEqual() || !evidence.NoNans();
    case Operator::kStartsWith:
      return evidence.MayHavePrefix();
    case Operator::kNotStartsWith:
      return !evidence.AllHavePrefix();
    case Operator::kIn:
      return evidence.MayEqualOneOfList();
    case Operator::kNotIn:
      return !evidence.AllEqualOneOfList() || !evidence.NoNans();
  }
  return true;
}

bool MustMatch(const BoundPredicate& predicate, const ColumnStatistics& statistics) {
  const Evidence evidence(predicate, statistics);
  if (predicate.op == Operator::kIsNull) return evidence.OnlyNulls();
  if (!evidence.NoNulls()) return false;
  if (!NanPasses(predicate.op) && !evidence.NoNans()) return false;
  if (NanPasses(predicate.op) && evidence.OnlyNans()) return true;
  switch (predicate.op) {
    case Operator::kNotNull:
    case Operator::kNotNan:
      return true;
    case Operator::kIsNull:
    case Operator::kIsNan:
      return false;
    case Operator::kLess:
      return evidence.AllBelow();
    case Operator::kLessOrEqual:
      return evidence.AllAtMost();
    case Operator::kGreater:
      return evidence.AllAbove();
    case Operator::kGreaterOrEqual:
      return evidence.AllAtLeast();
    case Operator::kEqual:
      return evidence.AllEqual();
    case Operator::kNotEqual:
      return evidence.AllBelow() || evidence.AllAbove();
    case Operator::kStartsWith:
      return evidence.AllHavePrefix();
    case Operator::kNotStartsWith:
      return !evidence.MayHavePrefix();
    case Operator::kIn:
      return evidence.AllEqualOneOfList();
    case Operator::kNotIn:
      return !evidence.MayEqualOneOfList();
  }
  return false;
}

Truth Evaluate(const BoundPredicate& predicate, const Value& value) {
  const auto truth = [](bool passes) { return passes ? Truth::kTrue : Truth::kFalse; };
  if (IsNull(value)) {
    if (predicate.op == Operator::kIsNull) return Truth::kTrue;
    return predicate.op == Operator::kNotNull ? Truth::kFalse : Truth::kUnknown;
  }
  if (IsNan(value)) return truth(NanPasses(predicate.op));
  Value storage;
  const Value* usable = Usable(value, predicate.type, storage);
  assert(usable != nullptr);
  return usable == nullptr ? Truth::kUnknown : truth(Passes(predicate, *usable));
}

Value TruncateLower(const Value& value, const PrimitiveType& type, int32_t length) {
  const std::string* bytes = std::get_if<std::string>(&value);
  if (bytes == nullptr || type.kind == PrimitiveKind::kUuid) return value;
  if (type.kind == PrimitiveKind::kString) return std::string(FirstCharacters(*bytes, length));
  return bytes->substr(0, size_t(std::max(length, 0)));
}

std::optional<Value> TruncateUpper(const Value& value, const PrimitiveType& type, int32_t length) {
  Value lower = TruncateLower(value, type, length);
  if (lower == value) return lower;
  std::string prefix = std::get<std::string>(std::move(lower));
  if (type.kind != PrimitiveKind::kString) {
    while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
    if (prefix.empty()) return std::nullopt;
    prefix.back() = char(static_cast<unsigned char>(prefix.back()) + 1);
    return prefix;
  }
  // A prefix raised in its last character is above all that begin with it. What is no character
  // cannot be raised and stay UTF-8, so it goes.
  std::vector<size_t> starts;
  for (size_t at = 0; at < prefix.size();
       at += CharacterLength(std::string_view(prefix).substr(at)))
    starts.push_back(at);
  for (; !starts.empty(); starts.pop_back()) {
    const auto code_point = DecodeCharacter(std::string_view(prefix).substr(starts.back()));
    prefix.resize(starts.back());
    if (!code_point || *code_point == 0x10FFFF) continue;
    return prefix + EncodeCharacter(*code_point == 0xD7FF ? 0xE000 : *code_point + 1);
  }
  return std::nullopt;
}

}  // namespace pk::iceberg
