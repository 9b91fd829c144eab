#pragma once

#include "parkeeper/iceberg/expression.h"

namespace pk::iceberg {

// A filter that passes the rows which `filter` does not: where it is false, and where it is
// unknown. Of Not, which Bind leaves none of, it passes all.
BoundExpression Complement(const BoundExpression& filter);

}  // namespace pk::iceberg
