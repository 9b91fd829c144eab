#include "parkeeper/base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <limits>

namespace pk::json {
namespace {

namespace bj = boost::json;

Error WrongKind(std::string_view key, std::string_view wanted, const bj::value& found) {
  return Corrupt(fmt::format("field '{}' must be {}, found {}", key, wanted,
                             bj::serialize(found).substr(0, 80)));
}

Error Missing(std::string_view key) { return Corrupt(fmt::format("field '{}' is missing", key)); }

const bj::value* Find(const bj::object& object, std::string_view key) {
  const bj::value* found = object.if_contains(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

Result<int64_t> ToInt64(const bj::value& value, std::string_view key) {
  if (const int64_t* number = value.if_int64()) return *number;
  const uint64_t* wide = value.if_uint64();
  if (wide != nullptr && *wide <= uint64_t(std::numeric_limits<int64_t>::max()))
    return int64_t(*wide);
  return WrongKind(key, "a 64-bit integer", value);
}

Result<int32_t> ToInt32(const bj::value& value, std::string_view key) {
  const int64_t wide = PK_TRY(ToInt64(value, key));
  if (wide != int32_t(wide)) return WrongKind(key, "a 32-bit integer", value);
  return int32_t(wide);
}

Result<bool> ToBool(const bj::value& value, std::string_view key) {
  if (const bool* flag = value.if_bool()) return *flag;
  return WrongKind(key, "true or false", value);
}

Result<const bj::array*> ToArray(const bj::value& value, std::string_view key) {
  if (const bj::array* array = value.if_array()) return array;
  return WrongKind(key, "an array", value);
}

void Print(const bj::value& value, std::string& out, size_t indent) {
  const auto items = [&](const auto& sequence, char open, char close, const auto& print_item) {
    out += open;
    bool first = true;
    for (const auto& item : sequence) {
      out += first ? "\n" : ",\n";
      first = false;
      out.append(indent + 2, ' ');
      print_item(item);
    }
    if (!first) out.append("\n").append(indent, ' ');
    out += close;
  };
  if (const bj::object* object = value.if_object()) {
    items(*object, '{', '}', [&](const auto& member) {
      out += bj::serialize(bj::value(bj::string(member.key())));
      out += ": ";
      Print(member.value(), out, indent + 2);
    });
  } else if (const bj::array* array = value.if_array()) {
    items(*array, '[', ']', [&](const auto& item) { Print(item, out, indent + 2); });
  } else {
    out += bj::serialize(value);
  }
}

// Collects the values that Boost's parser finds, as its own does, but reads doubles exactly: this
// version of Boost is off by a unit in the last place for many of them.
class ExactHandler {
 public:
  static constexpr size_t max_object_size = bj::object::max_size();
  static constexpr size_t max_array_size = bj::array::max_size();
  static constexpr size_t max_key_size = bj::string::max_size();
  static constexpr size_t max_string_size = bj::string::max_size();

  explicit ExactHandler(bj::storage_ptr storage) { values_.reset(std::move(storage)); }
  bj::value Release() { return values_.release(); }

  bool on_document_begin(bj::error_code&) { return true; }
  bool on_document_end(bj::error_code&) { return true; }
  bool on_object_begin(bj::error_code&) { return true; }
  bool on_object_end(size_t members, bj::error_code&) { return values_.push_object(members), true; }
  bool on_array_begin(bj::error_code&) { return true; }
  bool on_array_end(size_t items, bj::error_code&) { return values_.push_array(items), true; }
  bool on_key_part(bj::string_view text, size_t, bj::error_code&) { return Part(text); }
  bool on_key(bj::string_view text, size_t, bj::error_code&) {
    return values_.push_key(text), true;
  }
  bool on_string_part(bj::string_view text, size_t, bj::error_code&) { return Part(text); }
  bool on_string(bj::string_view text, size_t, bj::error_code&) {
    return values_.push_string(text), true;
  }
  bool on_number_part(bj::string_view, bj::error_code&) { return true; }
  bool on_int64(int64_t number, bj::string_view, bj::error_code&) {
    return values_.push_int64(number), true;
  }
  bool on_uint64(uint64_t number, bj::string_view, bj::error_code&) {
    return values_.push_uint64(number), true;
  }
  // The whole document is one buffer, so `text` is the whole number. JSON has no infinity: what is
  // too large for a double is refused, what is too small for one is 0.
  bool on_double(double number, bj::string_view text, bj::error_code& failure) {
    double exact = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), exact);
    if (read.ec != std::errc() && !(std::abs(number) < 1)) {
      failure = bj::error::exponent_overflow;
      return false;
    }
    return values_.push_double(read.ec == std::errc() ? exact : 0.0), true;
  }
  bool on_bool(bool flag, bj::error_code&) { return values_.push_bool(flag), true; }
  bool on_null(bj::error_code&) { return values_.push_null(), true; }
  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
  bool on_comment(bj::string_view, bj::error_code&) { return true; }

 private:
  bool Part(bj::string_view text) { return values_.push_chars(text), true; }

  bj::value_stack values_;
};

}  // namespace

Result<bj::value> Parse(std::string_view text) {
  bj::parse_options options;
  options.max_depth = 100;
  // All values of a document lie in one arena, which goes with the last of them.
  bj::basic_parser<ExactHandler> parser(
      options, bj::make_shared_resource<bj::monotonic_resource>(text.size() + 1));
  bj::error_code failure;
  const size_t read = parser.write_some(false, text.data(), text.size(), failure);
  if (!failure && read < text.size()) failure = bj::error::extra_data;
  if (failure)
    return Corrupt(fmt::format("not valid JSON at byte {}: {}", read, failure.message()));
  return parser.handler().Release();
}

Result<std::string> String(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return Missing(key);
  return AsString(*found, key);
}

Result<int64_t> Int64(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return Missing(key);
  return ToInt64(*found, key);
}

Result<int32_t> Int32(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return Missing(key);
  return ToInt32(*found, key);
}

Result<bool> Bool(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return Missing(key);
  return ToBool(*found, key);
}

Result<const bj::object*> Object(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return Missing(key);
  return AsObject(*found, key);
}

Result<const bj::array*> Array(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return Missing(key);
  return ToArray(*found, key);
}

Result<std::optional<std::string>> OptionalString(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return std::nullopt;
  return PK_TRY(AsString(*found, key));
}

Result<std::optional<int64_t>> OptionalInt64(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return std::nullopt;
  return PK_TRY(ToInt64(*found, key));
}

Result<std::optional<int32_t>> OptionalInt32(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return std::nullopt;
  return PK_TRY(ToInt32(*found, key));
}

Result<std::optional<bool>> OptionalBool(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return std::nullopt;
  return PK_TRY(ToBool(*found, key));
}

Result<const bj::object*> OptionalObject(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return nullptr;
  return AsObject(*found, key);
}

Result<const bj::array*> OptionalArray(const bj::object& object, std::string_view key) {
  const bj::value* found = Find(object, key);
  if (found == nullptr) return nullptr;
  return ToArray(*found, key);
}

Result<const bj::object*> AsObject(const bj::value& value, std::string_view what) {
  if (const bj::object* object = value.if_object()) return object;
  return WrongKind(what, "an object", value);
}

Result<std::string> AsString(const bj::value& value, std::string_view what) {
  if (const bj::string* text = value.if_string()) return std::string(text->data(), text->size());
  return WrongKind(what, "a string", value);
}

Result<int64_t> AsInt64(const bj::value& value, std::string_view what) {
  return ToInt64(value, what);
}

std::string Pretty(const bj::value& value) {
  std::string out;
  Print(value, out, 0);
  return IsUtf8(out) ? out : ReplaceInvalid(out);
}

size_t CharacterLength(std::string_view text) {
  const auto byte = [&](size_t at) { return at < text.size() ? uint8_t(text[at]) : uint8_t{0}; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) > 0x9F;
  const bool too_large = lead == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string ReplaceInvalid(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    out += length == 0 ? std::string_view("\uFFFD") : text.substr(0, length);
    text.remove_prefix(std::max(length, size_t{1}));
  }
  return out;
}

}  // namespace pk::json
