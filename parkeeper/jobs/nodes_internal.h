#pragma once

// Paths of jobs in the coordinator and in storage, and steps on their nodes that are repeated until
// it is known what became of them. docs/jobs.md is the specification.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/jobs/jobs.h"

namespace pk::jobs {

inline constexpr int64_t kJobsLayout = 1;
inline constexpr size_t kMostInlineBytes = 16'000;
inline constexpr const char* kJobsRoot = "/jobs";
inline constexpr const char* kJobsPath = "/jobs/j";
inline constexpr const char* kSeenPath = "/jobs/seen";
inline constexpr const char* kGivenUpPath = "/jobs/given-up";
inline constexpr const char* kLeaderPath = "/jobs/leader";

std::string JobPath(const Uuid& id);
std::string JobFolder(const storage::Storage& storage, const Uuid& id);
std::string PartsLocation(const storage::Storage& storage, const Uuid& id);
std::string LogFolder(const storage::Storage& storage, const Uuid& id);

// The fixed nodes. kFailedPrecondition when a later version made them.
Result<> EnsureLayout(const JobsParts& parts);

// `step` in the present session, again while the coordinator is not reached or gives no reply: for
// steps that do no harm when they are carried out twice.
template <class T>
Result<T> Repeat(const JobsParts& parts,
                 const std::function<Result<T>(coordination::Coordinator&)>& step) {
  Backoff backoff(parts.options.retry, *parts.options.clock, *parts.options.ids);
  for (;;) {
    const auto session = parts.sessions.Get();
    Result<T> done = session.ok() ? step(**session) : Result<T>(session.error());
    if (done.ok()) return done;
    const ErrorCode code = done.error().code();
    const bool passes = code == ErrorCode::kUnavailable || code == ErrorCode::kOutcomeUnknown ||
                        code == ErrorCode::kConflict;
    if (!passes || !backoff.Wait()) return done;
  }
}

// The node as no other process can have left it before this call; nullopt: there is none.
Result<std::optional<coordination::Node>> ReadFresh(coordination::Coordinator& session,
                                                    std::string_view path);

// `path`, with what is named below it by digests: in folders of their first two digits.
std::string PathOfDigest(std::string_view path, std::string_view digest);
// Removes the node and all that is named so below it, as far as nobody adds to it meanwhile. How
// many were named.
Result<int64_t> RemoveDigests(const JobsParts& parts, const std::string& path);

// Sets the job's node to what `change` makes of it; nullopt: it stays. `change` may be asked again,
// about what its own first answer led to. The job as it is then.
Result<Job> Update(const JobsParts& parts, const Uuid& id,
                   const std::function<std::optional<Job>(const Job&)>& change);

// The job as it was submitted: its state may have changed since. kNotFound.
Result<Job> LoadPlanned(const JobsParts& parts, const Uuid& id);

}  // namespace pk::jobs
