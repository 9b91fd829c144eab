#pragma once

// The schema that an Avro file was written with (Avro 1.12, "Schema Declaration"), with the field
// ids that Iceberg adds (table spec, "Appendix A"). Only what decoding needs: documentation,
// defaults, aliases and unknown attributes are not kept.
//
// Immutable once parsed. A Type lives as long as its Schema and may be shared: a named type that is
// used again is the same object, so types form a graph that may have cycles (a list node that holds
// a union of null and itself).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"

namespace pk::manifest::avro {

enum class Kind : uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kRecord,
  kEnum,
  kArray,
  kMap,
  kUnion,
  kFixed
};

struct Type;

struct Field {
  std::string name;
  std::optional<int32_t> id;  // "field-id"
  const Type* type = nullptr;
};

struct Type {
  Kind kind = Kind::kNull;
  // The least bytes that a value takes, saturated at 4096. 0: every value takes none (null, a
  // record of nothing), so any number of them can be skipped at once.
  uint32_t min_size = 0;
  int32_t size = 0;                // of a fixed
  int32_t symbols = 0;             // of an enum
  std::string logical_type;        // empty when there is none
  int32_t precision = 0;           // of the logical type decimal
  int32_t scale = 0;               // likewise
  std::vector<Field> fields;       // of a record, in the order written
  std::vector<const Type*> parts;  // items of an array, values of a map, branches of a union
};

class Schema {
 public:
  // kCorrupt says what is wrong: not JSON, an unknown type name, a record that contains itself
  // without an end.
  static Result<Schema> Parse(std::string_view json);

  const Type& root() const { return *root_; }

 private:
  friend class SchemaParser;
  std::vector<std::unique_ptr<Type>> types_;
  const Type* root_ = nullptr;
};

std::string_view KindName(Kind kind);

}  // namespace pk::manifest::avro
