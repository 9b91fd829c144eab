#pragma once

// Bodies and results that are too long for a node, as files below "<root>/_tasks". Their names come
// from the task's id, so a repeated write meets its own file, and nobody else's.

#include <string>
#include <string_view>

#include "parkeeper/tasks/context_internal.h"
#include "parkeeper/tasks/task.h"

namespace pk::tasks {

// "<root>/_tasks/<queue>/<bb>/<id>/body" and ".../result-<attempt>"
std::string BodyLocation(const storage::Storage& storage, std::string_view queue, const Uuid& id);
std::string ResultLocation(const storage::Storage& storage, const Task& task);

// Durable when it returns ok. kAlreadyExists: another text lies there.
Result<> WriteText(const Context& context, const std::string& location, std::string_view text,
                   Backoff& backoff);

// The body that was submitted, the result that was completed with, wherever they lie.
Result<std::string> LoadBody(storage::Storage& storage, const Task& task);
Result<std::string> LoadResult(storage::Storage& storage, const Task& task);

// Of a task that is gone. What cannot be removed now is left to orphan removal.
void RemoveFiles(storage::Storage& storage, const Task& task);

}  // namespace pk::tasks
