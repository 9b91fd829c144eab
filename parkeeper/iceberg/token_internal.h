#pragma once

// Tokens of the small languages: filters, partition specs, sort orders.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::iceberg {

struct Token {
  enum class Kind {
    kWord,    // a name or a keyword, dots within included: lineitem.l_tax
    kQuoted,  // "odd name" or `odd name`, without its quotes
    kString,  // 'text', without its quotes
    kNumber,  // 12.5e-3, unsigned
    kHex,     // x'00ff', its digits
    kSymbol,  // ( ) , . + - = != < <= > >=
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  size_t position = 0;  // of its first byte, from 1
};

// The last token is kEnd. kInvalidArgument gives the position of what is no token.
Result<std::vector<Token>> Tokenize(std::string_view text);

// A cursor over tokens with the moves that a recursive descent needs.
class TokenCursor {
 public:
  // `tokens` ends with kEnd and outlives this.
  explicit TokenCursor(const std::vector<Token>& tokens) : tokens_(tokens) {}

  const Token& Peek(size_t ahead = 0) const {
    return tokens_[at_ + ahead < tokens_.size() ? at_ + ahead : tokens_.size() - 1];
  }
  const Token& Take() {
    const Token& token = Peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool AtEnd() const { return Peek().kind == Token::Kind::kEnd; }

  bool IsSymbol(std::string_view symbol, size_t ahead = 0) const;
  bool TakeSymbol(std::string_view symbol);
  // `word` in lower case; the text may be in any.
  bool IsWord(std::string_view word, size_t ahead = 0) const;
  bool TakeWord(std::string_view word);
  Result<> NeedSymbol(std::string_view symbol);
  Result<> NeedWord(std::string_view word);
  // A column's full name: words and quoted parts joined by dots.
  Result<std::string> NeedColumn();

  // "expected 'and' at position 7, found 'or'"
  Error Expected(std::string_view what) const;

 private:
  const std::vector<Token>& tokens_;
  size_t at_ = 0;
};

// `name` as a column name that Tokenize reads back: bare when it can be, else quoted. `reserved`
// says whether a bare word would mean something else.
std::string QuotedName(std::string_view name, bool (*reserved)(std::string_view));

}  // namespace pk::iceberg
