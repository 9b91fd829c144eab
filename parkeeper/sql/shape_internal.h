#pragma once

// What Session::Describe tells of a query's tables.

#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/sql/engine_internal.h"
#include "parkeeper/sql/query_tables_internal.h"
#include "parkeeper/sql/session.h"
#include "parkeeper/sql/statement_internal.h"

namespace pk::sql {

// `plan`: of PlanOverStandIns.
Result<std::vector<TableShape>> TableShapes(Engine& engine, const Statement& statement,
                                            const ResolvedQuery& query, std::string_view plan);

}  // namespace pk::sql
