#pragma once

// The proleptic Gregorian calendar over the whole range of int32 days, before 1970 too.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pk::iceberg {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerHour = 3600 * kMicrosPerSecond;
inline constexpr int64_t kMicrosPerDay = 24 * kMicrosPerHour;

// Rounds towards minus infinity; `by` is positive.
constexpr int64_t FloorDiv(int64_t value, int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}
constexpr int64_t FloorMod(int64_t value, int64_t by) {
  const int64_t rest =
      value % by;  // never by way of the quotient, which overflows at the least value
  return rest < 0 ? rest + by : rest;
}

struct CivilDate {
  int64_t year = 1970;
  int month = 1;
  int day = 1;
  bool operator==(const CivilDate&) const = default;
};

// Days since 1970-01-01; `date` must exist.
int64_t DaysFromCivil(const CivilDate& date);
CivilDate CivilFromDays(int64_t days);

// "2017-11-16"; years outside 0000-9999 carry a sign: "+10000-01-01", "-0001-12-31".
std::string DateText(int64_t days);
// "22:31:08", with as many digits of a second as are not zero.
std::string TimeText(int64_t micros_of_day);
// "2017-11-16T22:31:08.5"
std::string TimestampText(int64_t micros);

// The inverses; nullopt when the text is none or out of the range of int32 days, int64
// microseconds.
std::optional<int32_t> ParseDate(std::string_view text);
std::optional<int64_t> ParseTime(std::string_view text);
// A date alone is its midnight; date and time are parted by 'T' or one space. A zone ("Z", "+01",
// "+01:00") is accepted only with `zoned`; without one the time is UTC.
std::optional<int64_t> ParseTimestamp(std::string_view text, bool zoned);

}  // namespace pk::iceberg
