#include "parkeeper/lake/lake.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <mutex>

#include "parkeeper/coordination/memory.h"
#include "parkeeper/coordination_sqlite/sqlite_coordinator.h"
#include "parkeeper/storage/local.h"
#include "parkeeper/storage/memory.h"

namespace pk::lake {
namespace {

using coordination::Coordinator;

constexpr const char* kCoordinatorFolder = "/.parkeeper";

class OpenedLake final : public Lake {
 public:
  OpenedLake(std::string url, std::shared_ptr<storage::Storage> storage,
             coordination::SessionSource::Open open)
      : url_(std::move(url)), storage_(std::move(storage)), sessions_(std::move(open)) {}

  Result<> OpenCatalog() {
    catalog_ = PK_TRY(catalog::OpenCatalog(sessions_, *storage_));
    return {};
  }

  const std::string& url() const override { return url_; }
  catalog::Catalog& catalog() override { return *catalog_; }
  storage::Storage& storage() override { return *storage_; }
  coordination::SessionSource& sessions() override { return sessions_; }

 private:
  const std::string url_;
  const std::shared_ptr<storage::Storage> storage_;
  coordination::SessionSource sessions_;
  std::unique_ptr<catalog::Catalog> catalog_;
};

Result<std::unique_ptr<OpenedLake>> OpenFolder(std::string_view url, std::string_view path,
                                               const LakeOptions& options) {
  std::error_code failure;
  std::string folder = std::filesystem::absolute(path, failure).lexically_normal();
  PK_CHECK(!failure, InvalidArgument(fmt::format("'{}' is no path", path)));
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  const std::string coordinator_folder = folder + kCoordinatorFolder;
  if (options.must_exist && !std::filesystem::exists(coordinator_folder, failure)) {
    return NotFound(
        fmt::format("no lake at {}; the first write makes one, as in 'parkeeper --lake "
                    "{} namespace create sales'",
                    folder, url));
  }
  std::shared_ptr<storage::Storage> storage = PK_TRY(storage::OpenLocal(folder));
  const coordination::SqliteOptions session{.session_timeout = options.session_timeout};
  return std::make_unique<OpenedLake>(std::string(url), std::move(storage), [=] {
    return coordination::OpenSqlite(coordinator_folder, session);
  });
}

// Lakes of this process by name, as long as somebody has one open.
std::unique_ptr<OpenedLake> OpenInMemory(std::string_view url, const std::string& name) {
  struct Shared {
    std::shared_ptr<storage::Storage> storage;
    std::shared_ptr<coordination::MemoryTree> tree = coordination::MakeMemoryTree();
  };
  static std::mutex mutex;
  static auto* lakes = new std::map<std::string, std::weak_ptr<Shared>>;
  std::lock_guard lock(mutex);
  std::shared_ptr<Shared> shared = (*lakes)[name].lock();
  if (shared == nullptr) {
    shared = std::make_shared<Shared>();
    shared->storage = storage::MakeMemory(name);
    (*lakes)[name] = shared;
  }
  const std::shared_ptr<storage::Storage> storage(shared, shared->storage.get());
  return std::make_unique<OpenedLake>(std::string(url), storage,
                                      [shared]() -> Result<std::unique_ptr<Coordinator>> {
                                        return coordination::OpenMemory(shared->tree);
                                      });
}

Result<std::unique_ptr<OpenedLake>> OpenUrl(std::string_view url, const LakeOptions& options) {
  const auto after = [&](std::string_view scheme) { return url.substr(scheme.size()); };
  PK_CHECK(!url.empty(), InvalidArgument("no lake given: pass --lake URL or set PARKEEPER_LAKE"));
  PK_CHECK(url != "memory://", InvalidArgument("'memory://' has no name: write memory://NAME"));
  if (url.starts_with("memory://")) return OpenInMemory(url, std::string(after("memory://")));
  if (url.starts_with("file:")) {
    const std::string_view path = after(url.starts_with("file://") ? "file://" : "file:");
    PK_CHECK(path.starts_with('/'),
             InvalidArgument(fmt::format("'{}' names no folder: write file:///dir", url)));
    return OpenFolder(url, path, options);
  }
  if (url.starts_with("zk://") || url.starts_with("zks://")) {
    return Unsupported("this version has no ZooKeeper client yet: use a folder, as in ./lake");
  }
  PK_CHECK(url.find("://") == std::string_view::npos,
           InvalidArgument(fmt::format("'{}' is no lake: use a folder, as in ./lake", url)));
  return OpenFolder(url, url, options);
}

}  // namespace

Result<std::unique_ptr<Lake>> Lake::Open(std::string_view url, LakeOptions options) {
  auto lake = PK_TRY(OpenUrl(url, options));
  PK_TRY(lake->OpenCatalog().With(fmt::format("open lake {}", url)));
  return lake;
}

Result<AppendResult> Append(Lake& lake, const catalog::LoadedTable& table,
                            const table::NextSource& next, const table::AppendOptions& options) {
  table::AppendedFiles written =
      PK_TRY(table::WriteDataFiles(lake.storage(), *table.metadata, next, options));
  AppendResult result{.committed = {table, std::nullopt},
                      .rows = written.rows,
                      .files = int64_t(written.files.size()),
                      .bytes = written.bytes};
  if (written.files.empty()) return result;
  const auto remove = [&, files = written.files] { table::RemoveFiles(lake.storage(), files); };
  const iceberg::TableCommit commit = table::MakeAppendCommit(std::move(written), *table.metadata);
  Result<catalog::CommitResult> outcome =
      lake.catalog().Commit(table.key, commit, catalog::CommitId::kNew);
  if (!outcome.ok()) {
    // Nor when our own bug leaves it in doubt.
    const ErrorCode code = outcome.error().code();
    if (code != ErrorCode::kOutcomeUnknown && code != ErrorCode::kInternal) remove();
    return std::move(outcome).error();
  }
  if (const auto* rejected = std::get_if<catalog::Rejected>(&*outcome)) {
    remove();
    return Conflict(rejected->reason);
  }
  result.committed = std::get<catalog::Committed>(*std::move(outcome));
  result.committed.table.name = table.name;
  return result;
}

}  // namespace pk::lake
