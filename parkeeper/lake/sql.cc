#include "parkeeper/lake/sql.h"

namespace pk::lake {

Result<catalog::TableName> TableNameOf(const sql::NameInQuery& name) {
  catalog::TableName table;
  for (size_t i = 0; i + 1 < name.size(); ++i) {
    auto part = catalog::ParseNamespace(name[i]);
    // SQL's own quotes are enough for white space.
    if (!part.ok() && name[i].find_first_of(".\"") == name[i].npos) {
      part = catalog::Namespace{{name[i]}};
    }
    for (std::string& level : PK_TRY(std::move(part)).levels) {
      table.ns.levels.push_back(std::move(level));
    }
  }
  table.name = name.back();
  PK_TRY(catalog::Validate(table));
  return table;
}

Result<std::unique_ptr<sql::Session>> OpenSql(Lake& lake, const sql::SessionOptions& options) {
  auto present = [&lake](const sql::NameInQuery& name) -> Result<sql::TableState> {
    const auto table = PK_TRY(TableNameOf(name));
    return sql::TableState{.metadata = PK_TRY(lake.catalog().LoadTable(table)).metadata};
  };
  return sql::Session::Open(lake.storage(), std::move(present), options);
}

}  // namespace pk::lake
