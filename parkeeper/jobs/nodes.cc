#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/jobs/nodes_internal.h"

namespace pk::jobs {

using coordination::Coordinator;
using coordination::Node;

namespace {

constexpr size_t kRemovedAtOnce = 500;

}  // namespace

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

std::string PathOfDigest(std::string_view path, std::string_view digest) {
  return fmt::format("{}/{}/{}", path, digest.substr(0, 2), digest);
}

Result<int64_t> RemoveDigests(const JobsParts& parts, const std::string& path) {
  const auto list = [&](const std::string& of) {
    return Repeat<std::vector<std::string>>(
        parts, [&](Coordinator& session) -> Result<std::vector<std::string>> {
          auto names = session.List(of);
          const bool gone = !names.ok() && names.error().code() == ErrorCode::kNotFound;
          return gone ? std::vector<std::string>() : std::move(names);
        });
  };
  // What is refused somebody else has removed, or added to.
  const auto remove = [&](const coordination::Transaction& transaction) {
    return Repeat<Unit>(parts, [&](Coordinator& session) -> Result<> {
      PK_TRY(session.Commit(transaction));
      return {};
    });
  };
  int64_t removed = 0;
  for (const std::string& folder : PK_TRY(list(path))) {
    const std::string below = fmt::format("{}/{}", path, folder);
    const auto names = PK_TRY(list(below));
    for (size_t i = 0; i < names.size();) {
      coordination::Transaction some;
      for (size_t end = std::min(names.size(), i + kRemovedAtOnce); i < end; ++i) {
        some.Remove(fmt::format("{}/{}", below, names[i]), coordination::kAnyVersion);
      }
      PK_TRY(remove(some));
    }
    removed += int64_t(names.size());
    PK_TRY(remove(coordination::Transaction().Remove(below, coordination::kAnyVersion)));
  }
  PK_TRY(remove(coordination::Transaction().Remove(path, coordination::kAnyVersion)));
  return removed;
}

Result<Job> Update(const JobsParts& parts, const Uuid& id,
                   const std::function<std::optional<Job>(const Job&)>& change) {
  return Repeat<Job>(parts, [&](Coordinator& session) -> Result<Job> {
    const auto node = PK_TRY(ReadFresh(session, JobPath(id)));
    PK_CHECK(node, NotFound(fmt::format("there is no job {}", id.ToString())));
    Job job = PK_TRY(DecodeJob(id, node->value).With(JobPath(id)));
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
