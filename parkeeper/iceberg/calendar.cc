#include <fmt/format.h>

#include <chrono>
#include <limits>

#include "parkeeper/iceberg/calendar_internal.h"

namespace pk::iceberg {
namespace {

// std::chrono's calendar ends at year 32767; it repeats every 400 years, so one era is enough.
constexpr int64_t kYearsPerEra = 400;
constexpr int64_t kDaysPerEra = 146'097;

std::optional<int64_t> TakeDigits(std::string_view& text, size_t least, size_t most) {
  size_t count = 0;
  int64_t number = 0;
  while (count < most && count < text.size() && text[count] >= '0' && text[count] <= '9')
    number = number * 10 + (text[count++] - '0');
  if (count < least) return std::nullopt;
  text.remove_prefix(count);
  return number;
}

bool TakeChar(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<int64_t> TakeYear(std::string_view& text) {
  if (TakeChar(text, '+')) return TakeDigits(text, 4, 7);
  if (!TakeChar(text, '-')) return TakeDigits(text, 4, 4);
  const auto year = TakeDigits(text, 4, 7);
  if (!year) return std::nullopt;
  return -*year;
}

std::optional<int64_t> TakeDate(std::string_view& text) {
  const auto year = TakeYear(text);
  if (!year || !TakeChar(text, '-')) return std::nullopt;
  const auto month = TakeDigits(text, 2, 2);
  if (!month || !TakeChar(text, '-')) return std::nullopt;
  const auto day = TakeDigits(text, 2, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day within_era{
      std::chrono::year(int(FloorMod(*year, kYearsPerEra))), std::chrono::month(unsigned(*month)),
      std::chrono::day(unsigned(*day))};
  if (!within_era.ok()) return std::nullopt;
  return DaysFromCivil({.year = *year, .month = int(*month), .day = int(*day)});
}

// Digits beyond the sixth would be lost, so only zeros may stand there.
std::optional<int64_t> TakeFraction(std::string_view& text) {
  int64_t micros = 0;
  size_t count = 0;
  for (; count < text.size() && text[count] >= '0' && text[count] <= '9'; ++count) {
    if (count < 6)
      micros = micros * 10 + (text[count] - '0');
    else if (text[count] != '0')
      return std::nullopt;
  }
  if (count == 0) return std::nullopt;
  for (size_t i = count; i < 6; ++i) micros *= 10;
  text.remove_prefix(count);
  return micros;
}

std::optional<int64_t> TakeTime(std::string_view& text) {
  const auto hour = TakeDigits(text, 2, 2);
  if (!hour || *hour > 23 || !TakeChar(text, ':')) return std::nullopt;
  const auto minute = TakeDigits(text, 2, 2);
  if (!minute || *minute > 59) return std::nullopt;
  int64_t micros = (*hour * 60 + *minute) * 60 * kMicrosPerSecond;
  if (!TakeChar(text, ':')) return micros;
  const auto second = TakeDigits(text, 2, 2);
  if (!second || *second > 59) return std::nullopt;
  micros += *second * kMicrosPerSecond;
  if (!TakeChar(text, '.')) return micros;
  const auto fraction = TakeFraction(text);
  if (!fraction) return std::nullopt;
  return micros + *fraction;
}

// Microseconds east of UTC; 0 at the end of the text.
std::optional<int64_t> TakeZone(std::string_view& text) {
  if (text.empty() || TakeChar(text, 'Z') || TakeChar(text, 'z')) return 0;
  const bool west = text.front() == '-';
  if (!west && text.front() != '+') return std::nullopt;
  text.remove_prefix(1);
  const auto hours = TakeDigits(text, 2, 2);
  if (!hours || *hours > 18) return std::nullopt;
  int64_t minutes = 0;
  if (TakeChar(text, ':') || !text.empty()) {
    const auto found = TakeDigits(text, 2, 2);
    if (!found || *found > 59) return std::nullopt;
    minutes = *found;
  }
  const int64_t offset = (*hours * 60 + minutes) * 60 * kMicrosPerSecond;
  return west ? -offset : offset;
}

}  // namespace

int64_t DaysFromCivil(const CivilDate& date) {
  const int64_t era = FloorDiv(date.year, kYearsPerEra);
  const std::chrono::sys_days within_era = std::chrono::year(int(date.year - era * kYearsPerEra)) /
                                           std::chrono::month(unsigned(date.month)) /
                                           std::chrono::day(unsigned(date.day));
  return int64_t(within_era.time_since_epoch().count()) + era * kDaysPerEra;
}

CivilDate CivilFromDays(int64_t days) {
  const int64_t era = FloorDiv(days, kDaysPerEra);
  const std::chrono::year_month_day within_era(
      std::chrono::sys_days(std::chrono::days(int(days - era * kDaysPerEra))));
  return {.year = int(within_era.year()) + era * kYearsPerEra,
          .month = int(unsigned(within_era.month())),
          .day = int(unsigned(within_era.day()))};
}

std::string DateText(int64_t days) {
  const CivilDate date = CivilFromDays(days);
  const std::string_view sign = date.year < 0 ? "-" : date.year > 9999 ? "+" : "";
  const int64_t year = date.year < 0 ? -date.year : date.year;
  return fmt::format("{}{:04}-{:02}-{:02}", sign, year, date.month, date.day);
}

std::string TimeText(int64_t micros_of_day) {
  const int64_t seconds = FloorDiv(micros_of_day, kMicrosPerSecond);
  const int64_t micros = FloorMod(micros_of_day, kMicrosPerSecond);
  std::string text =
      fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (micros == 0) return text;
  text += fmt::format(".{:06}", micros);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

std::string TimestampText(int64_t micros) {
  return DateText(FloorDiv(micros, kMicrosPerDay)) + "T" +
         TimeText(FloorMod(micros, kMicrosPerDay));
}

std::optional<int32_t> ParseDate(std::string_view text) {
  const auto days = TakeDate(text);
  if (!days || !text.empty() || *days != int32_t(*days)) return std::nullopt;
  return int32_t(*days);
}

std::optional<int64_t> ParseTime(std::string_view text) {
  const auto micros = TakeTime(text);
  if (!micros || !text.empty()) return std::nullopt;
  return micros;
}

std::optional<int64_t> ParseTimestamp(std::string_view text, bool zoned) {
  const auto days = TakeDate(text);
  if (!days) return std::nullopt;
  int64_t of_day = 0;
  if (!text.empty()) {
    if (!TakeChar(text, 'T') && !TakeChar(text, 't') && !TakeChar(text, ' ')) return std::nullopt;
    const auto time = TakeTime(text);
    if (!time) return std::nullopt;
    of_day = *time;
    if (zoned) {
      const auto zone = TakeZone(text);
      if (!zone) return std::nullopt;
      of_day -= *zone;
    }
  }
  if (!text.empty()) return std::nullopt;
  // Wide, for the first day of the range begins before the range does.
  __extension__ using Wide = __int128;
  const Wide wide = Wide(*days) * kMicrosPerDay + of_day;
  const auto micros = int64_t(wide);
  if (micros != wide) return std::nullopt;
  return micros;
}

}  // namespace pk::iceberg
