#pragma once

#include <algorithm>
#include <vector>

#include "parkeeper/iceberg/value.h"

namespace pk::iceberg {

// A total order over tuples of values, such as partitions, by Compare: NaN has its place too, which
// `<` of a variant would not give it. The values at each place are of one type.
struct TupleLess {
  bool operator()(const std::vector<Value>& left, const std::vector<Value>& right) const {
    return std::lexicographical_compare(
        left.begin(), left.end(), right.begin(), right.end(),
        [](const Value& a, const Value& b) { return Compare(a, b) < 0; });
  }
};

}  // namespace pk::iceberg
