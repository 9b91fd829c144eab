#include "parkeeper/sql/stand_in_internal.h"

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/sql/duck_types_internal.h"
#include "parkeeper/sql/pushdown_internal.h"

namespace pk::sql {

struct StandIns::Shape {
  Shape() = default;
  Shape(const Shape&) = delete;
  Shape& operator=(const Shape&) = delete;
  ~Shape() { Clear(); }

  void Clear() {
    for (DuckType& type : types) LoadedDuckDb().destroy_logical_type(&type);
    types.clear();
  }

  std::vector<DuckType> types;
  int64_t rows = 0;
};

namespace {

using SharedShape = std::shared_ptr<StandIns::Shape>;

// What DuckDB calls. The function and the database that has it may outlive the StandIns.
void Bind(DuckCall call) {
  const DuckApi& api = LoadedDuckDb();
  const auto& shape = *static_cast<SharedShape*>(api.bind_get_extra_info(call));
  for (size_t i = 0; i < shape->types.size(); ++i) {
    api.bind_add_result_column(call, ColumnName(i).c_str(), shape->types[i]);
  }
  api.bind_set_cardinality(call, uint64_t(std::max<int64_t>(shape->rows, 1)), false);
}
void Start(DuckCall) {}
void NoRows(DuckCall, DuckChunk chunk) { LoadedDuckDb().data_chunk_set_size(chunk, 0); }
void Forget(void* shape) { delete static_cast<SharedShape*>(shape); }

}  // namespace

Result<> StandIns::Set(size_t number, const iceberg::Schema& schema, int64_t rows) {
  if (number == shapes_.size()) PK_TRY(Register(number));
  std::string columns;
  for (const iceberg::Field& field : schema.fields()) {
    columns += fmt::format("{}NULL::{}", columns.empty() ? "" : ", ", DuckTypeOf(field.type));
  }
  const auto statement = PK_TRY(OwnedStatement::Prepare(engine_, "SELECT " + columns));
  Shape& shape = *shapes_[number];
  shape.Clear();
  shape.rows = rows;
  for (size_t i = 0; i < schema.fields().size(); ++i) {
    shape.types.push_back(
        engine_.api().prepared_statement_column_logical_type(statement->get(), i));
  }
  return {};
}

Result<> StandIns::Register(size_t number) {
  const DuckApi& api = engine_.api();
  auto shape = std::make_shared<Shape>();
  DuckTableFunction function = api.create_table_function();
  api.table_function_set_name(function, StandInName(number).c_str());
  api.table_function_set_extra_info(function, new SharedShape(shape), Forget);
  api.table_function_set_bind(function, Bind);
  api.table_function_set_init(function, Start);
  api.table_function_set_function(function, NoRows);
  api.table_function_supports_projection_pushdown(function, true);
  const int code = api.register_table_function(engine_.connection(), function);
  api.destroy_table_function(&function);
  PK_CHECK(code == kDuckSuccess, Internal("DuckDB takes no table function"));
  shapes_.push_back(std::move(shape));
  return {};
}

}  // namespace pk::sql
