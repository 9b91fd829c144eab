#include "parkeeper/tasks/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "parkeeper/base/json.h"
#include "parkeeper/tasks/limits.h"

namespace pk::tasks {
namespace {

constexpr std::array<std::string_view, 5> kTaskStates = {"open", "committing", "done", "dead",
                                                         "cancelled"};
constexpr std::array<std::string_view, 3> kQueueStates = {"running", "paused", "draining"};

template <class State, size_t kCount>
Result<State> Parse(const std::array<std::string_view, kCount>& names, std::string_view text,
                    std::string_view what) {
  const auto found = std::find(names.begin(), names.end(), text);
  PK_CHECK(found != names.end(), Corrupt(fmt::format("unknown state of a {}: '{}'", what, text)));
  return static_cast<State>(found - names.begin());
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

std::string_view ToString(TaskState state) { return kTaskStates[static_cast<size_t>(state)]; }
Result<TaskState> ParseTaskState(std::string_view text) {
  return Parse<TaskState>(kTaskStates, text, "task");
}
std::string_view ToString(QueueState state) { return kQueueStates[static_cast<size_t>(state)]; }
Result<QueueState> ParseQueueState(std::string_view text) {
  return Parse<QueueState>(kQueueStates, text, "queue");
}

Result<> ValidateQueueName(std::string_view name) {
  PK_CHECK(!name.empty(), InvalidArgument("a queue needs a name"));
  PK_CHECK(name.size() <= kMaxQueueNameBytes,
           InvalidArgument(fmt::format("a queue's name has {} bytes, at most {} are possible",
                                       name.size(), kMaxQueueNameBytes)));
  PK_CHECK(json::IsUtf8(name) && !HasControl(name),
           InvalidArgument("a queue's name is UTF-8 without control characters"));
  return {};
}

Result<> Validate(const SubmitRequest& request) {
  const auto wrong = [&](std::string what) {
    return InvalidArgument(fmt::format("task {}: {}", request.id.ToString(), what));
  };
  PK_CHECK((request.id.bytes[6] >> 4) == 7, wrong("its id is no UUID of version 7"));
  PK_CHECK(json::IsUtf8(request.kind) && json::IsUtf8(request.body),
           wrong("kind and body must be UTF-8"));
  PK_CHECK(request.kind.size() <= kMaxKindBytes,
           wrong(fmt::format("its kind is longer than {} bytes", kMaxKindBytes)));
  PK_CHECK(request.body.size() <= kMaxBodyBytes,
           wrong(fmt::format("its body is longer than {} bytes", kMaxBodyBytes)));
  PK_CHECK(request.priority >= 0 && request.priority <= kMaxPriority,
           wrong(fmt::format("priorities are 0 to {}", kMaxPriority)));
  PK_CHECK(request.not_before_ms >= 0 && request.not_before_ms < 10'000'000'000'000,
           wrong("its time is not within reach"));
  PK_CHECK(request.most_failures >= 1, wrong("it must be tried at least once"));
  PK_CHECK(request.first_delay.count() >= 0 && request.longest_delay.count() >= 0 &&
               request.progress_limit.count() > 0,
           wrong("a duration of it is negative"));
  PK_CHECK(request.after.size() <= kMaxStagesAfter,
           wrong(fmt::format("it waits for more than {} stages", kMaxStagesAfter)));
  const std::set<Uuid> after(request.after.begin(), request.after.end());
  PK_CHECK(after.size() == request.after.size(), wrong("it waits for a stage twice"));
  PK_CHECK(!request.stage || !after.contains(*request.stage),
           wrong("it waits for the stage that it is a part of"));
  return {};
}

}  // namespace pk::tasks
