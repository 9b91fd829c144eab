#pragma once

// Table functions that stand for tables while a query is planned: with their columns and about as
// many rows as far as the planner can tell, and empty when read.

#include <cstdint>
#include <memory>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/sql/engine_internal.h"

namespace pk::sql {

class StandIns {
 public:
  explicit StandIns(Engine& engine) : engine_(engine) {}

  // From now on the function StandInName(number) has the columns ColumnName(0), ... with the types
  // of `schema`. `number` is one that was given before, or the next one.
  Result<> Set(size_t number, const iceberg::Schema& schema, int64_t rows);

  struct Shape;

 private:
  Result<> Register(size_t number);

  Engine& engine_;
  std::vector<std::shared_ptr<Shape>> shapes_;  // by number
};

}  // namespace pk::sql
