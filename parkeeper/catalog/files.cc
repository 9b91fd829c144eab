#include <fmt/format.h>

#include "parkeeper/base/log.h"
#include "parkeeper/base/parallel.h"
#include "parkeeper/catalog/files_internal.h"
#include "parkeeper/manifest/manifest_list.h"

namespace pk::catalog {

using iceberg::ManifestFile;
using iceberg::TableMetadata;

namespace {

// The file, durable, whether or not a reply was lost on the way: its name is ours alone.
Result<> WriteOne(storage::Storage& storage, const NewFile& file, Backoff& backoff) {
  bool repeated = false;
  for (;;) {
    Result<> written = storage::WriteIfAbsent(storage, file.location, file.bytes);
    if (written.ok()) return {};
    const ErrorCode code = written.error().code();
    if (code == ErrorCode::kAlreadyExists && repeated) {
      const auto found = PK_TRY(storage.Stat(file.location));
      if (found.size == int64_t(file.bytes.size())) return {};
      return Corrupt(fmt::format("{} has {} bytes, {} were written", file.location, found.size,
                                 file.bytes.size()));
    }
    if (code != ErrorCode::kOutcomeUnknown || !backoff.Wait()) return written;
    repeated = true;
  }
}

}  // namespace

Result<std::shared_ptr<const TableMetadata>> MetadataFiles::Load(const std::string& location) {
  if (auto cached = metadata_.Find(location)) return cached;
  const std::string json = PK_TRY(storage::ReadAll(storage_, location));
  auto metadata = std::make_shared<const TableMetadata>(
      PK_TRY(iceberg::ParseTableMetadata(json).With(location)));
  metadata_.Put(location, metadata);
  return std::shared_ptr<const TableMetadata>(std::move(metadata));
}

Result<std::shared_ptr<const std::vector<ManifestFile>>> MetadataFiles::LoadManifests(
    const iceberg::Snapshot* snapshot) {
  using Manifests = std::vector<ManifestFile>;
  if (snapshot == nullptr) return std::make_shared<const Manifests>();
  PK_CHECK(!snapshot->manifest_list.empty(),
           Unsupported(fmt::format("snapshot {} lists its manifests in the metadata, as v1 tables "
                                   "of old writers do",
                                   snapshot->snapshot_id)));
  if (auto cached = manifests_.Find(snapshot->manifest_list)) return cached;
  const std::string bytes = PK_TRY(storage::ReadAll(storage_, snapshot->manifest_list));
  auto manifests = std::make_shared<const Manifests>(
      PK_TRY(manifest::ReadManifestList(bytes).With(snapshot->manifest_list)));
  manifests_.Put(snapshot->manifest_list, manifests);
  return std::shared_ptr<const Manifests>(std::move(manifests));
}

Result<std::shared_ptr<const std::string>> MetadataFiles::LoadManifest(
    const std::string& location) {
  if (auto cached = small_manifests_.Find(location)) return cached;
  return std::make_shared<const std::string>(PK_TRY(storage::ReadAll(storage_, location)));
}

void MetadataFiles::RememberManifest(const std::string& location, const std::string& bytes) {
  if (bytes.size() > kSmallManifest) return;
  small_manifests_.Put(location, std::make_shared<const std::string>(bytes));
}

Result<> MetadataFiles::Write(const std::vector<NewFile>& files, Backoff& backoff) {
  const auto write = [&](size_t index) -> Result<> {
    // Retries are for lost replies only; the one deadline is enough for all threads, so each has
    // its own copy.
    Backoff own = backoff;
    return WriteOne(storage_, files[index], own);
  };
  Result<> done = ParallelFor(files.size(), write_threads_, write);
  if (!done.ok()) Discard(files);
  return done;
}

void MetadataFiles::Discard(const std::vector<NewFile>& files) {
  for (const NewFile& file : files) {
    const Result<> removed = storage_.Remove(file.location);
    if (removed.ok() || removed.error().code() == ErrorCode::kNotFound) continue;
    LogFailure(fmt::format("{} is left as an orphan", file.location), removed.error());
  }
}

void MetadataFiles::Remember(const std::string& location,
                             std::shared_ptr<const TableMetadata> metadata) {
  metadata_.Put(location, std::move(metadata));
}

void MetadataFiles::Remember(const std::string& manifest_list,
                             std::vector<ManifestFile> manifests) {
  manifests_.Put(manifest_list,
                 std::make_shared<const std::vector<ManifestFile>>(std::move(manifests)));
}

void LogFailure(std::string_view what, const Error& error) {
  const bool for_now =
      error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kOutcomeUnknown;
  Log(for_now ? LogLevel::kInfo : LogLevel::kWarning,
      fmt::format("{}: {}", what, error.ToString()));
}

std::string MetadataLocation(const TableMetadata& metadata, int64_t version, IdSource& ids) {
  return fmt::format("{}/metadata/{:05}-{}.metadata.json", metadata.location, version,
                     ids.NewUuid4().ToString());
}

}  // namespace pk::catalog
