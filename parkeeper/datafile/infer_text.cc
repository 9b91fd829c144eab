#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "parkeeper/datafile/csv_records_internal.h"
#include "parkeeper/datafile/json_cursor_internal.h"
#include "parkeeper/datafile/text_input_internal.h"
#include "parkeeper/iceberg/value.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using iceberg::Schema;
using iceberg::StructType;
using Kind = JsonCursor::Kind;

// What is looked at.
constexpr int64_t kSampleBytes = int64_t{1} << 20;

// Types that a text may spell, the one to be preferred first.
constexpr PrimitiveKind kCandidates[] = {PrimitiveKind::kLong,      PrimitiveKind::kDouble,
                                         PrimitiveKind::kBoolean,   PrimitiveKind::kDate,
                                         PrimitiveKind::kTimestamp, PrimitiveKind::kTimestamptz,
                                         PrimitiveKind::kString};
constexpr unsigned kAll = 0b1111111;
constexpr unsigned kNumbers = 0b0000011;
constexpr unsigned kBoolean = 0b0000100;
constexpr unsigned kTexts = 0b1111000;

// "0123" is a code, not a number.
bool IsCode(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

unsigned Spells(std::string_view text, unsigned among) {
  unsigned out = 0;
  for (unsigned i = 0; i < std::size(kCandidates); ++i) {
    if ((among >> i & 1) == 0) continue;
    const bool is_text = kCandidates[i] == PrimitiveKind::kString;
    if (i < 2 && IsCode(text)) continue;
    // "17.00" begins a column of amounts.
    if (i == 0 && text.find_first_of(".eE") != std::string_view::npos) continue;
    if (is_text || iceberg::ParseValue(text, {.kind = kCandidates[i]}).ok()) out |= 1U << i;
  }
  return out;
}

// What the values seen so far of one column may be.
struct Member;
struct Guess {
  unsigned scalars = kAll;
  bool any_scalar = false;
  bool any_object = false;
  bool any_array = false;
  std::vector<Member> members;
  std::vector<Guess> element;  // of arrays: none or one

  void Observe(std::string_view text, unsigned allowed) {
    any_scalar = true;
    scalars &= Spells(text, allowed & scalars);
  }
};
struct Member {
  std::string name;
  Guess guess;
};

Result<> ObserveObject(JsonCursor& cursor, Guess& guess, int depth);

Result<> ObserveJson(JsonCursor& cursor, Guess& guess, int depth) {
  constexpr int kMaxDepth = 50;
  PK_CHECK(depth < kMaxDepth, InvalidArgument("nested too deep"));
  switch (PK_TRY(cursor.Peek())) {
    case Kind::kNull:
      return cursor.Null();
    case Kind::kBoolean:
      guess.Observe(PK_TRY(cursor.Boolean()) ? "true" : "false", kBoolean);
      return {};
    case Kind::kNumber:
      guess.Observe(PK_TRY(cursor.Number()), kNumbers);
      return {};
    case Kind::kString:
      guess.Observe(PK_TRY(cursor.String()), kTexts);
      return {};
    case Kind::kObject:
      return ObserveObject(cursor, guess, depth);
    case Kind::kArray:
      break;
  }
  guess.any_array = true;
  if (guess.element.empty()) guess.element.emplace_back();
  PK_TRY(cursor.Enter('['));
  for (bool first = true; PK_TRY(cursor.Next(']', first)); first = false) {
    PK_TRY(ObserveJson(cursor, guess.element[0], depth + 1));
  }
  return {};
}

Result<> ObserveObject(JsonCursor& cursor, Guess& guess, int depth) {
  guess.any_object = true;
  PK_TRY(cursor.Enter('{'));
  for (bool first = true; PK_TRY(cursor.Next('}', first)); first = false) {
    const std::string key = PK_TRY(cursor.Key());
    Guess* member = nullptr;
    for (auto& [name, known] : guess.members) {
      if (name == key) member = &known;
    }
    if (member == nullptr) member = &guess.members.emplace_back(Member{key, {}}).guess;
    PK_TRY(ObserveJson(cursor, *member, depth + 1));
  }
  return {};
}

Result<iceberg::Type> TypeOf(const Guess& guess, const std::string& path);

Result<StructType> MembersOf(const Guess& guess, const std::string& path) {
  StructType out;
  for (const auto& [name, member] : guess.members) {
    const std::string full = path.empty() ? name : path + "." + name;
    auto& added = out.fields.emplace_back();
    added.id = 0;
    added.name = name;
    added.required = false;
    added.type = PK_TRY(TypeOf(member, full));
  }
  return out;
}

Result<iceberg::Type> TypeOf(const Guess& guess, const std::string& path) {
  const int kinds = int{guess.any_scalar} + int{guess.any_object} + int{guess.any_array};
  PK_CHECK(kinds <= 1 && (!guess.any_scalar || guess.scalars != 0),
           InvalidArgument(fmt::format("column '{}' holds values of different kinds", path)));
  if (guess.any_object) {
    PK_CHECK(!guess.members.empty(),
             InvalidArgument(fmt::format("column '{}' holds only empty objects", path)));
    return iceberg::Type(PK_TRY(MembersOf(guess, path)));
  }
  if (guess.any_array) {
    return iceberg::Type(
        iceberg::ListType{.element = PK_TRY(TypeOf(guess.element[0], path + ".element"))});
  }
  if (!guess.any_scalar) return iceberg::Type(PrimitiveKind::kString);
  size_t i = 0;
  while ((guess.scalars >> i & 1) == 0) ++i;
  return iceberg::Type(kCandidates[i]);
}

Result<Schema> SchemaOf(const Guess& guess) {
  int32_t last_id = 0;
  Schema schema = iceberg::AssignFreshIds(Schema(PK_TRY(MembersOf(guess, ""))), 1, last_id);
  PK_TRY(iceberg::Validate(schema));
  return schema;
}

}  // namespace

Result<Schema> InferCsv(const std::string& path, const InputOptions& options) {
  CsvRecords records(PK_TRY(TextStream::Open(path)), options.delimiter);
  Guess guess;
  std::vector<CsvCell> cells;
  bool more = PK_TRY(records.Next(cells).With(path));
  PK_CHECK(more, InvalidArgument(fmt::format("{}: the file is empty", path)));
  for (size_t i = 0; i < cells.size(); ++i) {
    std::string name = options.header ? std::string(cells[i].text) : fmt::format("c{}", i + 1);
    guess.members.push_back(Member{std::move(name), {}});
  }
  if (options.header) more = PK_TRY(records.Next(cells).With(path));
  for (; more && records.bytes() < kSampleBytes; more = PK_TRY(records.Next(cells).With(path))) {
    PK_CHECK(cells.size() == guess.members.size(),
             InvalidArgument(fmt::format("{} line {}: {} cells where {} are wanted", path,
                                         records.line(), cells.size(), guess.members.size())));
    for (size_t i = 0; i < cells.size(); ++i) {
      if (cells[i].text.empty()) continue;
      guess.members[i].guess.Observe(cells[i].text, kAll);
    }
  }
  return SchemaOf(guess).With(path);
}

Result<Schema> InferJsonLines(const std::string& path) {
  TextStream stream = PK_TRY(TextStream::Open(path));
  bool more = true;
  while (more && static_cast<int64_t>(stream.window().size()) < kSampleBytes) {
    more = PK_TRY(stream.Grow());
  }
  Guess guess;
  std::string_view rest = stream.window();
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t end = rest.find('\n');
    // The sample may end within a line, unless that line is all there is.
    if (end == std::string_view::npos && more && line > 1) break;
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    JsonCursor cursor(text);
    PK_TRY(ObserveObject(cursor, guess, 0).With(fmt::format("{} line {}", path, line)));
  }
  PK_CHECK(!guess.members.empty(), InvalidArgument(fmt::format("{}: the file is empty", path)));
  return SchemaOf(guess).With(path);
}

}  // namespace pk::datafile
