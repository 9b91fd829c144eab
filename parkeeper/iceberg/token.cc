#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/iceberg/token_internal.h"

namespace pk::iceberg {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// Bytes of other alphabets count as letters.
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool IsOfWord(char c) { return IsLetter(c) || IsDigit(c) || c == '$'; }

size_t WordEnd(std::string_view text, size_t at) {
  while (at < text.size() && (IsOfWord(text[at]) ||
                              (text[at] == '.' && at + 1 < text.size() && IsOfWord(text[at + 1]))))
    ++at;
  return at;
}

size_t DigitsEnd(std::string_view text, size_t at) {
  while (at < text.size() && IsDigit(text[at])) ++at;
  return at;
}

size_t NumberEnd(std::string_view text, size_t at) {
  at = DigitsEnd(text, at);
  if (at < text.size() && text[at] == '.') at = DigitsEnd(text, at + 1);
  if (at < text.size() && Lower(text[at]) == 'e') {
    const size_t sign = at + 1;
    const bool is_signed = sign < text.size() && (text[sign] == '+' || text[sign] == '-');
    const size_t digits = sign + (is_signed ? 1 : 0);
    if (DigitsEnd(text, digits) > digits) at = DigitsEnd(text, digits);
  }
  return at;
}

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}

  Result<Token> Next() {
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
    const size_t start = at_;
    if (start == text_.size()) return Make(Token::Kind::kEnd, start);
    const char c = text_[start];
    const char next = start + 1 < text_.size() ? text_[start + 1] : '\0';
    if (c == '\'') return Quoted(Token::Kind::kString, start);
    if (c == '"' || c == '`') return Quoted(Token::Kind::kQuoted, start);
    if (Lower(c) == 'x' && next == '\'') {
      ++at_;
      return Quoted(Token::Kind::kHex, start);
    }
    if (IsLetter(c)) {
      at_ = WordEnd(text_, start);
      return Make(Token::Kind::kWord, start);
    }
    if (IsDigit(c) || (c == '.' && IsDigit(next))) {
      at_ = NumberEnd(text_, start);
      PK_CHECK(at_ == text_.size() || !IsOfWord(text_[at_]), Unexpected("a number", start));
      return Make(Token::Kind::kNumber, start);
    }
    return Symbol(start, next);
  }

 private:
  Token Make(Token::Kind kind, size_t start) const {
    return {
        .kind = kind, .text = std::string(text_.substr(start, at_ - start)), .position = start + 1};
  }

  Error Unexpected(std::string_view what, size_t start) const {
    return InvalidArgument(fmt::format("text cannot be read as {} at position {}: '{}'", what,
                                       start + 1, text_.substr(start, 20)));
  }

  // A doubled quote stands for itself.
  Result<Token> Quoted(Token::Kind kind, size_t start) {
    const char quote = text_[at_++];
    Token token{.kind = kind, .text = "", .position = start + 1};
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c != quote) {
        token.text += c;
      } else if (at_ < text_.size() && text_[at_] == quote) {
        token.text += text_[at_++];
      } else {
        return token;
      }
    }
    return InvalidArgument(
        fmt::format("quoted text does not end: it begins at position {}", start + 1));
  }

  Result<Token> Symbol(size_t start, char next) {
    static constexpr std::string_view kPairs[] = {"<=", ">=", "!=", "<>", "=="};
    const char pair[] = {text_[start], next};
    if (std::ranges::find(kPairs, std::string_view(pair, 2)) != std::end(kPairs)) {
      at_ = start + 2;
      Token token = Make(Token::Kind::kSymbol, start);
      if (token.text == "<>") token.text = "!=";
      if (token.text == "==") token.text = "=";
      return token;
    }
    PK_CHECK(std::string_view("(),.+-=<>").find(text_[start]) != std::string_view::npos,
             Unexpected("anything", start));
    at_ = start + 1;
    return Make(Token::Kind::kSymbol, start);
  }

  std::string_view text_;
  size_t at_ = 0;
};

bool EqualsWord(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, Lower);
}

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view text) {
  Tokenizer tokenizer(text);
  std::vector<Token> tokens;
  do {
    tokens.push_back(PK_TRY(tokenizer.Next()));
  } while (tokens.back().kind != Token::Kind::kEnd);
  return tokens;
}

bool TokenCursor::IsSymbol(std::string_view symbol, size_t ahead) const {
  return Peek(ahead).kind == Token::Kind::kSymbol && Peek(ahead).text == symbol;
}

bool TokenCursor::TakeSymbol(std::string_view symbol) {
  if (!IsSymbol(symbol)) return false;
  Take();
  return true;
}

bool TokenCursor::IsWord(std::string_view word, size_t ahead) const {
  return Peek(ahead).kind == Token::Kind::kWord && EqualsWord(Peek(ahead).text, word);
}

bool TokenCursor::TakeWord(std::string_view word) {
  if (!IsWord(word)) return false;
  Take();
  return true;
}

Result<> TokenCursor::NeedSymbol(std::string_view symbol) {
  if (!TakeSymbol(symbol)) return Expected(fmt::format("'{}'", symbol));
  return {};
}

Result<> TokenCursor::NeedWord(std::string_view word) {
  if (!TakeWord(word)) return Expected(fmt::format("'{}'", word));
  return {};
}

Result<std::string> TokenCursor::NeedColumn() {
  std::string name;
  do {
    const Token::Kind kind = Peek().kind;
    if (kind != Token::Kind::kWord && kind != Token::Kind::kQuoted)
      return Expected("a column name");
    name += (name.empty() ? "" : ".") + Take().text;
  } while (TakeSymbol("."));
  return name;
}

Error TokenCursor::Expected(std::string_view what) const {
  const Token& found = Peek();
  if (AtEnd()) return InvalidArgument(fmt::format("expected {} at the end of the text", what));
  return InvalidArgument(fmt::format("expected {} at position {}, found '{}'", what, found.position,
                                     found.text.substr(0, 40)));
}

std::string QuotedName(std::string_view name, bool (*reserved)(std::string_view)) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), Lower);
  if (!name.empty() && IsLetter(name.front()) && WordEnd(name, 0) == name.size() &&
      !reserved(lower))
    return std::string(name);
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

}  // namespace pk::iceberg
