#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/jobs/nodes_internal.h"

namespace pk::jobs {

using coordination::Coordinator;
using coordination::Node;

std::string JobPath(const Uuid& id) { return fmt::format("{}/{}", kJobsPath, id.ToString()); }

std::string JobFolder(const storage::Storage& storage, const Uuid& id) {
  return fmt::format("{}/_jobs/{}", storage.root(), id.ToString());
}
std::string PartsLocation(const storage::Storage& storage, const Uuid& id) {
  return JobFolder(storage, id) + "/parts";
}
std::string LogFolder(const storage::Storage& storage, const Uuid& id) {
  return JobFolder(storage, id) + "/logs";
}

Result<> EnsureLayout(const JobsParts& parts) {
  return Repeat<Unit>(parts, [](Coordinator& session) -> Result<> {
    const auto root = PK_TRY(session.Find(kJobsRoot));
    if (root) {
      const auto value = PK_TRY(json::Parse(root->value).With(kJobsRoot));
      const auto& object = *PK_TRY(json::AsObject(value, kJobsRoot));
      const int64_t layout = PK_TRY(json::Int64(object, "layout"));
      PK_CHECK(layout <= kJobsLayout,
               FailedPrecondition(fmt::format("jobs were laid out by a later version: layout {}, "
                                              "this one knows {}",
                                              layout, kJobsLayout)));
      return {};
    }
    coordination::Transaction create;
    create.Create(kJobsRoot, fmt::format("{{\"layout\": {}}}", kJobsLayout));
    create.Create(kJobsPath, "").Create(kSeenPath, "");
    const auto outcome = PK_TRY(session.Commit(create));
    // Made by somebody else, or by ourselves before: it is read the next time.
    const auto* refused = std::get_if<coordination::Refused>(&outcome);
    return refused == nullptr ? Result<>() : Unavailable(refused->reason.message());
  });
}

Result<std::optional<Node>> ReadFresh(Coordinator& session, std::string_view path) {
  PK_TRY(session.Sync());
  return session.Find(path);
}

Result<Job> Update(const JobsParts& parts, const Uuid& id,
                   const std::function<std::optional<Job>(const Job&)>& change) {
  return Repeat<Job>(parts, [&](Coordinator& session) -> Result<Job> {
    const auto node = PK_TRY(ReadFresh(session, JobPath(id)));
    PK_CHECK(node, NotFound(fmt::format("there is no job {}", id.ToString())));
    const Job job = PK_TRY(DecodeJob(id, node->value).With(JobPath(id)));
    const std::optional<Job> next = change(job);
    if (!next) return job;
    PK_TRY(session.Set(JobPath(id), Encode(*next), node->stat.version));
    return *next;
  });
}

Result<Job> LoadPlanned(const JobsParts& parts, const Uuid& id) {
  return Repeat<Job>(parts, [&](Coordinator& session) -> Result<Job> {
    auto node = PK_TRY(session.Find(JobPath(id)));
    if (!node) node = PK_TRY(ReadFresh(session, JobPath(id)));
    PK_CHECK(node, NotFound(fmt::format("there is no job {}", id.ToString())));
    return DecodeJob(id, node->value).With(JobPath(id));
  });
}

}  // namespace pk::jobs
