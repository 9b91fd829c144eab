#pragma once

// Decimal numbers as written, exact: no binary floating point on the way to an integer or decimal.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {

inline constexpr int32_t kMaxPrecision = 38;

// 10 to the `exponent`, 0 to 38.
Int128 PowerOfTen(int32_t exponent);

// "1420" with scale 2 is "14.20".
std::string DecimalText(Int128 unscaled, int32_t scale);

// digits * 10^exponent.
struct ExactNumber {
  bool negative = false;
  std::string digits;  // no zero at either end; empty for zero
  int64_t exponent = 0;
};

// "[+-]12.5e-3"; nullopt when `text` is not a number (NaN and infinities are none).
std::optional<ExactNumber> ParseNumber(std::string_view text);

// The integer part of number * 10^scale, rounded towards minus infinity.
struct ScaledFloor {
  enum class Range { kBelow, kWithin, kAbove };
  Range range = Range::kWithin;  // else |number * 10^scale| has more than 38 digits
  Int128 floor = 0;
  bool exact = true;  // nothing was rounded off
};
ScaledFloor FloorAtScale(const ExactNumber& number, int32_t scale);

}  // namespace pk::iceberg
