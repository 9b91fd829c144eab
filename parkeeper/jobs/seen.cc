#include "parkeeper/jobs/seen.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/base/log.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/jobs/digest_internal.h"
#include "parkeeper/jobs/nodes_internal.h"

namespace pk::jobs {

namespace bj = boost::json;
using coordination::Coordinator;
using coordination::Node;

namespace {

struct Marker {
  std::string queue;
  Uuid task;
};

Result<Marker> DecodeMarker(std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text));
  const bj::object& object = *PK_TRY(json::AsObject(value, "a marker"));
  Marker marker;
  marker.queue = PK_TRY(json::String(object, "queue"));
  marker.task = PK_TRY(Uuid::Parse(PK_TRY(json::String(object, "task"))));
  return marker;
}

std::string DigestOf(const SourceIdentity& source) {
  return HexDigest(fmt::format("{} {} {}", source.size, source.modified_ns, source.path));
}

std::string GivenUpPath(const Uuid& follower, const SourceIdentity& source) {
  return PathOfDigest(fmt::format("{}/{}", kGivenUpPath, follower.ToString()), DigestOf(source));
}

Result<std::optional<Node>> ReadMarker(const JobsParts& parts, const std::string& path) {
  return Repeat<std::optional<Node>>(
      parts, [&](Coordinator& session) { return ReadFresh(session, path); });
}

}  // namespace

std::string MarkerPath(std::string_view table_key, const SourceIdentity& source) {
  return PathOfDigest(fmt::format("{}/{}", kSeenPath, coordination::EscapeSegment(table_key)),
                      DigestOf(source));
}

std::string EncodeMarker(const tasks::Task& task, const SourceIdentity& source) {
  return bj::serialize(
      bj::object{{"queue", task.queue}, {"task", task.id().ToString()}, {"source", source.path}});
}

Result<SeenSource> LookUpSource(const JobsParts& parts, std::string_view table_key,
                                const SourceIdentity& source) {
  const std::string path = MarkerPath(table_key, source);
  for (;;) {
    const auto node = PK_TRY(ReadMarker(parts, path));
    if (!node) {
      PK_TRY(Repeat<Unit>(parts, [&](Coordinator& session) {
        return coordination::EnsurePath(session, coordination::Parent(path));
      }));
      return SeenSource{};
    }
    const Marker marker = PK_TRY(DecodeMarker(node->value).With(path));
    SeenSource seen{.state = SourceState::kIngested, .by = marker.task.ToString()};
    const auto task = parts.queues().Find(marker.queue, marker.task);
    PK_CHECK(task.ok() || task.error().code() == ErrorCode::kNotFound, task.error());
    if (task.ok() && task->state == tasks::TaskState::kCommitting) {
      seen.state = SourceState::kCommitting;
      return seen;
    }
    // Decided; if it was rejected, that took the marker away.
    const auto again = PK_TRY(ReadMarker(parts, path));
    if (again && again->stat.czxid == node->stat.czxid) return seen;
  }
}

void GiveUp(const JobsParts& parts, const Uuid& follower, const SourceIdentity& source) {
  const std::string path = GivenUpPath(follower, source);
  const Result<> made = Repeat<Unit>(
      parts, [&](Coordinator& session) { return coordination::EnsurePath(session, path); });
  if (!made.ok()) Log(LogLevel::kWarning, Error(made.error()).With(path).message());
}

Result<bool> IsNews(const JobsParts& parts, const Uuid& follower, std::string_view table_key,
                    const SourceIdentity& source) {
  const auto session = PK_TRY(parts.sessions.Get());
  for (const auto& reply :
       PK_TRY(session->Read({{MarkerPath(table_key, source)}, {GivenUpPath(follower, source)}}))) {
    if (reply.ok()) return false;
    PK_CHECK(reply.error().code() == ErrorCode::kNotFound, reply.error());
  }
  return true;
}

}  // namespace pk::jobs
