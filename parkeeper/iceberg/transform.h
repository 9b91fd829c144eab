#pragma once

// Partition transforms (spec, "Partition Transforms").

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/type.h"
#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {

enum class TransformKind {
  kIdentity,
  kBucket,
  kTruncate,
  kYear,
  kMonth,
  kDay,
  kHour,
  kVoid,
  kUnknown
};

struct Transform {
  TransformKind kind = TransformKind::kIdentity;
  int32_t parameter = 0;  // buckets or width: at least 1
  // Text of a transform that this version does not know: carried, never applied.
  std::string unknown = {};

  bool operator==(const Transform&) const = default;
};

// "bucket[16]", "day". Parse never fails on an unknown name (spec: readers must carry it), only on
// a known one with a bad parameter.
std::string ToString(const Transform& transform);
Result<Transform> ParseTransform(std::string_view text);

// Fails with kInvalidArgument when the transform does not take this source type.
Result<PrimitiveType> ResultType(const Transform& transform, const PrimitiveType& source);

// The transformed value; null gives null. `transform` must take `source` (ResultType ok). Truncate
// of a number within one width of its type's least value wraps around, as in the reference
// implementation; projections (evaluate.h) reckon with it.
Value ApplyTransform(const Transform& transform, const PrimitiveType& source, const Value& value);

// a <= b implies T(a) <= T(b), wrapped numbers aside.
bool PreservesOrder(const Transform& transform);

// For partition folders and people, as the reference implementation writes them: day 17486 as
// "2017-11-16", hour "2017-11-16-22", month "2017-11"; binary and fixed in base 64, "null".
std::string ToHumanString(const Transform& transform, const PrimitiveType& source,
                          const Value& transformed);

// Murmur3 x86 32-bit, seed 0, over the bytes that Appendix B assigns to the type.
int32_t BucketHash(const Value& value, const PrimitiveType& type);

}  // namespace pk::iceberg
