#pragma once

// What everything in this layer works with.

#include "parkeeper/base/retry.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/coordination/until_known.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/tasks/options.h"

namespace pk::tasks {

using coordination::Sent;

struct Context {
  coordination::SessionSource& sessions;
  storage::Storage& storage;
  TasksOptions options;

  Backoff NewBackoff() const { return {options.retry, *options.clock, *options.ids}; }
  int64_t WallMs() const { return options.clock->WallMs(); }
};

}  // namespace pk::tasks
