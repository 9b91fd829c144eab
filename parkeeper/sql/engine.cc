#include <fmt/format.h>

#include <cstring>

#include "parkeeper/base/parallel.h"
#include "parkeeper/sql/engine_internal.h"

namespace pk::sql {
namespace {

std::string Doubled(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}

std::string StringAt(const void* data, uint64_t row) {
  DuckString string;
  const char* cell = static_cast<const char*>(data) + row * sizeof(DuckString);
  std::memcpy(&string, cell, sizeof string);
  if (string.length > kDuckInlineBytes) return std::string(string.bytes, string.length);
  return std::string(cell + offsetof(DuckString, prefix), string.length);
}

bool IsValid(const uint64_t* validity, uint64_t row) {
  return validity == nullptr || (validity[row / 64] >> (row % 64) & 1) != 0;
}

// A list of settings, destroyed with its owner.
class OwnedConfig {
 public:
  explicit OwnedConfig(const DuckApi& api) : api_(api) { api_.create_config(&config_); }
  OwnedConfig(const OwnedConfig&) = delete;
  OwnedConfig& operator=(const OwnedConfig&) = delete;
  ~OwnedConfig() { api_.destroy_config(&config_); }

  Result<> Set(const char* name, const std::string& value) {
    PK_CHECK(api_.set_config(config_, name, value.c_str()) == kDuckSuccess,
             Unsupported(fmt::format("this DuckDB takes no {} = {}", name, value)));
    return {};
  }
  DuckConfig get() const { return config_; }

 private:
  const DuckApi& api_;
  DuckConfig config_ = nullptr;
};

}  // namespace

Error FailureOf(const char* message) {
  const std::string text = message == nullptr ? "DuckDB failed and does not say why" : message;
  const auto is = [&](std::string_view kind) { return text.starts_with(kind); };
  if (is("INTERRUPT")) return Cancelled("the query was stopped");
  if (is("INTERNAL") || is("FATAL")) return Internal(text);
  if (is("Out of Memory")) return Unavailable(text);
  if (is("IO ")) return Unavailable(text);
  if (is("Permission")) return Error(ErrorCode::kPermissionDenied, text);
  if (is("Not implemented")) return Unsupported(text);
  return InvalidArgument(text);
}

std::string Quoted(std::string_view text) { return Doubled(text, '\''); }
std::string QuotedName(std::string_view name) { return Doubled(name, '"'); }

Result<std::unique_ptr<Engine>> Engine::Open(const DuckApi& api, const EngineSettings& settings) {
  std::unique_ptr<Engine> engine(new Engine(api));
  PK_TRY(engine->OpenDatabase(settings).With("open DuckDB"));
  PK_TRY(engine->Close(settings).With("set up DuckDB"));
  return engine;
}

Engine::~Engine() {
  if (connection_ != nullptr) api_.disconnect(&connection_);
  if (database_ != nullptr) api_.close(&database_);
}

Result<> Engine::OpenDatabase(const EngineSettings& settings) {
  OwnedConfig config(api_);
  const int threads = settings.threads > 0 ? settings.threads : AvailableCores();
  PK_TRY(config.Set("threads", std::to_string(threads)));
  if (settings.memory_bytes > 0) {
    PK_TRY(config.Set("memory_limit", fmt::format("{}B", settings.memory_bytes)));
  }
  PK_TRY(config.Set("autoinstall_known_extensions", "false"));
  PK_TRY(config.Set("autoload_known_extensions", "false"));
  PK_TRY(config.Set("allow_community_extensions", "false"));
  char* why = nullptr;
  if (api_.open_ext(nullptr, &database_, config.get(), &why) != kDuckSuccess) {
    Error failure = FailureOf(why);
    api_.free(why);
    return failure;
  }
  PK_CHECK(api_.connect(database_, &connection_) == kDuckSuccess,
           Internal("it takes no connection"));
  return {};
}

// External access cannot be opened again once it is closed, whoever asks for it.
Result<> Engine::Close(const EngineSettings& settings) {
  PK_TRY(Execute("SET TimeZone = 'UTC'"));
  PK_TRY(Execute("SET temp_directory = " + Quoted(settings.temp_folder)));
  PK_TRY(Execute("SET parquet_metadata_cache = true"));
  if (!settings.readable_folder.empty()) {
    PK_TRY(Execute(
        fmt::format("SET allowed_directories = [{}]", Quoted(settings.readable_folder + "/"))));
  }
  return Execute("SET enable_external_access = false");
}

Result<> Engine::Execute(const std::string& text) {
  OwnedResult result(api_);
  if (api_.query(connection_, text.c_str(), result.get()) == kDuckSuccess) return {};
  return FailureOf(api_.result_error(result.get()));
}

Result<std::vector<Engine::Row>> Engine::Rows(const std::string& text) {
  OwnedResult result(api_);
  if (api_.query(connection_, text.c_str(), result.get()) != kDuckSuccess) {
    return FailureOf(api_.result_error(result.get()));
  }
  const uint64_t columns = api_.column_count(result.get());
  std::vector<Row> rows;
  while (DuckChunk chunk = api_.fetch_chunk(*result.get())) {
    const uint64_t size = api_.data_chunk_get_size(chunk);
    const size_t first = rows.size();
    rows.resize(first + size, Row(columns));
    for (uint64_t column = 0; column < columns; ++column) {
      DuckVector vector = api_.data_chunk_get_vector(chunk, column);
      const void* data = api_.vector_get_data(vector);
      const uint64_t* validity = api_.vector_get_validity(vector);
      for (uint64_t row = 0; row < size; ++row) {
        if (IsValid(validity, row)) rows[first + row][column] = StringAt(data, row);
      }
    }
    api_.destroy_data_chunk(&chunk);
  }
  return rows;
}

Result<std::unique_ptr<OwnedStatement>> OwnedStatement::Prepare(Engine& engine,
                                                                const std::string& text) {
  const DuckApi& api = engine.api();
  std::unique_ptr<OwnedStatement> statement(new OwnedStatement(api));
  if (api.prepare(engine.connection(), text.c_str(), &statement->statement_) == kDuckSuccess) {
    return statement;
  }
  return FailureOf(api.prepare_error(statement->statement_));
}

}  // namespace pk::sql
