#include <algorithm>

#include "parkeeper/sql/query_text_internal.h"

namespace pk::sql {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool StartsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool InWord(char c) { return StartsWord(c) || IsDigit(c) || c == '$'; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; }
std::string Lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return Lower(c); });
  return out;
}

char At(std::string_view text, size_t at) { return at < text.size() ? text[at] : '\0'; }

// Behind a comment of this kind, which may hold others.
size_t SkipBlockComment(std::string_view text, size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const std::string_view two = text.substr(at, 2);
    if (two == "/*") ++depth;
    if (two == "*/" && --depth == 0) return at + 2;
    at += two == "/*" || two == "*/" ? 2 : 1;
  }
  return at;
}

// Behind the quote that ends what begins at `at`; doubled ones are part of it.
size_t SkipQuoted(std::string_view text, size_t at, bool backslashes) {
  const char quote = text[at++];
  while (at < text.size()) {
    if (backslashes && text[at] == '\\') {
      at += 2;
    } else if (text[at] != quote) {
      ++at;
    } else if (At(text, at + 1) == quote) {
      at += 2;
    } else {
      return at + 1;
    }
  }
  return text.size();
}

// Behind $tag$...$tag$, or behind the one character when it begins none.
size_t SkipDollars(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (InWord(At(text, end)) && text[end] != '$') ++end;
  if (At(text, end) != '$' || IsDigit(At(text, at + 1))) return at + 1;
  const std::string_view tag = text.substr(at, end + 1 - at);
  const size_t close = text.find(tag, end + 1);
  return close == text.npos ? text.size() : close + tag.size();
}

}  // namespace

size_t SkipBlanks(std::string_view text, size_t at) {
  while (at < text.size()) {
    if (IsSpace(text[at])) {
      ++at;
    } else if (text.substr(at, 2) == "--") {
      at = std::min(text.find('\n', at), text.size());
    } else if (text.substr(at, 2) == "/*") {
      at = SkipBlockComment(text, at);
    } else {
      return at;
    }
  }
  return at;
}

size_t SkipToken(std::string_view text, size_t at) {
  const char c = text[at];
  if ((c == 'e' || c == 'E') && At(text, at + 1) == '\'') return SkipQuoted(text, at + 1, true);
  if (c == '\'' || c == '"') return SkipQuoted(text, at, false);
  if (c == '$') return SkipDollars(text, at);
  if (!StartsWord(c)) return at + 1;
  while (InWord(At(text, at))) ++at;
  return at;
}

std::optional<size_t> SkipParentheses(std::string_view text, size_t at) {
  int depth = 0;
  while (at < text.size()) {
    depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
    at = SkipToken(text, at);
    if (depth == 0) return at;
    at = SkipBlanks(text, at);
  }
  return std::nullopt;
}

std::string FirstWord(std::string_view text) {
  size_t at = SkipBlanks(text, 0);
  while (At(text, at) == '(' || At(text, at) == ';') at = SkipBlanks(text, at + 1);
  if (at >= text.size() || !StartsWord(text[at])) return "";
  return Lower(text.substr(at, SkipToken(text, at) - at));
}

bool HasWord(std::string_view text, std::string_view word) {
  for (size_t at = SkipBlanks(text, 0); at < text.size();) {
    const size_t end = SkipToken(text, at);
    if (Lower(text.substr(at, end - at)) == word) return true;
    at = SkipBlanks(text, end);
  }
  return false;
}

std::optional<DottedName> ReadName(std::string_view text, size_t at) {
  DottedName name;
  for (;;) {
    if (At(text, at) != '"' && !StartsWord(At(text, at))) return std::nullopt;
    const size_t end = SkipToken(text, at);
    std::string part(text.substr(at, end - at));
    if (part.front() == '"') {
      if (part.size() < 2) return std::nullopt;
      std::string plain;
      for (size_t i = 1; i + 1 < part.size(); i += part[i] == '"' ? 2 : 1) plain += part[i];
      part = std::move(plain);
    }
    name.parts.push_back(std::move(part));
    name.end = end;
    at = SkipBlanks(text, end);
    if (At(text, at) != '.') return name;
    at = SkipBlanks(text, at + 1);
  }
}

std::optional<NamePlace> FindName(std::string_view text, size_t begin,
                                  const std::vector<std::string>& name, std::string_view alias,
                                  bool has_at) {
  if (begin >= text.size()) return std::nullopt;
  const auto found = ReadName(text, begin);
  if (!found || found->parts != name) return std::nullopt;
  NamePlace place{.begin = begin, .end = found->end, .at_begin = 0, .at_end = 0, .at_value = {}};
  if (!has_at) return place;
  size_t at = SkipBlanks(text, found->end);
  if (!alias.empty()) {
    if (at == text.size()) return std::nullopt;
    const size_t word = SkipToken(text, at);
    if (Lower(text.substr(at, word - at)) == "as") at = SkipBlanks(text, word);
    const auto alias_here = ReadName(text, at);
    if (!alias_here || alias_here->parts != std::vector<std::string>{std::string(alias)})
      return std::nullopt;
    at = SkipBlanks(text, alias_here->end);
    if (At(text, at) == '(') {
      const auto columns = SkipParentheses(text, at);
      if (!columns) return std::nullopt;
      at = SkipBlanks(text, *columns);
    }
  }
  const size_t open = SkipBlanks(text, std::min(at + 2, text.size()));
  if (Lower(text.substr(at, 2)) != "at" || At(text, open) != '(') return std::nullopt;
  const auto close = SkipParentheses(text, open);
  const size_t arrow = text.find("=>", open);
  if (!close || arrow == text.npos || arrow > *close) return std::nullopt;
  place.at_begin = at;
  place.at_end = *close;
  place.at_value = text.substr(arrow + 2, *close - 1 - (arrow + 2));
  return place;
}

}  // namespace pk::sql
