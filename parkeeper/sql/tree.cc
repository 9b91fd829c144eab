#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/sql/tree_internal.h"

namespace pk::sql {

namespace bj = boost::json;

Result<bj::value> ParseTree(std::string_view text) {
  bj::parse_options options;
  options.max_depth = 4'000;
  bj::error_code failure;
  bj::value tree = bj::parse({text.data(), text.size()}, failure, {}, options);
  PK_CHECK(!failure, Unsupported(fmt::format("cannot read what DuckDB made of the query: {}",
                                             failure.message())));
  return tree;
}

std::string Member(const bj::object& object, std::string_view key) {
  const bj::value* found = object.if_contains({key.data(), key.size()});
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

const bj::object* ObjectMember(const bj::object& object, std::string_view key) {
  const bj::value* found = object.if_contains({key.data(), key.size()});
  return found == nullptr ? nullptr : found->if_object();
}

const bj::array* ArrayMember(const bj::object& object, std::string_view key) {
  const bj::value* found = object.if_contains({key.data(), key.size()});
  return found == nullptr ? nullptr : found->if_array();
}

std::vector<std::string> TextsOf(const bj::object& object, std::string_view key) {
  std::vector<std::string> texts;
  if (const bj::array* several = ArrayMember(object, key)) {
    for (const bj::value& text : *several) {
      if (text.is_string()) texts.emplace_back(text.get_string());
    }
  } else if (std::string one = Member(object, key); !one.empty()) {
    texts.push_back(std::move(one));
  }
  return texts;
}

}  // namespace pk::sql
