#include <charconv>

#include "parkeeper/iceberg/json_internal.h"

namespace pk::iceberg {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xed && byte(1) > 0x9f;
  const bool too_large = lead == 0xf4 && byte(1) > 0x8f;
  return overlong || surrogate || too_large ? 0 : length;
}

constexpr char kHexDigits[] = "0123456789abcdef";

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void JsonWriter::Quote(std::string_view text) {
  out_ += '"';
  size_t plain = 0;  // where the run of bytes begins that are written as they are
  size_t at = 0;
  const auto flush = [&] { out_.append(text.substr(plain, at - plain)); };
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const size_t length = byte < 0x80 ? 1 : SequenceLength(text.substr(at));
    if (length != 0 && byte >= 0x20 && byte != '"' && byte != '\\') {
      at += length;
      continue;
    }
    flush();
    if (length == 0) {
      out_ += "\xef\xbf\xbd";  // U+FFFD
    } else if (byte == '"' || byte == '\\') {
      out_ += '\\';
      out_ += char(byte);
    } else {
      out_ += "\\u00";
      out_ += kHexDigits[byte >> 4];
      out_ += kHexDigits[byte & 15];
    }
    plain = ++at;
  }
  flush();
  out_ += '"';
}

void JsonWriter::Key(std::string_view name) {
  Separate();
  Quote(name);
  out_ += ':';
}

void JsonWriter::String(std::string_view value) {
  Separate();
  Quote(value);
}

void JsonWriter::Int(int64_t value) {
  Separate();
  char digits[20];
  out_.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

void JsonWriter::Raw(std::string_view json) {
  Separate();
  out_ += json;
}

void JsonWriter::String(std::string_view key, std::string_view value) {
  Key(key);
  String(value);
}

void JsonWriter::Int(std::string_view key, int64_t value) {
  Key(key);
  Int(value);
}

void JsonWriter::Bool(std::string_view key, bool value) {
  Key(key);
  Raw(value ? "true" : "false");
}

void JsonWriter::Members(const UnknownMembers& members) {
  for (const auto& [key, json] : members) {
    Key(key);
    Raw(json);
  }
}

void JsonWriter::Strings(std::string_view key, std::span<const std::string> values) {
  Key(key);
  BeginArray();
  for (const std::string& value : values) String(value);
  EndArray();
}

void JsonWriter::StringMap(std::string_view key, const std::map<std::string, std::string>& values) {
  Key(key);
  BeginObject();
  for (const auto& [name, value] : values) String(name, value);
  EndObject();
}

}  // namespace pk::iceberg
