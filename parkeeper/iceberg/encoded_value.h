#pragma once

// A value as text that says its own representation, so that no schema is needed to read it back:
// partitions in JSON that is kept or sent. Not for people (value.h) and not Iceberg's (Appendix D).

#include <string>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {

// ASCII: a letter for the representation, then the value; the bits of floats, so that every NaN
// survives, and bytes as hexadecimal digits.
std::string EncodeValue(const Value& value);
// kCorrupt says what is wrong.
Result<Value> DecodeValue(std::string_view text);

// Two lower-case digits a byte.
std::string ToHex(std::string_view bytes);
// The inverse; kCorrupt for what is not.
Result<std::string> FromHex(std::string_view text);

}  // namespace pk::iceberg
