#pragma once

// SQL over the tables of a lake.

#include <memory>

#include "parkeeper/base/result.h"
#include "parkeeper/lake/lake.h"
#include "parkeeper/sql/session.h"

namespace pk::lake {

// A session whose tables are those of the catalog: sales.orders, and for nested namespaces a.b.t
// or "a.b".t; deeper ones are named in the quotes, as in "a.b.c".t. A part that holds a dot itself
// is quoted once more within them, as the command line has it. The lake must outlive it.
Result<std::unique_ptr<sql::Session>> OpenSql(Lake& lake, const sql::SessionOptions& options);

}  // namespace pk::lake
