// Schemas as people write them on a command line: SQL's column list with Iceberg's nested types.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "parkeeper/iceberg/schema.h"

namespace pk::iceberg {
namespace {

constexpr int kDepthMax = 50;

// SQL's names that Iceberg spells otherwise.
const std::map<std::string_view, std::string_view>& SqlNames() {
  static const std::map<std::string_view, std::string_view> names = {
      {"bool", "boolean"},     {"tinyint", "int"},   {"smallint", "int"},
      {"int2", "int"},         {"int4", "int"},      {"integer", "int"},
      {"bigint", "long"},      {"int8", "long"},     {"real", "float"},
      {"float4", "float"},     {"float8", "double"}, {"numeric", "decimal"},
      {"varchar", "string"},   {"char", "string"},   {"character", "string"},
      {"text", "string"},      {"bytea", "binary"},  {"blob", "binary"},
      {"varbinary", "binary"}, {"bytes", "binary"},  {"datetime", "timestamp"}};
  return names;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
// Bytes of other alphabets count as letters.
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}

class SchemaTextParser {
 public:
  explicit SchemaTextParser(std::string_view text) : text_(text) {}

  Result<StructType> Columns() {
    StructType type = PK_TRY(ColumnList(0));
    SkipBlanks();
    if (at_ < text_.size()) return Expected("',' or the end");
    return type;
  }

 private:
  Result<StructType> ColumnList(int depth) {
    StructType type;
    do {
      type.fields.push_back(PK_TRY(Column(depth)));
    } while (Take(','));
    return type;
  }

  Result<Field> Column(int depth) {
    Field field;
    field.name = PK_TRY(Name());
    Take(':');
    field.type = PK_TRY(AnyType(depth));
    field.required = PK_TRY(TakeNotNull());
    if (TakeWord("comment")) field.doc = PK_TRY(Quoted('\'', "a text in single quotes"));
    return field;
  }

  Result<Type> AnyType(int depth) {
    PK_CHECK(depth < kDepthMax, At(at_, "types are nested too deeply"));
    SkipBlanks();
    const size_t start = at_;
    const std::string word = PK_TRY(Word("a type"));
    if (word == "list" || word == "array") {
      PK_TRY(Need('<'));
      ListType list{.element = PK_TRY(AnyType(depth + 1))};
      list.element_required = PK_TRY(TakeNotNull());
      PK_TRY(Need('>'));
      return Type(std::move(list));
    }
    if (word == "map") {
      PK_TRY(Need('<'));
      Type key = PK_TRY(AnyType(depth + 1));
      PK_TRY(TakeNotNull());  // keys always are
      PK_TRY(Need(','));
      Type value = PK_TRY(AnyType(depth + 1));
      MapType map{.key = std::move(key), .value = std::move(value)};
      map.value_required = PK_TRY(TakeNotNull());
      PK_TRY(Need('>'));
      return Type(std::move(map));
    }
    if (word == "struct" || word == "row") {
      PK_TRY(Need('<'));
      StructType type = PK_TRY(ColumnList(depth + 1));
      PK_TRY(Need('>'));
      return Type(std::move(type));
    }
    return PK_TRY(Primitive(word, start));
  }

  Result<PrimitiveType> Primitive(std::string word, size_t start) {
    if (word == "double") TakeWord("precision");
    if (word == "character") TakeWord("varying");
    const auto sql = SqlNames().find(word);
    const bool is_text = sql != SqlNames().end() && sql->second == "string";
    if (sql != SqlNames().end()) word = sql->second;

    std::string arguments = PK_TRY(Arguments());
    if (word.starts_with("time") && arguments == "(6)") arguments.clear();  // microseconds anyhow
    if (word == "timestamp" && TakeWord("with")) {
      PK_TRY(NeedWord("time"));
      PK_TRY(NeedWord("zone"));
      word = "timestamptz";
    } else if (word == "timestamp" && TakeWord("without")) {
      PK_TRY(NeedWord("time"));
      PK_TRY(NeedWord("zone"));
    }
    std::string type = word;
    if (word == "decimal" && !arguments.empty() && arguments.find(',') == std::string::npos)
      type += fmt::format("({},0)", arguments.substr(1, arguments.size() - 2));
    else if (word == "fixed" && !arguments.empty())
      type += fmt::format("[{}]", arguments.substr(1, arguments.size() - 2));
    else if (!is_text)  // varchar(20): Iceberg has no lengths of strings
      type += arguments;
    Result<PrimitiveType> parsed = ParsePrimitive(type);
    if (!parsed.ok())
      return Error(parsed.error().code(), At(start, parsed.error().message()).message());
    return parsed;
  }

  // "(9, 2)" or "[16]" with its brackets; "" when there is none.
  Result<std::string> Arguments() {
    SkipBlanks();
    if (at_ == text_.size() || (text_[at_] != '(' && text_[at_] != '[')) return std::string();
    const size_t end = text_.find(text_[at_] == '(' ? ')' : ']', at_);
    if (end == std::string_view::npos) return Expected("a closing bracket");
    const size_t start = std::exchange(at_, end + 1);
    return std::string(text_.substr(start, at_ - start));
  }

  // "not null" gives true, "null" or nothing false.
  Result<bool> TakeNotNull() {
    if (TakeWord("not")) {
      PK_TRY(NeedWord("null"));
      return true;
    }
    TakeWord("null");
    return false;
  }

  Result<std::string> Name() {
    SkipBlanks();
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '`'))
      return Quoted(text_[at_], "a column name");
    const size_t start = at_;
    while (at_ < text_.size() && (IsLetter(text_[at_]) || IsDigit(text_[at_]))) ++at_;
    if (at_ == start || IsDigit(text_[start])) {
      at_ = start;
      return Expected("a column name");
    }
    return std::string(text_.substr(start, at_ - start));
  }

  // A doubled quote stands for itself.
  Result<std::string> Quoted(char quote, std::string_view what) {
    SkipBlanks();
    if (at_ == text_.size() || text_[at_] != quote) return Expected(what);
    const size_t start = at_++;
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c != quote) {
        out += c;
      } else if (at_ < text_.size() && text_[at_] == quote) {
        out += text_[at_++];
      } else {
        return out;
      }
    }
    return At(start, "a quoted text does not end");
  }

  Result<std::string> Word(std::string_view what) {
    SkipBlanks();
    const size_t end = WordEnd();
    if (end == at_) return Expected(what);
    std::string word(text_.substr(at_, end - at_));
    std::ranges::transform(word, word.begin(), Lower);
    at_ = end;
    return word;
  }

  size_t WordEnd() const {
    size_t end = at_;
    while (end < text_.size() && (IsLetter(text_[end]) || (end > at_ && IsDigit(text_[end]))))
      ++end;
    return end;
  }

  bool TakeWord(std::string_view word) {
    SkipBlanks();
    const size_t end = WordEnd();
    if (!std::ranges::equal(text_.substr(at_, end - at_), word, {}, Lower)) return false;
    at_ = end;
    return true;
  }
  Result<> NeedWord(std::string_view word) {
    if (!TakeWord(word)) return Expected(fmt::format("'{}'", word));
    return {};
  }

  bool Take(char c) {
    SkipBlanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Result<> Need(char c) {
    if (!Take(c)) return Expected(fmt::format("'{}'", c));
    return {};
  }

  void SkipBlanks() {
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
  }

  Error Expected(std::string_view what) const {
    const std::string_view rest = text_.substr(at_, 20);
    return At(at_, rest.empty() ? fmt::format("expected {}, found the end", what)
                                : fmt::format("expected {}, found '{}'", what, rest));
  }
  static Error At(size_t position, std::string_view message) {
    return InvalidArgument(fmt::format("schema text, character {}: {}", position + 1, message));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<Schema> ParseSchemaText(std::string_view text) {
  int32_t last_id = 0;
  Schema schema = AssignFreshIds(Schema(PK_TRY(SchemaTextParser(text).Columns())), 1, last_id);
  PK_TRY(Validate(schema));
  return schema;
}

}  // namespace pk::iceberg
