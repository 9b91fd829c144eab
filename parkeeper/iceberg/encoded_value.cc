#include "parkeeper/iceberg/encoded_value.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <variant>

namespace pk::iceberg {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

template <class Number>
Result<Number> FromDigits(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size(),
           Corrupt(fmt::format("'{}' is no number", text)));
  return number;
}

struct ValueWriter {
  std::string operator()(std::monostate) const { return "n"; }
  std::string operator()(bool value) const { return value ? "b1" : "b0"; }
  std::string operator()(int32_t value) const { return fmt::format("i{}", value); }
  std::string operator()(int64_t value) const { return fmt::format("l{}", value); }
  std::string operator()(float value) const {
    return fmt::format("f{:x}", std::bit_cast<uint32_t>(value));
  }
  std::string operator()(double value) const {
    return fmt::format("d{:x}", std::bit_cast<uint64_t>(value));
  }
  std::string operator()(Int128 value) const {
    return fmt::format("x{:016x}{:016x}", uint64_t(value >> 64), uint64_t(value));
  }
  std::string operator()(const std::string& value) const { return "s" + ToHex(value); }
};

}  // namespace

std::string ToHex(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text += kDigits[uint8_t(c) >> 4];
    text += kDigits[uint8_t(c) & 15];
  }
  return text;
}

Result<std::string> FromHex(std::string_view text) {
  const auto digit = [](char c) {
    const size_t found = std::string_view(kDigits).find(c);
    return found == std::string_view::npos ? -1 : int(found);
  };
  std::string bytes;
  bytes.reserve(text.size() / 2);
  PK_CHECK(text.size() % 2 == 0, Corrupt("an odd number of hexadecimal digits"));
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    PK_CHECK(high >= 0 && low >= 0, Corrupt(fmt::format("'{}' is not hexadecimal", text)));
    bytes += char(high << 4 | low);
  }
  return bytes;
}

std::string EncodeValue(const Value& value) { return std::visit(ValueWriter{}, value); }

Result<Value> DecodeValue(std::string_view text) {
  PK_CHECK(!text.empty(), Corrupt("an empty partition value"));
  const std::string_view rest = text.substr(1);
  switch (text[0]) {
    case 'n':
      return Value();
    case 'b':
      return Value(rest == "1");
    case 'i':
      return Value(PK_TRY(FromDigits<int32_t>(rest)));
    case 'l':
      return Value(PK_TRY(FromDigits<int64_t>(rest)));
    case 'f':
      return Value(std::bit_cast<float>(PK_TRY(FromDigits<uint32_t>(rest, 16))));
    case 'd':
      return Value(std::bit_cast<double>(PK_TRY(FromDigits<uint64_t>(rest, 16))));
    case 'x': {
      PK_CHECK(rest.size() == 32, Corrupt("a decimal needs 32 digits"));
      const auto high = PK_TRY(FromDigits<uint64_t>(rest.substr(0, 16), 16));
      const auto low = PK_TRY(FromDigits<uint64_t>(rest.substr(16), 16));
      return Value(Int128(int64_t(high)) << 64 | Int128(low));
    }
    case 's':
      return Value(PK_TRY(FromHex(rest)));
    default:
      return Corrupt(fmt::format("unknown representation of the partition value '{}'", text));
  }
}

}  // namespace pk::iceberg
