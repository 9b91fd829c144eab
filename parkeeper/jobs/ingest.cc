#include "parkeeper/jobs/ingest.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace pk::jobs {

Result<SourceIdentity> IdentifySource(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) {
    const bool gone = errno == ENOENT || errno == ENOTDIR;
    const std::string text = fmt::format("cannot read '{}': {}", path, strerror(errno));
    return gone ? NotFound(text) : Unavailable(text);
  }
  PK_CHECK(S_ISREG(status.st_mode), InvalidArgument(fmt::format("'{}' is no file", path)));
  return SourceIdentity{
      .path = path,
      .size = status.st_size,
      .modified_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<Ingested> Ingest(storage::Storage& storage, const iceberg::TableMetadata& metadata,
                        const std::string& path, const datafile::InputOptions& input,
                        const table::AppendOptions& options) {
  Ingested ingested{.source = PK_TRY(IdentifySource(path)), .files = {}};
  const auto schema = std::make_shared<const iceberg::Schema>(metadata.schema());
  bool given = false;
  const table::NextSource next = [&]() -> Result<std::unique_ptr<datafile::BatchSource>> {
    if (std::exchange(given, true)) return std::unique_ptr<datafile::BatchSource>();
    return datafile::OpenInput(path, schema, input);
  };
  ingested.files = PK_TRY(table::WriteDataFiles(storage, metadata, next, options).With(path));
  const Result<SourceIdentity> after = IdentifySource(path);
  if (!after.ok() || *after != ingested.source) {
    table::RemoveFiles(storage, ingested.files.files);
    return Unavailable(fmt::format("'{}' changed while it was read", path));
  }
  return ingested;
}

}  // namespace pk::jobs
