#include <charconv>

#include "parkeeper/iceberg/json_internal.h"

namespace pk::iceberg {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

}  // namespace

void JsonWriter::Quote(std::string_view text) {
  out_ += '"';
  size_t plain = 0;  // where the run of bytes begins that are written as they are
  size_t at = 0;
  const auto flush = [&] { out_.append(text.substr(plain, at - plain)); };
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const size_t length = byte < 0x80 ? 1 : json::CharacterLength(text.substr(at));
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
