#include "parkeeper/catalog/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/base/json.h"

namespace pk::catalog {
namespace {

constexpr size_t kMaxLevels = 16;
constexpr size_t kMaxLevelBytes = 255;

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

std::string Quoted(std::string_view level) {
  const auto special = [](char c) { return c == '.' || c == '"' || IsSpace(c); };
  if (!level.empty() && std::none_of(level.begin(), level.end(), special)) {
    return std::string(level);
  }
  std::string text = "\"";
  for (const char c : level) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + '"';
}

Result<> ValidateLevel(std::string_view level) {
  PK_CHECK(!level.empty(), InvalidArgument("a name is empty"));
  PK_CHECK(level.size() <= kMaxLevelBytes,
           InvalidArgument(fmt::format("a name has {} bytes (at most {}): '{}...'", level.size(),
                                       kMaxLevelBytes, level.substr(0, 32))));
  for (size_t at = 0; at < level.size();) {
    const size_t length = json::CharacterLength(level.substr(at));
    PK_CHECK(length > 0, InvalidArgument(fmt::format("a name is not UTF-8 at byte {}", at)));
    PK_CHECK(uint8_t(level[at]) >= 0x20 && level[at] != 0x7F,
             InvalidArgument(fmt::format("a name holds a control character at byte {}", at)));
    at += length;
  }
  return {};
}

// One level from `at` on, quoted or plain; `at` moves behind it.
Result<std::string> ParseLevel(std::string_view text, size_t& at) {
  std::string level;
  if (at < text.size() && text[at] == '"') {
    for (++at; at < text.size(); ++at) {
      if (text[at] != '"') {
        level += text[at];
      } else if (at + 1 < text.size() && text[at + 1] == '"') {
        level += text[at++];
      } else {
        ++at;
        return level;
      }
    }
    return InvalidArgument("a quote is not closed");
  }
  while (at < text.size() && text[at] != '.') {
    PK_CHECK(text[at] != '"', InvalidArgument("a quote inside a name: quote all of it"));
    level += text[at++];
  }
  return level;
}

Result<std::vector<std::string>> ParseLevels(std::string_view text) {
  std::vector<std::string> levels;
  for (size_t at = 0;; ++at) {
    levels.push_back(PK_TRY(ParseLevel(text, at)));
    if (at == text.size()) return levels;
    PK_CHECK(text[at] == '.', InvalidArgument("a quoted name must end at a dot"));
  }
}

std::string Invalid(std::string_view text) { return fmt::format("'{}' is no valid name", text); }

}  // namespace

std::string ToString(const Namespace& ns) {
  std::string text;
  for (const std::string& level : ns.levels) {
    if (!text.empty()) text += '.';
    text += Quoted(level);
  }
  return text;
}

std::string ToString(const TableName& name) { return ToString(name.ns) + "." + Quoted(name.name); }

Result<Namespace> ParseNamespace(std::string_view text) {
  Namespace ns{PK_TRY(ParseLevels(text).With(Invalid(text)))};
  PK_TRY(Validate(ns).With(Invalid(text)));
  return ns;
}

Result<TableName> ParseTableName(std::string_view text) {
  std::vector<std::string> levels = PK_TRY(ParseLevels(text).With(Invalid(text)));
  PK_CHECK(levels.size() >= 2,
           InvalidArgument(
               fmt::format("{}: a table needs a namespace, as in sales.orders", Invalid(text))));
  TableName name;
  name.name = std::move(levels.back());
  levels.pop_back();
  name.ns.levels = std::move(levels);
  PK_TRY(Validate(name).With(Invalid(text)));
  return name;
}

Result<TableName> TableNameInSql(const std::vector<std::string>& parts) {
  TableName table;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    auto part = ParseNamespace(parts[i]);
    // SQL's own quotes are enough for white space.
    if (!part.ok() && parts[i].find_first_of(".\"") == parts[i].npos) part = Namespace{{parts[i]}};
    for (std::string& level : PK_TRY(std::move(part)).levels) {
      table.ns.levels.push_back(std::move(level));
    }
  }
  table.name = parts.back();
  PK_TRY(Validate(table));
  return table;
}

Result<> Validate(const Namespace& ns) {
  PK_CHECK(ns.levels.size() <= kMaxLevels,
           InvalidArgument(fmt::format("a namespace has {} levels (at most {})", ns.levels.size(),
                                       kMaxLevels)));
  for (const std::string& level : ns.levels) PK_TRY(ValidateLevel(level));
  return {};
}

Result<> Validate(const TableName& name) {
  PK_CHECK(!name.ns.levels.empty(), InvalidArgument("a table needs a namespace"));
  PK_TRY(Validate(name.ns));
  return ValidateLevel(name.name);
}

}  // namespace pk::catalog
