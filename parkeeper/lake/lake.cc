#include "parkeeper/lake/lake.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <variant>

#include "parkeeper/coordination/memory.h"
#include "parkeeper/coordination_sqlite/sqlite_coordinator.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"
#include "parkeeper/lake/warehouse_internal.h"
#include "parkeeper/lake/zookeeper_url.h"
#include "parkeeper/storage/local.h"
#include "parkeeper/storage/location.h"
#include "parkeeper/storage/memory.h"

namespace pk::lake {
namespace {

using coordination::Coordinator;

constexpr const char* kCoordinatorFolder = "/.parkeeper";
constexpr uint64_t kNewLakeBytes = 1 << 20;

class OpenedLake final : public Lake {
 public:
  OpenedLake(std::string url, std::shared_ptr<storage::Storage> storage,
             coordination::SessionSource::Open open)
      : url_(std::move(url)), storage_(std::move(storage)), sessions_(std::move(open)) {}

  Result<> OpenCatalog(const LakeOptions& options) {
    if (options.wrap_storage) wrapped_ = options.wrap_storage(*storage_);
    catalog_ = PK_TRY(catalog::OpenCatalog(sessions_, OpenedLake::storage()));
    return {};
  }

  const std::string& url() const override { return url_; }
  catalog::Catalog& catalog() override { return *catalog_; }
  storage::Storage& storage() override { return wrapped_ ? *wrapped_ : *storage_; }
  coordination::SessionSource& sessions() override { return sessions_; }

 private:
  const std::string url_;
  const std::shared_ptr<storage::Storage> storage_;
  std::unique_ptr<storage::Storage> wrapped_;
  coordination::SessionSource sessions_;
  std::unique_ptr<catalog::Catalog> catalog_;
};

struct FolderUrl {
  std::string folder;  // absolute
};
struct MemoryUrl {
  std::string name;
};
using LakeUrl = std::variant<FolderUrl, MemoryUrl, ZooKeeperUrl>;

Result<LakeUrl> ParseFolder(std::string_view path) {
  std::error_code failure;
  std::string folder = std::filesystem::absolute(path, failure).lexically_normal();
  PK_CHECK(!failure, InvalidArgument(fmt::format("'{}' is no path", path)));
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return FolderUrl{std::move(folder)};
}

Result<LakeUrl> ParseUrl(std::string_view url, const LakeOptions& options) {
  const auto after = [&](std::string_view scheme) { return url.substr(scheme.size()); };
  PK_CHECK(!url.empty(), InvalidArgument("no lake given: pass --lake URL or set PARKEEPER_LAKE"));
  PK_CHECK(url != "memory://", InvalidArgument("'memory://' has no name: write memory://NAME"));
  if (url.starts_with("memory://")) return MemoryUrl{std::string(after("memory://"))};
  if (url.starts_with("file:")) {
    const std::string_view path = after(url.starts_with("file://") ? "file://" : "file:");
    PK_CHECK(path.starts_with('/'),
             InvalidArgument(fmt::format("'{}' names no folder: write file:///dir", url)));
    return ParseFolder(path);
  }
  if (IsZooKeeperUrl(url)) {
    const char* digest = std::getenv(kDigestVariable);
    return PK_TRY(ParseZooKeeperUrl(
        url, digest == nullptr ? "" : digest,
        {.create_chroot = !options.must_exist, .session_timeout = options.session_timeout}));
  }
  PK_CHECK(url.find("://") == std::string_view::npos,
           InvalidArgument(fmt::format("'{}' is no lake: use a folder, as in ./lake, or "
                                       "zk://host:2181/chroot",
                                       url)));
  return ParseFolder(url);
}

Result<std::unique_ptr<Coordinator>> OpenSession(const FolderUrl& url, const LakeOptions& options) {
  const std::string folder = url.folder + kCoordinatorFolder;
  std::error_code failure;
  if (options.must_exist && !std::filesystem::exists(folder, failure)) {
    return NotFound(
        fmt::format("no lake at {0}; the first write makes one, as in 'parkeeper --lake {0} "
                    "namespace create sales'",
                    url.folder));
  }
  return coordination::OpenSqlite(folder, {.session_timeout = options.session_timeout});
}

// Lakes of this process by name, as long as somebody has one open.
struct MemoryLake {
  std::shared_ptr<storage::Storage> storage;
  std::shared_ptr<coordination::MemoryTree> tree = coordination::MakeMemoryTree();
};
std::shared_ptr<MemoryLake> MemoryLakeOf(const std::string& name) {
  static std::mutex mutex;
  static auto* lakes = new std::map<std::string, std::weak_ptr<MemoryLake>>;
  std::lock_guard lock(mutex);
  std::shared_ptr<MemoryLake> shared = (*lakes)[name].lock();
  if (shared == nullptr) {
    shared = std::make_shared<MemoryLake>();
    shared->storage = storage::MakeMemory(name);
    (*lakes)[name] = shared;
  }
  return shared;
}

Result<std::unique_ptr<Coordinator>> OpenSession(const MemoryUrl& url, const LakeOptions&) {
  return coordination::OpenMemory(MemoryLakeOf(url.name)->tree);
}

Result<std::unique_ptr<Coordinator>> OpenSession(const ZooKeeperUrl& url, const LakeOptions&) {
  return coordination::OpenZooKeeper(url.coordinator);
}

Result<std::unique_ptr<OpenedLake>> OpenParts(std::string_view text, const FolderUrl& url,
                                              const LakeOptions& options) {
  // Before the storage makes the folder.
  std::error_code failure;
  const bool is_there = std::filesystem::exists(url.folder + kCoordinatorFolder, failure);
  if (options.must_exist && !is_there) return OpenSession(url, options).error();
  std::shared_ptr<storage::Storage> storage = PK_TRY(storage::OpenLocal(url.folder));
  // Told at once, where a lake in use would wait for others to make room.
  const auto space = std::filesystem::space(url.folder, failure);
  PK_CHECK(is_there || failure || space.available >= kNewLakeBytes,
           Unavailable(fmt::format("disk is full: {} bytes left for a new lake in {}",
                                   space.available, url.folder)));
  return std::make_unique<OpenedLake>(std::string(text), std::move(storage),
                                      [=] { return OpenSession(url, options); });
}

Result<std::unique_ptr<OpenedLake>> OpenParts(std::string_view text, const MemoryUrl& url,
                                              const LakeOptions&) {
  const std::shared_ptr<MemoryLake> shared = MemoryLakeOf(url.name);
  const std::shared_ptr<storage::Storage> storage(shared, shared->storage.get());
  return std::make_unique<OpenedLake>(std::string(text), storage,
                                      [shared]() -> Result<std::unique_ptr<Coordinator>> {
                                        return coordination::OpenMemory(shared->tree);
                                      });
}

// The warehouse under one name for everybody, whatever symbolic links lead to it on this machine.
Result<std::shared_ptr<storage::Storage>> OpenWarehouse(const std::string& root) {
  constexpr std::string_view kFile = "file://";
  PK_CHECK(root.starts_with(kFile) && root.size() > kFile.size(),
           Unsupported(fmt::format("this version stores data in folders only, as in "
                                   "file:///dir: {}",
                                   root)));
  return std::shared_ptr<storage::Storage>(
      PK_TRY(storage::OpenLocal(root.substr(kFile.size()), {.root_uri = root})));
}

Result<std::unique_ptr<OpenedLake>> OpenParts(std::string_view text, const ZooKeeperUrl& url,
                                              const LakeOptions& options) {
  auto session = PK_TRY(OpenSession(url, options));
  if (!url.warehouse.empty() && !options.must_exist) {
    // A place that cannot be is not remembered.
    PK_TRY(OpenWarehouse(PK_TRY(storage::ParseRoot(url.warehouse).With("the warehouse"))));
  }
  const std::string root = PK_TRY(SettleWarehouse(*session, url.warehouse, !options.must_exist));
  std::shared_ptr<storage::Storage> storage = PK_TRY(OpenWarehouse(root));
  auto first = std::make_shared<std::unique_ptr<Coordinator>>(std::move(session));
  return std::make_unique<OpenedLake>(
      std::string(text), std::move(storage),
      [url, options, first]() -> Result<std::unique_ptr<Coordinator>> {
        if (*first != nullptr) return std::move(*first);
        return OpenSession(url, options);
      });
}

}  // namespace

Result<std::unique_ptr<Lake>> Lake::Open(std::string_view url, LakeOptions options) {
  const LakeUrl parsed = PK_TRY(ParseUrl(url, options));
  const std::string what = fmt::format("open lake {}", url);
  auto lake =
      PK_TRY(std::visit([&](const auto& parts) { return OpenParts(url, parts, options); }, parsed));
  Result<> opened = lake->OpenCatalog(options);
  if (!opened.ok()) {
    // Nothing was asked of the lake yet, so there is no outcome to be unsure of.
    const bool unsure = opened.error().code() == ErrorCode::kOutcomeUnknown;
    Error error = unsure ? Unavailable(opened.error().message()) : opened.error();
    return std::move(error).With(what);
  }
  return lake;
}

Result<std::unique_ptr<Coordinator>> OpenCoordinator(std::string_view url, LakeOptions options) {
  const LakeUrl parsed = PK_TRY(ParseUrl(url, options));
  return std::visit([&](const auto& parts) { return OpenSession(parts, options); }, parsed);
}

Result<AppendResult> Append(Lake& lake, const catalog::LoadedTable& table,
                            const table::NextSource& next, const table::AppendOptions& options) {
  return CommitFiles(lake, table,
                     PK_TRY(table::WriteDataFiles(lake.storage(), *table.metadata, next, options)));
}

Result<AppendResult> CommitFiles(Lake& lake, const catalog::LoadedTable& table,
                                 table::AppendedFiles written) {
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
