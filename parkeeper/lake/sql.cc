#include "parkeeper/lake/sql.h"

namespace pk::lake {

Result<std::unique_ptr<sql::Session>> OpenSql(Lake& lake, const sql::SessionOptions& options) {
  auto present = [&lake](const sql::NameInQuery& name) -> Result<sql::TableState> {
    const auto table = PK_TRY(catalog::TableNameInSql(name));
    return sql::TableState{.metadata = PK_TRY(lake.catalog().LoadTable(table)).metadata};
  };
  return sql::Session::Open(lake.storage(), std::move(present), options);
}

}  // namespace pk::lake
