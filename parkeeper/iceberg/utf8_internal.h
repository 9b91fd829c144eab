#pragma once

// Characters of UTF-8 text that may be broken. A character's length follows from its first byte
// alone, so that cutting after N characters keeps the order of byte strings even for broken text.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pk::iceberg {

// Bytes of the first character of `text`, which is not empty.
inline size_t CharacterLength(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 1;
  return length < text.size() ? length : text.size();
}

// At most the first `count` characters.
inline std::string_view FirstCharacters(std::string_view text, int64_t count) {
  size_t end = 0;
  for (int64_t i = 0; i < count && end < text.size(); ++i) end += CharacterLength(text.substr(end));
  return text.substr(0, end);
}

inline int64_t CountCharacters(std::string_view text) {
  int64_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(CharacterLength(text));
  return count;
}

// The code point that `character` (one whole character) encodes; nullopt when it is no valid UTF-8:
// overlong, a surrogate, beyond U+10FFFF, or cut off.
std::optional<uint32_t> DecodeCharacter(std::string_view character);
std::string EncodeCharacter(uint32_t code_point);

}  // namespace pk::iceberg
