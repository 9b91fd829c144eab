#pragma once

// How the records of a file are read: the writer's schema, matched once with the fields that we
// know by id, becomes one Step per field in the order written. Shared by manifests and lists.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/manifest/avro_decoder.h"
#include "parkeeper/manifest/avro_schema.h"

namespace pk::manifest {

enum class Shape : uint8_t {
  kNumber,  // int or long
  kBytes,   // string or bytes
  kBoolean,
  kNumbers,     // array of numbers
  kRecords,     // array of records
  kNumberById,  // array of records of an int and a number: a map with int keys
  kBytesById,   // the same with bytes
  kRecord       // in place
};

// A type that may be wrapped in a union with null, in either order.
struct MaybeNull {
  const avro::Type* type = nullptr;  // without the union
  int8_t null_branch = -1;           // -1: no union
};

struct FieldRule {
  int32_t id;
  Shape shape;
  bool required;
  const char* name;
};

inline constexpr int kSkipField = -1;

struct Step {
  int target = kSkipField;  // position of its rule
  MaybeNull field;
  MaybeNull item;                     // of arrays; of maps, the value
  const avro::Type* whole = nullptr;  // the union included: what to skip
};

// kCorrupt when `type` is a union of anything but null and one other type.
Result<MaybeNull> WithoutNull(const avro::Type& type);

// One step per field of `record`. kCorrupt names a required field that is missing, a field of
// another shape, and an id used twice.
Result<std::vector<Step>> PlanRecord(const avro::Type& record, std::span<const FieldRule> rules);

// Reads the branch, if there is one; false when the value is null.
inline bool IsPresent(avro::Decoder& in, const MaybeNull& field) {
  if (field.null_branch < 0) return true;
  const int64_t branch = in.Long();
  if (branch == field.null_branch) return false;
  if (branch != 1 - field.null_branch) [[unlikely]] {
    in.Fail("a union has no such branch");
    return false;
  }
  return true;
}

// Calls item() for each item of the array; it must read one. `min_item_size`: of its type.
template <class Item>
void ForEachItem(avro::Decoder& in, uint32_t min_item_size, const Item& item) {
  while (in.ok()) {
    const avro::Decoder::Block block = in.NextBlock(min_item_size);
    if (block.count == 0) return;
    const size_t begin = in.offset();
    for (int64_t i = 0; i < block.count && in.ok(); ++i) item();
    if (block.bytes >= 0) in.ExpectAt(begin + size_t(block.bytes));
  }
}

}  // namespace pk::manifest
