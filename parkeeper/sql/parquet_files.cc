#include "parkeeper/sql/parquet_files_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "parkeeper/sql/duck_types_internal.h"
#include "parkeeper/sql/pushdown_internal.h"
#include "parkeeper/storage/location.h"

namespace pk::sql {
namespace {

// Beyond this many files what is known of them is forgotten.
constexpr size_t kMostKnown = 1'000'000;

std::string ListOf(const std::vector<std::string>& paths) {
  std::string list;
  for (const std::string& path : paths) list += (list.empty() ? "[" : ", ") + Quoted(path);
  return list + "]";
}

bool IsIdentitySource(const table::ScanPlan& plan, int32_t field_id) {
  return std::ranges::any_of(plan.specs, [&](const iceberg::PartitionSpec& spec) {
    return std::ranges::any_of(spec.fields, [&](const iceberg::PartitionField& field) {
      return field.source_id == field_id;
    });
  });
}

// The place of the file whose number of rows is nearest to the mean. DuckDB takes every file for as
// large as the first when it chooses the order of joins, and the first month of a table may be
// small.
size_t TypicalFile(const table::ScanPlan& plan) {
  const double mean = double(plan.rows_most) / double(plan.tasks.size());
  const auto nearest = std::ranges::min_element(plan.tasks, {}, [&](const table::FileTask& task) {
    return std::abs(double(task.file.record_count) - mean);
  });
  return size_t(nearest - plan.tasks.begin());
}

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  return text;
}

std::string TextOfHex(std::string_view hex) {
  std::string text;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    int byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    text += char(byte);
  }
  return text;
}

}  // namespace

// Nullopt too for a name that DuckDB would take for a pattern.
std::optional<std::string> ParquetFiles::PathOf(const iceberg::DataFile& file) const {
  const auto below = storage::FileBelow(root_, file.location);
  if (!below.ok() || file.format != "PARQUET") return std::nullopt;
  std::string path = *folder_ + "/" + std::string(*below);
  if (path.find_first_of("*?[{") != path.npos) return std::nullopt;
  return path;
}

Result<ParquetFiles::Source> ParquetFiles::Read(const table::ScanPlan& plan,
                                                const std::set<size_t>& columns) {
  if (!folder_) return Source{.from = {}, .why_not = "the storage is no local folder"};
  std::vector<std::string> paths;
  for (const table::FileTask& task : plan.tasks) {
    if (!task.deletes.empty()) return Source{.from = {}, .why_not = "there are delete files"};
    auto path = PathOf(task.file);
    if (!path)
      return Source{.from = {}, .why_not = "a file's name or format: " + task.file.location};
    paths.push_back(*std::move(path));
  }
  if (!paths.empty()) std::swap(paths.front(), paths[TypicalFile(plan)]);
  for (const size_t column : columns) {
    const iceberg::Field& field = plan.table_schema->fields()[column];
    if (!field.type.is_primitive()) {
      return Source{.from = {}, .why_not = fmt::format("column '{}' is nested", field.name)};
    }
  }
  const Result<> looked = Look(paths);
  // Broken files too are our scan's: it tells what is wrong with them.
  if (!looked.ok()) return Source{.from = {}, .why_not = looked.error().message()};
  std::string why_not = WhyUnfit(plan, columns, paths);
  if (!why_not.empty()) return Source{.from = {}, .why_not = std::move(why_not)};
  return Source{.from = FromOf(plan, columns, paths), .why_not = {}};
}

// By field ids DuckDB reads no statistics, without which it chooses joins badly; so by name where
// that is the same.
std::string ParquetFiles::FromOf(const table::ScanPlan& plan, const std::set<size_t>& columns,
                                 const std::vector<std::string>& paths) const {
  constexpr std::string_view kOptions = "hive_partitioning = false, union_by_name = false";
  const auto& fields = plan.table_schema->fields();
  const bool alike = AreAlike(plan, columns, paths);
  std::string list;
  for (const size_t column : columns) {
    const iceberg::Field& field = fields[column];
    if (!list.empty()) list += ", ";
    if (alike) {
      const auto& stored = known_.at(paths.front())->at(field.id);
      list += fmt::format("{} AS {}", QuotedName(stored.name), ColumnName(column));
    } else {
      list += fmt::format("{}: {{name: '{}', type: '{}', default_value: NULL}}", field.id,
                          ColumnName(column), DuckTypeOf(field.type));
    }
  }
  if (alike) {
    return fmt::format("(SELECT {} FROM read_parquet({}, {}))", list, ListOf(paths), kOptions);
  }
  return fmt::format("read_parquet({}, schema = MAP {{{}}}, {})", ListOf(paths), list, kOptions);
}

bool ParquetFiles::AreAlike(const table::ScanPlan& plan, const std::set<size_t>& columns,
                            const std::vector<std::string>& paths) const {
  if (paths.empty()) return false;
  const auto& layout = known_.at(paths.front());
  // One layout is one object.
  const bool one = std::ranges::all_of(
      paths, [&](const std::string& path) { return known_.at(path) == layout; });
  if (!one) return false;
  // DuckDB takes names in any case.
  std::set<std::string> names;
  for (const auto& [id, stored] : *layout) names.insert(Lower(stored.name));
  if (names.size() != layout->size()) return false;
  return std::ranges::all_of(columns, [&](size_t column) {
    const iceberg::Field& field = plan.table_schema->fields()[column];
    const auto stored = layout->find(field.id);
    return stored != layout->end() && stored->second.type == DuckTypeOf(field.type);
  });
}

Result<> ParquetFiles::Look(const std::vector<std::string>& paths) {
  if (known_.size() > kMostKnown) known_.clear();
  std::vector<std::string> unknown;
  std::ranges::copy_if(paths, std::back_inserter(unknown),
                       [&](const std::string& path) { return !known_.contains(path); });
  if (unknown.empty()) return {};
  const auto rows =
      PK_TRY(engine_.Rows(fmt::format("SELECT file_name, string_agg(concat(coalesce(field_id, -1), "
                                      "' ', duckdb_type, ' ', type, ' ', "
                                      "hex(name)), ';' ORDER BY column_id) FROM parquet_schema({}) "
                                      "WHERE coalesce(num_children, 0) = 0 "
                                      "GROUP BY file_name",
                                      ListOf(unknown))));
  for (const Engine::Row& row : rows) {
    if (!row[0] || !row[1]) continue;
    const auto [place, added] = layouts_.try_emplace(*row[1]);
    if (added) place->second = LayoutOf(*row[1]);
    known_[*row[0]] = place->second;
  }
  return {};
}

// From "1 BIGINT INT64;2 VARCHAR BYTE_ARRAY": id, DuckDB's type, the file's own.
std::shared_ptr<const ParquetFiles::Layout> ParquetFiles::LayoutOf(std::string_view text) {
  auto layout = std::make_shared<Layout>();
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(entry.size() + 1, text.size()));
    // "12 DECIMAL(9, 2) INT32 6964": id, DuckDB's type, Parquet's type, the name in hex.
    const size_t begin = entry.find(' '), end = entry.rfind(' ');
    const size_t middle = entry.rfind(' ', end - 1);
    int32_t id = -1;
    std::from_chars(entry.data(), entry.data() + std::min(begin, entry.size()), id);
    if (id < 0 || begin == middle) return nullptr;
    StoredColumn column{.type = std::string(entry.substr(begin + 1, middle - begin - 1)),
                        .name = TextOfHex(entry.substr(end + 1))};
    // Times of old writers: nanoseconds, whose zone nobody knows.
    if (entry.substr(middle + 1, end - middle - 1) == "INT96") column.type += " in 96 bits";
    (*layout)[id] = std::move(column);
  }
  return layout;
}

std::string ParquetFiles::WhyUnfit(const table::ScanPlan& plan, const std::set<size_t>& columns,
                                   const std::vector<std::string>& paths) const {
  for (const std::string& path : paths) {
    const auto found = known_.find(path);
    if (found == known_.end() || found->second == nullptr) {
      return "a file does not give all its columns field ids: " + path;
    }
    for (const size_t column : columns) {
      const iceberg::Field& field = plan.table_schema->fields()[column];
      const auto stored = found->second->find(field.id);
      if (stored != found->second->end()) {
        const std::string& type = stored->second.type;
        if (ReadsAs(type, *field.type.primitive())) continue;
        return fmt::format("a file has column '{}' as {}: {}", field.name, type, path);
      }
      if (field.required || IsIdentitySource(plan, field.id)) {
        return fmt::format("a file has no column '{}': {}", field.name, path);
      }
    }
  }
  return "";
}

}  // namespace pk::sql
