// Pages of tasks. A token is "<bucket>/<the last id given>", or empty.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "parkeeper/tasks/queue_internal.h"
#include "parkeeper/tasks/queues.h"

namespace pk::tasks {

using coordination::ReadRequest;

namespace {

constexpr size_t kTasksOfRead = 200;

struct Place {
  int bucket = 0;
  std::string after;
};

Result<Place> ParseToken(const std::string& token) {
  Place place;
  if (token.empty()) return place;
  const size_t slash = token.find('/');
  const char* end = token.data() + std::min(slash, token.size());
  const auto [read, failure] = std::from_chars(token.data(), end, place.bucket);
  PK_CHECK(slash != std::string::npos && failure == std::errc() && read == end &&
               place.bucket >= 0 && place.bucket < kDefBuckets,
           InvalidArgument(fmt::format("'{}' is no token of a page", token)));
  place.after = token.substr(slash + 1);
  return place;
}

// The tasks of these names, without those that went meanwhile.
Result<> ReadTasks(const Context& context, const std::string& queue,
                   const std::vector<std::string>& names, std::vector<Task>& tasks,
                   Backoff& backoff) {
  std::vector<ReadRequest> requests;
  std::vector<Uuid> ids;
  for (const std::string& name : names) {
    ids.push_back(PK_TRY(Uuid::Parse(name)));
    requests.push_back({DefPath(queue, ids.back())});
  }
  if (requests.empty()) return {};
  auto replies = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
  for (size_t i = 0; i < replies.size(); ++i) {
    const auto node = PK_TRY(coordination::NodeOf(std::move(replies[i])));
    if (!node) continue;
    tasks.push_back(PK_TRY(DecodeTask(queue, ids[i], node->value).With(requests[i].path)));
  }
  return {};
}

using BucketPath = std::string (*)(std::string_view, int);

Result<Page<Task>> ListBuckets(const Context& context, const std::string& queue, BucketPath path_of,
                               int buckets, const PageRequest& request) {
  PK_CHECK(request.size >= 1 && request.size <= 10'000,
           InvalidArgument("a page has 1 to 10000 tasks"));
  Place place = PK_TRY(ParseToken(request.token));
  Backoff backoff = context.NewBackoff();
  PK_TRY(LoadQueue(context, queue, backoff));
  Page<Task> page;
  for (; place.bucket < buckets; ++place.bucket, place.after.clear()) {
    std::vector<std::string> names =
        PK_TRY(ListUntilKnown(context.sessions, path_of(queue, place.bucket), backoff));
    names.erase(names.begin(), std::upper_bound(names.begin(), names.end(), place.after));
    const size_t room = size_t(request.size) - page.items.size();
    const bool cut = names.size() > room;
    if (cut) names.resize(room);
    PK_TRY(ReadTasks(context, queue, names, page.items, backoff));
    if (cut || page.items.size() == size_t(request.size)) {
      page.next = fmt::format("{}/{}", place.bucket, names.empty() ? place.after : names.back());
      return page;
    }
  }
  return page;
}

}  // namespace

Result<Page<Task>> Queues::List(const std::string& queue, const PageRequest& page) {
  return ListBuckets({sessions_, storage_, options_}, queue, DefBucketPath, kDefBuckets, page);
}

Result<Page<Task>> Queues::ListDead(const std::string& queue, const PageRequest& page) {
  return ListBuckets({sessions_, storage_, options_}, queue, DeadBucketPath, kSmallBuckets, page);
}

Result<std::vector<std::optional<Task>>> Queues::FindAll(const std::string& queue,
                                                         const std::vector<Uuid>& ids) {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  std::vector<std::optional<Task>> found;
  for (size_t first = 0; first < ids.size(); first += kTasksOfRead) {
    std::vector<ReadRequest> requests;
    for (size_t i = first; i < std::min(ids.size(), first + kTasksOfRead); ++i) {
      requests.push_back({DefPath(queue, ids[i])});
    }
    for (auto& reply : PK_TRY(ReadUntilKnown(context.sessions, requests, backoff))) {
      const Uuid& id = ids[found.size()];
      const auto node = PK_TRY(coordination::NodeOf(std::move(reply)));
      found.emplace_back();
      if (node) {
        found.back() = PK_TRY(DecodeTask(queue, id, node->value).With(DefPath(queue, id)));
      }
    }
  }
  return found;
}

Result<std::vector<WorkerStatus>> Queues::ListWorkers() {
  const Context context{sessions_, storage_, options_};
  Backoff backoff = context.NewBackoff();
  std::vector<WorkerStatus> workers;
  if (!PK_TRY(FindNode(context.sessions, kAlivesPath, backoff))) return workers;
  const auto guids = PK_TRY(ListUntilKnown(context.sessions, kAlivesPath, backoff));
  for (const std::string& guid : guids) {
    const auto node = PK_TRY(FindNode(context.sessions, AlivePath(guid), backoff));
    if (!node) continue;
    AliveNode alive = PK_TRY(DecodeAlive(node->value).With(AlivePath(guid)));
    WorkerStatus status{.guid = guid,
                        .name = std::move(alive.name),
                        .labels = std::move(alive.labels),
                        .at_ms = alive.at_ms,
                        .claims = {}};
    for (const auto& [name, progress] : alive.claims) {
      const ClaimKey key = PK_TRY(ParseClaimName(name));
      status.claims.push_back(
          {key.id, key.attempt, progress.since_ms, progress.fraction, progress.note});
    }
    workers.push_back(std::move(status));
  }
  return workers;
}

}  // namespace pk::tasks
