#include "parkeeper/iceberg/utf8_internal.h"

namespace pk::iceberg {

std::optional<uint32_t> DecodeCharacter(std::string_view character) {
  if (character.empty()) return std::nullopt;
  const auto lead = static_cast<unsigned char>(character.front());
  const size_t length = character.size();
  if (length == 1) return lead < 0x80 ? std::optional<uint32_t>(lead) : std::nullopt;
  static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  static constexpr unsigned char kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  if (length > 4 || (lead & kLead[length]) != kLead[length]) return std::nullopt;
  uint32_t code_point = lead & (0x7Fu >> length);
  if (length < 4 && (lead & (0x80u >> length)) != 0) return std::nullopt;  // cut off
  for (const char c : character.substr(1)) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) != 0x80) return std::nullopt;
    code_point = code_point << 6 | (byte & 0x3Fu);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < kLeast[length] || code_point > 0x10FFFF || surrogate) return std::nullopt;
  return code_point;
}

std::string EncodeCharacter(uint32_t code_point) {
  std::string out;
  if (code_point < 0x80) return {char(code_point)};
  if (code_point < 0x800) {
    out += char(0xC0 | code_point >> 6);
  } else if (code_point < 0x10000) {
    out += char(0xE0 | code_point >> 12);
    out += char(0x80 | (code_point >> 6 & 0x3F));
  } else {
    out += char(0xF0 | code_point >> 18);
    out += char(0x80 | (code_point >> 12 & 0x3F));
    out += char(0x80 | (code_point >> 6 & 0x3F));
  }
  out += char(0x80 | (code_point & 0x3F));
  return out;
}

}  // namespace pk::iceberg
