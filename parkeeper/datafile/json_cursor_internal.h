#pragma once

// A strict JSON reader (RFC 8259) over one text that hands out numbers as they are written.

#include <cstddef>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::datafile {

class JsonCursor {
 public:
  enum class Kind { kNull, kBoolean, kNumber, kString, kObject, kArray };

  explicit JsonCursor(std::string_view text) : text_(text) {}

  // What comes next; kInvalidArgument with the position when it is no JSON value. So do all others.
  Result<Kind> Peek();
  Result<bool> Boolean();
  Result<> Null();
  // The text of the number, checked.
  Result<std::string_view> Number();
  // The string's characters; valid until the next call.
  Result<std::string_view> String();
  // Begins an object or array. Then, before each member or element, Next tells whether there is
  // one; Key gives a member's name.
  Result<> Enter(char bracket);
  Result<bool> Next(char closing, bool first);
  Result<std::string> Key();
  // Passes over a value; gives its text.
  Result<std::string_view> Skip();
  // Nothing but white space is left.
  Result<> End();

 private:
  void Space();
  Error Bad(std::string_view what) const;
  Result<> Literal(std::string_view word);
  Result<> Escape();
  Result<unsigned> Hex4();
  Result<> SkipNested(int depth);

  std::string_view text_;
  size_t at_ = 0;
  std::string scratch_;
};

}  // namespace pk::datafile
