#include "parkeeper/sql/library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "parkeeper/base/cache_folder.h"
#include "parkeeper/sql/duckdb_api_internal.h"

namespace pk::sql {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "libduckdb.so";

// Once for the process, as the library itself is; written once, before anything reads it.
std::mutex loading;
std::unique_ptr<const DuckApi> loaded;

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

// Fills members of a DuckApi; remembers the first function that is not there.
class Symbols {
 public:
  explicit Symbols(void* library) : library_(library) {}

  template <class Function>
  void operator()(const char* name, Function*& function) {
    const std::string full = std::string("duckdb_") + name;
    function = reinterpret_cast<Function*>(dlsym(library_, full.c_str()));
    if (function == nullptr && missing_.empty()) missing_ = full;
  }

  const std::string& missing() const { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

void ResolveQueries(Symbols& find, DuckApi& api) {
  find("library_version", api.library_version);
  find("free", api.free);
  find("create_config", api.create_config);
  find("set_config", api.set_config);
  find("destroy_config", api.destroy_config);
  find("open_ext", api.open_ext);
  find("close", api.close);
  find("connect", api.connect);
  find("disconnect", api.disconnect);
  find("interrupt", api.interrupt);
  find("query", api.query);
  find("destroy_result", api.destroy_result);
  find("result_error", api.result_error);
  find("column_count", api.column_count);
  find("column_name", api.column_name);
  find("column_logical_type", api.column_logical_type);
  find("destroy_logical_type", api.destroy_logical_type);
  find("fetch_chunk", api.fetch_chunk);
  find("destroy_data_chunk", api.destroy_data_chunk);
  find("data_chunk_get_size", api.data_chunk_get_size);
  find("data_chunk_set_size", api.data_chunk_set_size);
  find("data_chunk_get_vector", api.data_chunk_get_vector);
  find("vector_get_data", api.vector_get_data);
  find("vector_get_validity", api.vector_get_validity);
  find("prepare", api.prepare);
  find("prepare_error", api.prepare_error);
  find("destroy_prepare", api.destroy_prepare);
  find("nparams", api.nparams);
  find("prepared_statement_column_count", api.prepared_statement_column_count);
  find("prepared_statement_column_name", api.prepared_statement_column_name);
  find("prepared_statement_column_logical_type", api.prepared_statement_column_logical_type);
  find("execute_prepared_streaming", api.execute_prepared_streaming);
}

void ResolveArrowAndFunctions(Symbols& find, DuckApi& api) {
  find("result_get_arrow_options", api.result_get_arrow_options);
  find("connection_get_arrow_options", api.connection_get_arrow_options);
  find("destroy_arrow_options", api.destroy_arrow_options);
  find("to_arrow_schema", api.to_arrow_schema);
  find("data_chunk_to_arrow", api.data_chunk_to_arrow);
  find("error_data_has_error", api.error_data_has_error);
  find("error_data_message", api.error_data_message);
  find("destroy_error_data", api.destroy_error_data);
  find("arrow_scan", api.arrow_scan);
  find("create_table_function", api.create_table_function);
  find("destroy_table_function", api.destroy_table_function);
  find("table_function_set_name", api.table_function_set_name);
  find("table_function_set_extra_info", api.table_function_set_extra_info);
  find("table_function_set_bind", api.table_function_set_bind);
  find("table_function_set_init", api.table_function_set_init);
  find("table_function_set_function", api.table_function_set_function);
  find("table_function_supports_projection_pushdown",
       api.table_function_supports_projection_pushdown);
  find("register_table_function", api.register_table_function);
  find("bind_get_extra_info", api.bind_get_extra_info);
  find("bind_add_result_column", api.bind_add_result_column);
  find("bind_set_cardinality", api.bind_set_cardinality);
}

Result<std::unique_ptr<const DuckApi>> OpenLibrary(const std::string& file) {
  void* library = dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return Unsupported(
        fmt::format("cannot load DuckDB's library: {}", why == nullptr ? file : why));
  }
  auto api = std::make_unique<DuckApi>();
  Symbols find(library);
  ResolveQueries(find, *api);
  ResolveArrowAndFunctions(find, *api);
  api->path = file;
  if (find.missing().empty()) return std::unique_ptr<const DuckApi>(std::move(api));
  const std::string version =
      api->library_version == nullptr ? "" : fmt::format(", which is {}", api->library_version());
  dlclose(library);
  return Unsupported(
      fmt::format("DuckDB 1.4 or newer is needed: {}{}, has no {}", file, version, find.missing()));
}

std::string ProgramFolder() {
  std::error_code failure;
  return fs::read_symlink("/proc/self/exe", failure).parent_path().string();
}

bool IsThere(const std::string& file) {
  // A name without a slash is the loader's to find.
  return file.find('/') == std::string::npos || access(file.c_str(), R_OK) == 0;
}

Result<std::unique_ptr<const DuckApi>> FindLibrary(const std::string& named) {
  if (!named.empty()) {
    PK_CHECK(IsThere(named), NotFound(fmt::format("there is no DuckDB library {}", named)));
    return OpenLibrary(named);
  }
  const std::string cache = CacheFolder("", Environment("PARKEEPER_CACHE"),
                                        Environment("XDG_CACHE_HOME"), Environment("HOME"));
  std::optional<Error> unfit;
  for (const std::string& file : LibraryCandidates(ProgramFolder(), cache)) {
    if (!IsThere(file)) continue;
    auto opened = OpenLibrary(file);
    if (opened.ok()) return opened;
    // The loader's "not found" says less than the sentence below.
    if (file != kLibrary || opened.error().message().starts_with("DuckDB")) unfit = opened.error();
  }
  if (unfit) return *unfit;
  return NotFound(
      "SQL needs DuckDB's C library, which is not here: './dev duckdb' fetches it; or put "
      "libduckdb.so beside this program or where the system looks for libraries, or name it by "
      "PARKEEPER_DUCKDB. All other commands work without it");
}

}  // namespace

std::vector<std::string> LibraryCandidates(const std::string& program_folder,
                                           const std::string& cache_folder) {
  std::vector<std::string> files;
  if (!program_folder.empty()) files.push_back(program_folder + "/" + kLibrary);
  files.emplace_back(kLibrary);
  if (!cache_folder.empty()) files.push_back(cache_folder + "/duckdb/" + kLibrary);
  return files;
}

Result<const DuckApi*> LoadDuckDb(const std::string& path) {
  const std::string named = path.empty() ? Environment("PARKEEPER_DUCKDB") : path;
  std::lock_guard lock(loading);
  if (loaded == nullptr) loaded = PK_TRY(FindLibrary(named));
  PK_CHECK(
      named.empty() || named == loaded->path,
      FailedPrecondition(fmt::format("this process has loaded DuckDB's library {} already, not {}",
                                     loaded->path, named)));
  return loaded.get();
}

const DuckApi& LoadedDuckDb() { return *loaded; }

Result<LibraryFound> FindDuckDb(const std::string& path) {
  const DuckApi* api = PK_TRY(LoadDuckDb(path));
  return LibraryFound{.path = api->path, .version = api->library_version()};
}

}  // namespace pk::sql
