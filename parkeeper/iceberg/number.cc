#include <algorithm>
#include <array>

#include "parkeeper/iceberg/number_internal.h"

namespace pk::iceberg {
namespace {

constexpr auto kPowersOfTen = [] {
  std::array<Int128, kMaxPrecision + 1> powers{};
  powers[0] = 1;
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Exponents beyond this cannot matter: every type is then overflown or the number is nothing but
// rounding.
constexpr int64_t kExponentLimit = 1'000'000'000;

std::optional<int64_t> ParseExponent(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || !std::all_of(text.begin(), text.end(), IsDigit)) return std::nullopt;
  int64_t exponent = 0;
  for (const char c : text) exponent = std::min(kExponentLimit, exponent * 10 + (c - '0'));
  return negative ? -exponent : exponent;
}

}  // namespace

Int128 PowerOfTen(int32_t exponent) {
  return kPowersOfTen[size_t(std::clamp(exponent, 0, kMaxPrecision))];
}

std::string DecimalText(Int128 unscaled, int32_t scale) {
  __extension__ using Unsigned128 = unsigned __int128;
  const bool negative = unscaled < 0;
  Unsigned128 rest = negative ? Unsigned128(0) - Unsigned128(unscaled) : Unsigned128(unscaled);
  std::string reversed;
  while (rest != 0 || reversed.size() <= size_t(scale)) {
    reversed += char('0' + int(rest % 10));
    rest /= 10;
    if (scale > 0 && reversed.size() == size_t(scale)) reversed += '.';
  }
  if (reversed.back() == '.') reversed += '0';
  if (negative) reversed += '-';
  return {reversed.rbegin(), reversed.rend()};
}

std::optional<ExactNumber> ParseNumber(std::string_view text) {
  ExactNumber number;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    number.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (const size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    const auto exponent = ParseExponent(text.substr(e + 1));
    if (!exponent) return std::nullopt;
    number.exponent = *exponent;
    text = text.substr(0, e);
  }
  bool fraction = false;
  bool any = false;
  number.digits.reserve(text.size());
  for (const char c : text) {
    if (c == '.' && !fraction) {
      fraction = true;
    } else if (IsDigit(c)) {
      any = true;
      number.digits += c;
      if (fraction) --number.exponent;
    } else {
      return std::nullopt;
    }
  }
  if (!any) return std::nullopt;
  const size_t last = number.digits.find_last_not_of('0');
  if (last == std::string::npos) return ExactNumber{};
  number.exponent += int64_t(number.digits.size() - last - 1);
  number.digits.erase(last + 1);
  number.digits.erase(0, number.digits.find_first_not_of('0'));
  return number;
}

ScaledFloor FloorAtScale(const ExactNumber& number, int32_t scale) {
  if (number.digits.empty()) return {};
  const int64_t exponent = number.exponent + scale;
  const int64_t whole_digits = int64_t(number.digits.size()) + exponent;
  if (whole_digits > kMaxPrecision)
    return {.range = number.negative ? ScaledFloor::Range::kBelow : ScaledFloor::Range::kAbove};
  ScaledFloor result{.exact = exponent >= 0};
  for (int64_t i = 0; i < whole_digits; ++i) {
    const size_t at = size_t(i);
    result.floor = result.floor * 10 + (at < number.digits.size() ? number.digits[at] - '0' : 0);
  }
  if (number.negative) result.floor = -result.floor - (result.exact ? 0 : 1);
  return result;
}

}  // namespace pk::iceberg
