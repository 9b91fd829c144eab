#include "parkeeper/sql/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "parkeeper/sql/answer_internal.h"
#include "parkeeper/sql/query_tables_internal.h"
#include "parkeeper/sql/shape_internal.h"
#include "parkeeper/storage/local.h"

namespace pk::sql {
namespace {

class DuckSession final : public Session {
 public:
  DuckSession(storage::Storage& storage, TableSource tables, const SessionOptions& options,
              std::unique_ptr<Engine> engine)
      : storage_(storage),
        tables_(std::move(tables)),
        threads_(options.threads),
        engine_(std::move(engine)),
        stand_ins_(*engine_),
        files_(*engine_, storage.root(), storage::LocalFolder(storage)) {}

  Result<Answer> Query(std::string_view text, std::stop_token stop) override {
    PK_TRY(Plan(text));
    Answer answer;
    answer.tables = PK_TRY(PrepareReading(*engine_, storage_, files_, *query_,
                                          {.threads = threads_, .start = true, .stop = stop}));
    answer.rows = PK_TRY(RunQuery(*engine_, query_->text, stop));
    return answer;
  }

  Result<Explanation> Explain(std::string_view text, std::stop_token stop) override {
    PK_TRY(Plan(text));
    Explanation explanation{
        .tables = PK_TRY(PrepareReading(*engine_, storage_, files_, *query_,
                                        {.threads = threads_, .start = false, .stop = stop})),
        .plan = {}};
    const auto rows = PK_TRY(engine_->Rows("EXPLAIN " + query_->text));
    for (const Engine::Row& row : rows) {
      if (row.size() == 2 && row[1]) explanation.plan += *row[1];
    }
    return explanation;
  }

  Result<QueryShape> Describe(std::string_view text) override {
    const Statement statement = PK_TRY(Read(text));
    const std::string plan = PK_TRY(PlanOverStandIns(*engine_, stand_ins_, *query_));
    QueryShape shape;
    shape.tables = PK_TRY(TableShapes(*engine_, statement, *query_, plan));
    shape.columns = PK_TRY(ColumnsOf(*engine_, query_->text));
    return shape;
  }

 private:
  Result<Statement> Read(std::string_view text) {
    if (query_) Forget(*engine_, *query_);
    query_.reset();
    Statement statement = PK_TRY(ReadStatement(*engine_, text));
    query_ = PK_TRY(Resolve(*engine_, storage_, tables_, statement));
    return statement;
  }

  Result<> Plan(std::string_view text) {
    PK_TRY(Read(text));
    if (query_->tables.empty()) return {};
    NotePlan(*engine_, PK_TRY(PlanOverStandIns(*engine_, stand_ins_, *query_)), *query_);
    return {};
  }

  storage::Storage& storage_;
  const TableSource tables_;
  const int threads_;
  const std::unique_ptr<Engine> engine_;
  StandIns stand_ins_;
  ParquetFiles files_;
  std::optional<ResolvedQuery> query_;  // whose views there are
};

}  // namespace

Result<std::unique_ptr<Session>> Session::Open(storage::Storage& storage, TableSource tables,
                                               const SessionOptions& options) {
  const DuckApi* api = PK_TRY(LoadDuckDb(options.library));
  std::error_code failure;
  std::string temp = options.temp_folder;
  if (temp.empty()) {
    temp = fmt::format("{}/parkeeper-sql-{}",
                       std::filesystem::temp_directory_path(failure).string(), getpid());
  }
  auto engine =
      PK_TRY(Engine::Open(*api, {.threads = options.threads,
                                 .memory_bytes = options.memory_bytes,
                                 .temp_folder = std::move(temp),
                                 .readable_folder = storage::LocalFolder(storage).value_or("")}));
  return std::make_unique<DuckSession>(storage, std::move(tables), options, std::move(engine));
}

}  // namespace pk::sql
