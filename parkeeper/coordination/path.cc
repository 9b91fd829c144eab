#include "parkeeper/coordination/path.h"

#include <fmt/format.h>

#include <cstdint>

#include "parkeeper/coordination/limits.h"

namespace pk::coordination {
namespace {

constexpr std::string_view kReservedName = "zookeeper";

// The code point at the start of `text` and its length in bytes; length 0: not UTF-8 (RFC 3629).
struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;
};

CodePoint Decode(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  uint32_t value = lead & (0xFFu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[bytes] || value > 0x10FFFF || surrogate) return {};
  return {value, bytes};
}

// ZooKeeper's server looks at UTF-16 units, so a pair above U+FFFF counts as forbidden too.
bool IsForbidden(uint32_t c) {
  return c <= 0x1F || (c >= 0x7F && c <= 0x9F) || (c >= 0xE000 && c <= 0xF8FF) || c >= 0xFFF0;
}

Error Bad(std::string_view what, std::string_view path) {
  return InvalidArgument(fmt::format("bad path: {}: '{}'", what, path.substr(0, 200)));
}

Result<> ValidateSegment(std::string_view segment, std::string_view path) {
  PK_CHECK(!segment.empty(), Bad("empty segment", path));
  PK_CHECK(segment != "." && segment != "..", Bad("relative segment", path));
  for (size_t at = 0; at < segment.size();) {
    const CodePoint c = Decode(segment.substr(at));
    PK_CHECK(c.bytes > 0, Bad("not UTF-8", EscapeSegment(path.substr(0, 60))));
    PK_CHECK(!IsForbidden(c.value),
             Bad(fmt::format("character U+{:04X} is not allowed, escape the name", c.value),
                 EscapeSegment(path.substr(0, 60))));
    at += c.bytes;
  }
  return {};
}

bool StandsForItself(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<> ValidatePath(std::string_view path) {
  PK_CHECK(path.size() <= kMaxPathBytes,
           Bad(fmt::format("{} bytes, more than {}", path.size(), kMaxPathBytes), path));
  PK_CHECK(path.starts_with('/'), Bad("does not start with '/'", path));
  if (path == "/") return {};
  size_t begin = 1;
  while (true) {
    const size_t end = path.find('/', begin);
    PK_TRY(ValidateSegment(path.substr(begin, end - begin), path));
    if (begin == 1 && path.substr(1, end - 1) == kReservedName) {
      return Bad("reserved for ZooKeeper itself", path);
    }
    if (end == std::string_view::npos) return {};
    begin = end + 1;
  }
}

std::string_view Parent(std::string_view path) {
  const size_t slash = path.rfind('/');
  return path.substr(0, slash == 0 ? 1 : slash);
}

std::string_view LastSegment(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string Join(std::string_view parent, std::string_view segment) {
  if (parent == "/") parent = "";
  return fmt::format("{}/{}", parent, segment);
}

bool IsAtOrBelow(std::string_view path, std::string_view ancestor) {
  if (ancestor == "/") return true;
  return path.starts_with(ancestor) &&
         (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

std::string EscapeSegment(std::string_view name) {
  if (name.empty()) return "%";
  const bool special = name == "." || name == ".." || name == kReservedName;
  std::string segment;
  segment.reserve(name.size());
  for (size_t i = 0; i < name.size(); ++i) {
    if (StandsForItself(name[i]) && !(special && i == 0)) {
      segment += name[i];
    } else {
      fmt::format_to(std::back_inserter(segment), "%{:02X}", static_cast<uint8_t>(name[i]));
    }
  }
  return segment;
}

Result<std::string> UnescapeSegment(std::string_view segment) {
  const auto bad = [&] {
    return Corrupt(fmt::format("not an escaped name: '{}'", segment.substr(0, 200)));
  };
  if (segment == "%") return std::string();
  std::string name;
  name.reserve(segment.size());
  for (size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] != '%') {
      name += segment[i];
      continue;
    }
    PK_CHECK(i + 2 < segment.size(), bad());
    const int high = HexDigit(segment[i + 1]), low = HexDigit(segment[i + 2]);
    PK_CHECK(high >= 0 && low >= 0, bad());
    name += static_cast<char>(high * 16 + low);
    i += 2;
  }
  // One name, one segment: also refuses bytes that should have been escaped, and the other way.
  PK_CHECK(EscapeSegment(name) == segment, bad());
  return name;
}

}  // namespace pk::coordination
