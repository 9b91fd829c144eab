#pragma once

// The text of a query: as much of SQL's tokens as it takes to find a table's name in it. Pure.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pk::sql {

// The place of the next token at or after `at`: behind white space and comments.
size_t SkipBlanks(std::string_view text, size_t at);

// Behind the token that begins at `at`: a word, a quoted name, a string in any of its forms, or one
// character.
size_t SkipToken(std::string_view text, size_t at);

// Behind the parenthesis that closes the one at `at`; nullopt when none does.
std::optional<size_t> SkipParentheses(std::string_view text, size_t at);

// The first word in lower case, "" when there is none.
std::string FirstWord(std::string_view text);
// There is a token of these letters, in any case, outside of quotes.
bool HasWord(std::string_view text, std::string_view word);

// A name at `at` with dots between its parts, quotes taken off.
struct DottedName {
  std::vector<std::string> parts;
  size_t end = 0;  // behind it
};
std::optional<DottedName> ReadName(std::string_view text, size_t at);

// A table's name where a query has it.
struct NamePlace {
  size_t begin = 0;
  size_t end = 0;
  // Of `AT (...)` behind the name and its alias; equal when there is none.
  size_t at_begin = 0;
  size_t at_end = 0;
  std::string at_value;  // what stands behind => in it
};
// `name` is what stands at `begin`; nullopt when something else does.
std::optional<NamePlace> FindName(std::string_view text, size_t begin,
                                  const std::vector<std::string>& name, std::string_view alias,
                                  bool has_at);

}  // namespace pk::sql
