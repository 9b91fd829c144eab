#include <fmt/format.h>

#include <functional>
#include <optional>
#include <set>

#include "parkeeper/datafile/arrow_c.h"
#include "parkeeper/sql/answer_internal.h"

namespace pk::sql {
namespace {

Result<> FromDuck(const DuckApi& api, DuckError error) {
  std::optional<Error> failure;
  if (error != nullptr && api.error_data_has_error(error)) {
    failure = FailureOf(api.error_data_message(error));
  }
  if (error != nullptr) api.destroy_error_data(&error);
  if (failure) return *std::move(failure);
  return {};
}

// Types of a result's columns, destroyed with their owner.
class ColumnTypes {
 public:
  explicit ColumnTypes(const DuckApi& api) : api_(api) {}
  ColumnTypes(const ColumnTypes&) = delete;
  ColumnTypes& operator=(const ColumnTypes&) = delete;
  ~ColumnTypes() {
    for (DuckType& type : types_) api_.destroy_logical_type(&type);
  }
  void Add(DuckType type) { types_.push_back(type); }
  std::vector<DuckType>& types() { return types_; }

 private:
  const DuckApi& api_;
  std::vector<DuckType> types_;
};

Result<> ToArrow(const DuckApi& api, DuckArrowOptions options, ColumnTypes& types,
                 std::vector<std::string> names, ArrowSchema* out) {
  names = UniqueNames(std::move(names));
  std::vector<const char*> texts;
  for (const std::string& name : names) texts.push_back(name.c_str());
  return FromDuck(
      api, api.to_arrow_schema(options, types.types().data(), texts.data(), names.size(), out));
}

Result<std::unique_ptr<OwnedStatement>> PrepareQuery(Engine& engine, const std::string& text) {
  auto statement = PK_TRY(OwnedStatement::Prepare(engine, text));
  PK_CHECK(engine.api().nparams(statement->get()) == 0,
           InvalidArgument("parameters have no values here: write constants"));
  return statement;
}

// What DuckDB 1.5 says, of a query that went well, to whom asks it for rows when there are none; of
// one that failed it says more.
constexpr std::string_view kClosed =
    "Invalid Input Error: Attempting to execute an unsuccessful or closed pending query result";

bool IsEnd(const char* error) { return error == nullptr || error == kClosed; }

// What the rows come from; shared by the source and the functions that it calls.
class Running {
 public:
  Running(Engine& engine, std::stop_token stop)
      : engine_(engine),
        api_(engine.api()),
        stop_(std::move(stop)),
        result_(api_),
        interrupt_(stop_, [this] { engine_.Interrupt(); }) {}

  Result<> Start(std::unique_ptr<OwnedStatement> statement) {
    statement_ = std::move(statement);
    PK_CHECK(!stop_.stop_requested(), Cancelled("the query was stopped"));
    const int code = api_.execute_prepared_streaming(statement_->get(), result_.get());
    if (code != kDuckSuccess) return Failure();
    options_ = api_.result_get_arrow_options(result_.get());
    return {};
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (options_ != nullptr) api_.destroy_arrow_options(&options_);
  }

  Result<> FillSchema(ArrowSchema* out) {
    ColumnTypes types(api_);
    std::vector<std::string> names;
    for (uint64_t i = 0; i < api_.column_count(result_.get()); ++i) {
      types.Add(api_.column_logical_type(result_.get(), i));
      names.emplace_back(api_.column_name(result_.get(), i));
    }
    return ToArrow(api_, options_, types, std::move(names), out);
  }

  Result<bool> FillRows(ArrowArray* out) {
    DuckChunk chunk = api_.fetch_chunk(*result_.get());
    if (chunk == nullptr) {
      if (stop_.stop_requested() || !IsEnd(api_.result_error(result_.get()))) return Failure();
      return false;
    }
    const Result<> filled = FromDuck(api_, api_.data_chunk_to_arrow(options_, chunk, out));
    api_.destroy_data_chunk(&chunk);
    if (!filled.ok()) return filled.error();
    return true;
  }

 private:
  Error Failure() {
    if (stop_.stop_requested()) return Cancelled("the query was stopped");
    return FailureOf(api_.result_error(result_.get()));
  }

  Engine& engine_;
  const DuckApi& api_;
  std::stop_token stop_;
  std::unique_ptr<OwnedStatement> statement_;
  OwnedResult result_;
  DuckArrowOptions options_ = nullptr;
  std::stop_callback<std::function<void()>> interrupt_;
};

}  // namespace

std::vector<std::string> UniqueNames(std::vector<std::string> names) {
  std::set<std::string> taken(names.begin(), names.end());
  std::set<std::string> given;
  for (size_t i = 0; i < names.size(); ++i) {
    std::string name = names[i].empty() ? fmt::format("column_{}", i) : names[i];
    for (int n = 1; given.contains(name); ++n) {
      std::string next = fmt::format("{}_{}", names[i].empty() ? "column" : names[i], n);
      if (!taken.contains(next) && !given.contains(next)) name = std::move(next);
    }
    given.insert(name);
    names[i] = std::move(name);
  }
  return names;
}

Result<std::unique_ptr<datafile::BatchSource>> RunQuery(Engine& engine, const std::string& text,
                                                        std::stop_token stop) {
  auto statement = PK_TRY(PrepareQuery(engine, text));
  auto running = std::make_shared<Running>(engine, std::move(stop));
  PK_TRY(running->Start(std::move(statement)));
  return datafile::SourceOfRows([running](ArrowSchema* out) { return running->FillSchema(out); },
                                [running](ArrowArray* out) { return running->FillRows(out); });
}

Result<iceberg::Schema> ColumnsOf(Engine& engine, const std::string& text) {
  const auto statement = PK_TRY(PrepareQuery(engine, text));
  const auto fill = [&](ArrowSchema* out) {
    const DuckApi& api = engine.api();
    ColumnTypes types(api);
    std::vector<std::string> names;
    for (uint64_t i = 0; i < api.prepared_statement_column_count(statement->get()); ++i) {
      types.Add(api.prepared_statement_column_logical_type(statement->get(), i));
      const char* name = api.prepared_statement_column_name(statement->get(), i);
      names.emplace_back(name == nullptr ? "" : name);
      api.free(const_cast<char*>(name));
    }
    DuckArrowOptions options = nullptr;
    api.connection_get_arrow_options(engine.connection(), &options);
    Result<> filled = ToArrow(api, options, types, std::move(names), out);
    api.destroy_arrow_options(&options);
    return filled;
  };
  const auto no_rows = [](ArrowArray*) -> Result<bool> { return false; };
  return PK_TRY(datafile::SourceOfRows(fill, no_rows))->schema();
}

}  // namespace pk::sql
