#include "parkeeper/storage/storage.h"

#include <fmt/format.h>

namespace pk::storage {

Result<std::string> ReadAll(Storage& storage, std::string_view location, int64_t limit) {
  const auto file = PK_TRY(storage.Open(location));
  PK_CHECK(file->size() <= limit,
           Unsupported(fmt::format("file of {} bytes is larger than the limit of {}: {}",
                                   file->size(), limit, location)));
  std::string bytes(size_t(file->size()), '\0');
  PK_TRY(file->Read(0, bytes));
  return bytes;
}

Result<> WriteIfAbsent(Storage& storage, std::string_view location, std::string_view bytes) {
  const auto writer = PK_TRY(storage.Create(location));
  PK_TRY(writer->Append(bytes));
  return writer->Finish();
}

}  // namespace pk::storage
