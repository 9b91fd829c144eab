#include "parkeeper/datafile/json_cursor_internal.h"

#include <fmt/format.h>

namespace pk::datafile {
namespace {

constexpr int kMaxDepth = 100;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(std::string& out, unsigned point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  int shift = 6;
  unsigned lead = 0xC0;
  if (point >= 0x10000) {
    shift = 18;
    lead = 0xF0;
  } else if (point >= 0x800) {
    shift = 12;
    lead = 0xE0;
  }
  out += static_cast<char>(lead | (point >> shift));
  for (shift -= 6; shift >= 0; shift -= 6) {
    out += static_cast<char>(0x80 | ((point >> shift) & 0x3F));
  }
}

}  // namespace

Error JsonCursor::Bad(std::string_view what) const {
  return InvalidArgument(fmt::format("not JSON: {} at character {}", what, at_ + 1));
}

void JsonCursor::Space() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
    ++at_;
  }
}

Result<JsonCursor::Kind> JsonCursor::Peek() {
  Space();
  PK_CHECK(at_ < text_.size(), Bad("the text ends"));
  const char c = text_[at_];
  if (c == '{') return Kind::kObject;
  if (c == '[') return Kind::kArray;
  if (c == '"') return Kind::kString;
  if (c == 't' || c == 'f') return Kind::kBoolean;
  if (c == 'n') return Kind::kNull;
  if (c == '-' || IsDigit(c)) return Kind::kNumber;
  return Bad("no value");
}

Result<> JsonCursor::Literal(std::string_view word) {
  Space();
  PK_CHECK(text_.substr(at_, word.size()) == word, Bad("no value"));
  at_ += word.size();
  return {};
}

Result<> JsonCursor::Null() { return Literal("null"); }

Result<bool> JsonCursor::Boolean() {
  Space();
  const bool value = at_ < text_.size() && text_[at_] == 't';
  PK_TRY(Literal(value ? "true" : "false"));
  return value;
}

Result<std::string_view> JsonCursor::Number() {
  Space();
  const size_t begin = at_;
  auto digits = [&] {
    const size_t first = at_;
    while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
    return at_ - first;
  };
  auto take = [&](char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  };
  take('-');
  const size_t integer = at_;
  const size_t count = digits();
  PK_CHECK(count > 0 && (count == 1 || text_[integer] != '0'), Bad("a number that is none"));
  if (take('.')) PK_CHECK(digits() > 0, Bad("a number that is none"));
  if (take('e') || take('E')) {
    if (!take('+')) take('-');
    PK_CHECK(digits() > 0, Bad("a number that is none"));
  }
  return text_.substr(begin, at_ - begin);
}

Result<unsigned> JsonCursor::Hex4() {
  unsigned value = 0;
  for (int i = 0; i < 4; ++i) {
    PK_CHECK(at_ < text_.size(), Bad("the text ends"));
    const char c = text_[at_++];
    value <<= 4;
    if (IsDigit(c)) {
      value |= static_cast<unsigned>(c - '0');
    } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
      value |= static_cast<unsigned>((c | 32) - 'a' + 10);
    } else {
      return Bad("an escape that is none");
    }
  }
  return value;
}

// Behind a backslash.
Result<> JsonCursor::Escape() {
  PK_CHECK(at_ < text_.size(), Bad("the text ends"));
  const char c = text_[at_++];
  static constexpr std::string_view kFrom = "\"\\/bfnrt";
  static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
  if (const size_t simple = kFrom.find(c); simple != std::string_view::npos) {
    scratch_ += kTo[simple];
    return {};
  }
  PK_CHECK(c == 'u', Bad("an escape that is none"));
  unsigned point = PK_TRY(Hex4());
  if (point >= 0xD800 && point < 0xDC00) {
    PK_CHECK(text_.substr(at_, 2) == "\\u", Bad("half a surrogate pair"));
    at_ += 2;
    const unsigned low = PK_TRY(Hex4());
    PK_CHECK(low >= 0xDC00 && low < 0xE000, Bad("half a surrogate pair"));
    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
  }
  PK_CHECK(point < 0xD800 || point >= 0xE000, Bad("half a surrogate pair"));
  AppendUtf8(scratch_, point);
  return {};
}

Result<std::string_view> JsonCursor::String() {
  Space();
  PK_CHECK(at_ < text_.size() && text_[at_] == '"', Bad("no string"));
  const size_t begin = ++at_;
  auto plain = [&] {
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
           static_cast<unsigned char>(text_[at_]) >= 0x20) {
      ++at_;
    }
  };
  plain();
  if (at_ < text_.size() && text_[at_] == '"') return text_.substr(begin, at_++ - begin);
  scratch_.assign(text_.substr(begin, at_ - begin));
  while (true) {
    PK_CHECK(at_ < text_.size(), Bad("a string without end"));
    PK_CHECK(static_cast<unsigned char>(text_[at_]) >= 0x20, Bad("a control character"));
    if (text_[at_++] == '"') return std::string_view(scratch_);
    PK_TRY(Escape());
    const size_t from = at_;
    plain();
    scratch_.append(text_.substr(from, at_ - from));
  }
}

Result<> JsonCursor::Enter(char bracket) {
  Space();
  PK_CHECK(at_ < text_.size() && text_[at_] == bracket, Bad(fmt::format("no '{}'", bracket)));
  ++at_;
  return {};
}

Result<bool> JsonCursor::Next(char closing, bool first) {
  Space();
  PK_CHECK(at_ < text_.size(), Bad("the text ends"));
  if (text_[at_] == closing) {
    ++at_;
    return false;
  }
  if (first) return true;
  PK_CHECK(text_[at_] == ',', Bad(fmt::format("neither ',' nor '{}'", closing)));
  ++at_;
  Space();
  PK_CHECK(at_ < text_.size() && text_[at_] != closing, Bad("a ',' too many"));
  return true;
}

Result<std::string> JsonCursor::Key() {
  std::string key(PK_TRY(String()));
  Space();
  PK_CHECK(at_ < text_.size() && text_[at_] == ':', Bad("no ':'"));
  ++at_;
  return key;
}

Result<> JsonCursor::SkipNested(int depth) {
  PK_CHECK(depth < kMaxDepth, Bad("nested too deep"));
  switch (PK_TRY(Peek())) {
    case Kind::kNull:
      return Null();
    case Kind::kBoolean:
      PK_TRY(Boolean());
      return {};
    case Kind::kNumber:
      PK_TRY(Number());
      return {};
    case Kind::kString:
      PK_TRY(String());
      return {};
    case Kind::kObject:
      PK_TRY(Enter('{'));
      for (bool first = true; PK_TRY(Next('}', first)); first = false) {
        PK_TRY(Key());
        PK_TRY(SkipNested(depth + 1));
      }
      return {};
    case Kind::kArray:
      PK_TRY(Enter('['));
      for (bool first = true; PK_TRY(Next(']', first)); first = false) {
        PK_TRY(SkipNested(depth + 1));
      }
      return {};
  }
  return {};
}

Result<std::string_view> JsonCursor::Skip() {
  Space();
  const size_t begin = at_;
  PK_TRY(SkipNested(0));
  return text_.substr(begin, at_ - begin);
}

Result<> JsonCursor::End() {
  Space();
  PK_CHECK(at_ == text_.size(), Bad("something behind the value"));
  return {};
}

}  // namespace pk::datafile
