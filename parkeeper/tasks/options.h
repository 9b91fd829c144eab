#pragma once

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/base/retry.h"

namespace pk::tasks {

struct TasksOptions {
  // Of each call that has to reach the coordinator.
  RetryPolicy retry{};
  Clock* clock = &SystemClock();
  IdSource* ids = &SystemIds();
};

}  // namespace pk::tasks
