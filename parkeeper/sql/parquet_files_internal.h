#pragma once

// Which data files DuckDB may read by itself: those that lie in a local folder and hold each wanted
// column under its field id, in a type that DuckDB reads with the very values that Iceberg's rules
// give. What a file says of itself is asked for once; files never change.

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/sql/engine_internal.h"
#include "parkeeper/table/scan.h"

namespace pk::sql {

class ParquetFiles {
 public:
  // `folder`: where the storage's `root` lies; nullopt when it is no local folder.
  ParquetFiles(Engine& engine, std::string root, std::optional<std::string> folder)
      : engine_(engine), root_(std::move(root)), folder_(std::move(folder)) {}

  // What stands in FROM for the files of `plan`, with the columns ColumnName(i) for each i of
  // `columns`, which are places in the plan's table schema, at least one; or why our own scan has
  // to read them.
  struct Source {
    std::string from;     // empty: see why_not
    std::string why_not;  // a reason, as "it has delete files"
  };
  Result<Source> Read(const table::ScanPlan& plan, const std::set<size_t>& columns);

 private:
  struct StoredColumn {
    std::string type;  // as DuckDB calls it
    std::string name;
  };
  // By field id, each column without members.
  using Layout = std::map<int32_t, StoredColumn>;

  std::optional<std::string> PathOf(const iceberg::DataFile& file) const;
  Result<> Look(const std::vector<std::string>& paths);
  static std::shared_ptr<const Layout> LayoutOf(std::string_view text);
  std::string FromOf(const table::ScanPlan& plan, const std::set<size_t>& columns,
                     const std::vector<std::string>& paths) const;
  // All files hold these columns under one name and as the table has them.
  bool AreAlike(const table::ScanPlan& plan, const std::set<size_t>& columns,
                const std::vector<std::string>& paths) const;
  std::string WhyUnfit(const table::ScanPlan& plan, const std::set<size_t>& columns,
                       const std::vector<std::string>& paths) const;

  Engine& engine_;
  const std::string root_;
  const std::optional<std::string> folder_;
  // By path; null: not all its columns have ids.
  std::map<std::string, std::shared_ptr<const Layout>> known_;
  std::map<std::string, std::shared_ptr<const Layout>> layouts_;  // by their text
};

}  // namespace pk::sql
