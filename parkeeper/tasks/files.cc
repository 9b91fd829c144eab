#include <fmt/format.h>

#include "parkeeper/coordination/path.h"
#include "parkeeper/tasks/files_internal.h"
#include "parkeeper/tasks/limits.h"

namespace pk::tasks {
namespace {

std::string Folder(const storage::Storage& storage, std::string_view queue, const Uuid& id) {
  return fmt::format("{}/_tasks/{}/{:02x}/{}", storage.root(), coordination::EscapeSegment(queue),
                     id.bytes[15], id.ToString());
}

Result<std::string> Load(storage::Storage& storage, const std::string& location) {
  return storage::ReadAll(storage, location, kMaxBodyBytes);
}

}  // namespace

std::string BodyLocation(const storage::Storage& storage, std::string_view queue, const Uuid& id) {
  return Folder(storage, queue, id) + "/body";
}

std::string ResultLocation(const storage::Storage& storage, const Task& task) {
  return fmt::format("{}/result-{}", Folder(storage, task.queue, task.id()), task.attempt);
}

Result<> WriteText(const Context& context, const std::string& location, std::string_view text,
                   Backoff& backoff) {
  for (;;) {
    Result<> written = storage::WriteIfAbsent(context.storage, location, text);
    if (written.ok()) return {};
    const ErrorCode code = written.error().code();
    if (code == ErrorCode::kAlreadyExists || code == ErrorCode::kOutcomeUnknown) {
      const Result<std::string> present = Load(context.storage, location);
      if (present.ok() && *present == text) return {};
      PK_CHECK(!present.ok(), AlreadyExists(fmt::format("{} holds another text", location)));
    } else if (code != ErrorCode::kUnavailable) {
      return written;
    }
    PK_CHECK(backoff.Wait(), Unavailable(written.error().message()));
  }
}

Result<std::string> LoadBody(storage::Storage& storage, const Task& task) {
  if (!task.body_in_file) return task.request.body;
  return Load(storage, BodyLocation(storage, task.queue, task.id()));
}

Result<std::string> LoadResult(storage::Storage& storage, const Task& task) {
  if (!task.result_in_file) return task.result;
  return Load(storage, ResultLocation(storage, task));
}

void RemoveFiles(storage::Storage& storage, const Task& task) {
  if (task.body_in_file) {
    static_cast<void>(storage.Remove(BodyLocation(storage, task.queue, task.id())));
  }
  if (task.result_in_file) static_cast<void>(storage.Remove(ResultLocation(storage, task)));
}

}  // namespace pk::tasks
