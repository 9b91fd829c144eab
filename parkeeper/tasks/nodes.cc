#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

#include "parkeeper/base/json.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/tasks/nodes_internal.h"

namespace pk::tasks {
namespace {

namespace bj = boost::json;
using std::chrono::milliseconds;

constexpr size_t kUuidLength = 36;

Result<bj::value> ParseNode(std::string_view text, std::string_view what) {
  bj::value value = PK_TRY(json::Parse(text).With(what));
  PK_TRY(json::AsObject(value, what));
  return value;
}

Result<int64_t> ParseNumber(std::string_view text, std::string_view name) {
  int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  PK_CHECK(!text.empty() && failure == std::errc() && end == text.data() + text.size(),
           Corrupt(fmt::format("node name '{}': a number is expected", name)));
  return number;
}

int HighDigit(const Uuid& id) { return id.bytes[15] >> 4; }

bj::array Texts(const std::vector<Uuid>& ids) {
  bj::array texts;
  for (const Uuid& id : ids) texts.emplace_back(id.ToString());
  return texts;
}

Result<std::vector<Uuid>> Ids(const bj::object& object, std::string_view key) {
  std::vector<Uuid> ids;
  const bj::array* texts = PK_TRY(json::OptionalArray(object, key));
  if (texts == nullptr) return ids;
  for (const bj::value& text : *texts) {
    ids.push_back(PK_TRY(Uuid::Parse(PK_TRY(json::AsString(text, key)))));
  }
  return ids;
}

Result<milliseconds> Milliseconds(const bj::object& object, std::string_view key) {
  return milliseconds(PK_TRY(json::Int64(object, key)));
}

}  // namespace

std::string QueuePath(std::string_view queue) {
  return fmt::format("{}/{}", kQueuesPath, coordination::EscapeSegment(queue));
}
std::string DefBucketPath(std::string_view queue, int bucket) {
  return fmt::format("{}/def/{:02x}", QueuePath(queue), bucket);
}
std::string DefPath(std::string_view queue, const Uuid& id) {
  return fmt::format("{}/{}", DefBucketPath(queue, id.bytes[15]), id.ToString());
}
std::string ShardPath(std::string_view queue, int32_t shard) {
  return fmt::format("{}/ready/{:02x}", QueuePath(queue), shard);
}
std::string DeadBucketPath(std::string_view queue, int bucket) {
  return fmt::format("{}/dead/{:x}", QueuePath(queue), bucket);
}
std::string DeadPath(std::string_view queue, const Uuid& id) {
  return fmt::format("{}/{}", DeadBucketPath(queue, HighDigit(id)), id.ToString());
}
std::string RunPath(std::string_view worker) { return fmt::format("{}/{}", kRunsPath, worker); }
std::string AlivePath(std::string_view worker) { return fmt::format("{}/{}", kAlivesPath, worker); }
std::string StagePath(const Uuid& stage) {
  return fmt::format("{}/{}", kStagesPath, stage.ToString());
}
std::string LeftBucketPath(const Uuid& stage, int bucket) {
  return fmt::format("{}/left-{:x}", StagePath(stage), bucket);
}
std::string LeftPath(const Uuid& stage, const Uuid& task) {
  return fmt::format("{}/{}", LeftBucketPath(stage, HighDigit(task)), task.ToString());
}
std::string NextBucketPath(const Uuid& stage, int bucket) {
  return fmt::format("{}/next-{:x}", StagePath(stage), bucket);
}
std::string NextPath(const Uuid& stage, const Uuid& task) {
  return fmt::format("{}/{}", NextBucketPath(stage, HighDigit(task)), task.ToString());
}

int32_t ShardOf(const Uuid& id, int32_t shards) {
  // Not the byte that chooses the bucket of the definition.
  return (id.bytes[13] * 256 + id.bytes[14]) % shards;
}

std::string ToName(const Offer& offer) {
  return fmt::format("{}-{:013}-{}-{}", offer.priority, offer.due_ms, offer.id.ToString(),
                     offer.attempt);
}

Result<Offer> ParseOffer(std::string_view name) {
  constexpr size_t kId = 16, kAttempt = kId + kUuidLength + 1;
  PK_CHECK(
      name.size() > kAttempt && name[1] == '-' && name[kId - 1] == '-' && name[kAttempt - 1] == '-',
      Corrupt(fmt::format("'{}' is no name of an offered task", name)));
  Offer offer;
  offer.priority = int32_t(PK_TRY(ParseNumber(name.substr(0, 1), name)));
  offer.due_ms = PK_TRY(ParseNumber(name.substr(2, kId - 3), name));
  offer.id = PK_TRY(Uuid::Parse(name.substr(kId, kUuidLength)));
  offer.attempt = int32_t(PK_TRY(ParseNumber(name.substr(kAttempt), name)));
  return offer;
}

std::string OfferPath(const Task& task) {
  return fmt::format("{}/{}", ShardPath(task.queue, task.shard),
                     ToName({.priority = task.request.priority,
                             .due_ms = task.due_ms,
                             .id = task.id(),
                             .attempt = task.attempt}));
}

std::string ClaimName(const Uuid& id, int32_t attempt) {
  return fmt::format("{}-{}", id.ToString(), attempt);
}

Result<ClaimKey> ParseClaimName(std::string_view name) {
  PK_CHECK(name.size() > kUuidLength + 1 && name[kUuidLength] == '-',
           Corrupt(fmt::format("'{}' is no name of a claim", name)));
  ClaimKey key;
  key.id = PK_TRY(Uuid::Parse(name.substr(0, kUuidLength)));
  key.attempt = int32_t(PK_TRY(ParseNumber(name.substr(kUuidLength + 1), name)));
  return key;
}

std::string ClaimPath(std::string_view worker, const Uuid& id, int32_t attempt) {
  return fmt::format("{}/{}", RunPath(worker), ClaimName(id, attempt));
}
std::string ClaimPath(const ClaimedTask& claim) {
  return ClaimPath(claim.worker, claim.task.id(), claim.task.attempt);
}

std::string EncodeRoot() { return bj::serialize(bj::object{{"layout", kTasksLayout}}); }

Result<> CheckRoot(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, kRootPath));
  const int64_t layout = PK_TRY(json::Int64(value.get_object(), "layout"));
  PK_CHECK(layout <= kTasksLayout, FailedPrecondition(fmt::format(
                                       "the tasks have layout version {}, this program knows {}: "
                                       "use a newer one",
                                       layout, kTasksLayout)));
  return {};
}

std::string Encode(const QueueNode& node) {
  return bj::serialize(bj::object{{"guid", node.guid},
                                  {"state", ToString(node.state)},
                                  {"shards", node.shards},
                                  {"retention-ms", node.retention.count()}});
}

Result<QueueNode> DecodeQueue(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "queue node"));
  const bj::object& object = value.get_object();
  QueueNode node;
  node.guid = PK_TRY(json::String(object, "guid"));
  node.state = PK_TRY(ParseQueueState(PK_TRY(json::String(object, "state"))));
  node.shards = PK_TRY(json::Int32(object, "shards"));
  node.retention = PK_TRY(Milliseconds(object, "retention-ms"));
  PK_CHECK(node.shards >= 1, Corrupt("queue node: it has no shards"));
  return node;
}

std::string Encode(const Task& task) {
  const SubmitRequest& request = task.request;
  bj::object object{{"state", ToString(task.state)},
                    {"kind", request.kind},
                    {"shard", task.shard},
                    {"attempt", task.attempt},
                    {"failures", task.failures},
                    {"due-ms", task.due_ms},
                    {"priority", request.priority},
                    {"not-before-ms", request.not_before_ms},
                    {"most-failures", request.most_failures},
                    {"first-delay-ms", request.first_delay.count()},
                    {"longest-delay-ms", request.longest_delay.count()},
                    {"progress-limit-ms", request.progress_limit.count()},
                    {"hash", fmt::format("{:016x}", task.request_hash)}};
  if (request.stage) object["stage"] = request.stage->ToString();
  if (!request.after.empty()) object["after"] = Texts(request.after);
  if (task.body_in_file) object["body-in-file"] = true;
  if (!request.body.empty()) object["body"] = request.body;
  if (task.result_in_file) object["result-in-file"] = true;
  if (!task.result.empty()) object["result"] = task.result;
  if (!task.error.empty()) object["error"] = task.error;
  return bj::serialize(object);
}

Result<Task> DecodeTask(std::string_view queue, const Uuid& id, std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "task node"));
  const bj::object& object = value.get_object();
  Task task;
  task.queue = queue;
  SubmitRequest& request = task.request;
  request.id = id;
  request.kind = PK_TRY(json::String(object, "kind"));
  request.body = PK_TRY(json::OptionalString(object, "body")).value_or("");
  request.priority = PK_TRY(json::Int32(object, "priority"));
  request.not_before_ms = PK_TRY(json::Int64(object, "not-before-ms"));
  request.most_failures = PK_TRY(json::Int32(object, "most-failures"));
  request.first_delay = PK_TRY(Milliseconds(object, "first-delay-ms"));
  request.longest_delay = PK_TRY(Milliseconds(object, "longest-delay-ms"));
  request.progress_limit = PK_TRY(Milliseconds(object, "progress-limit-ms"));
  if (const auto stage = PK_TRY(json::OptionalString(object, "stage"))) {
    request.stage = PK_TRY(Uuid::Parse(*stage));
  }
  request.after = PK_TRY(Ids(object, "after"));
  task.state = PK_TRY(ParseTaskState(PK_TRY(json::String(object, "state"))));
  task.shard = PK_TRY(json::Int32(object, "shard"));
  task.attempt = PK_TRY(json::Int32(object, "attempt"));
  task.failures = PK_TRY(json::Int32(object, "failures"));
  task.due_ms = PK_TRY(json::Int64(object, "due-ms"));
  task.error = PK_TRY(json::OptionalString(object, "error")).value_or("");
  task.result = PK_TRY(json::OptionalString(object, "result")).value_or("");
  task.body_in_file = PK_TRY(json::OptionalBool(object, "body-in-file")).value_or(false);
  task.result_in_file = PK_TRY(json::OptionalBool(object, "result-in-file")).value_or(false);
  task.request_hash = std::strtoull(PK_TRY(json::String(object, "hash")).c_str(), nullptr, 16);
  return task;
}

std::string Encode(const ClaimNode& node) {
  return bj::serialize(bj::object{{"queue", node.queue}});
}

Result<ClaimNode> DecodeClaim(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "claim node"));
  const bj::object& object = value.get_object();
  return ClaimNode{.queue = PK_TRY(json::String(object, "queue"))};
}

std::string Encode(const AliveNode& node) {
  bj::object claims;
  for (const auto& [name, progress] : node.claims) {
    claims[name] = bj::object{{"since-ms", progress.since_ms},
                              {"limit-ms", progress.limit_ms},
                              {"fraction", progress.fraction},
                              {"note", progress.note}};
  }
  bj::object labels;
  for (const auto& [label, value] : node.labels) labels[label] = value;
  return bj::serialize(bj::object{{"name", node.name},
                                  {"labels", std::move(labels)},
                                  {"at-ms", node.at_ms},
                                  {"claims", std::move(claims)}});
}

Result<AliveNode> DecodeAlive(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "worker node"));
  const bj::object& object = value.get_object();
  AliveNode node;
  node.name = PK_TRY(json::String(object, "name"));
  node.at_ms = PK_TRY(json::Int64(object, "at-ms"));
  if (const bj::object* labels = PK_TRY(json::OptionalObject(object, "labels"))) {
    for (const auto& label : *labels) {
      node.labels.emplace(label.key(), PK_TRY(json::AsString(label.value(), label.key())));
    }
  }
  for (const auto& member : *PK_TRY(json::Object(object, "claims"))) {
    const bj::object& claim = *PK_TRY(json::AsObject(member.value(), member.key()));
    AliveNode::Progress progress;
    progress.since_ms = PK_TRY(json::Int64(claim, "since-ms"));
    progress.limit_ms = PK_TRY(json::Int64(claim, "limit-ms"));
    progress.note = PK_TRY(json::String(claim, "note"));
    const bj::value* fraction = claim.if_contains("fraction");
    if (fraction != nullptr && fraction->is_number()) {
      progress.fraction = fraction->to_number<double>();
    }
    node.claims.emplace(member.key(), std::move(progress));
  }
  return node;
}

std::string Encode(const StageNode& node) {
  constexpr std::string_view kNames[] = {"filling", "sealed", "over"};
  return bj::serialize(
      bj::object{{"name", node.name}, {"state", kNames[static_cast<size_t>(node.state)]}});
}

Result<StageNode> DecodeStage(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "stage node"));
  const bj::object& object = value.get_object();
  StageNode node{.name = PK_TRY(json::String(object, "name"))};
  const std::string state = PK_TRY(json::String(object, "state"));
  PK_CHECK(state == "filling" || state == "sealed" || state == "over",
           Corrupt(fmt::format("unknown state of a stage: '{}'", state)));
  node.state = state == "over"     ? StageState::kOver
               : state == "sealed" ? StageState::kSealed
                                   : StageState::kFilling;
  return node;
}

std::string Encode(const NextNode& node) {
  return bj::serialize(bj::object{{"queue", node.queue},
                                  {"shard", node.shard},
                                  {"offer", ToName(node.offer)},
                                  {"after", Texts(node.after)}});
}

Result<NextNode> DecodeNext(std::string_view text) {
  const bj::value value = PK_TRY(ParseNode(text, "waiting node"));
  const bj::object& object = value.get_object();
  NextNode node;
  node.queue = PK_TRY(json::String(object, "queue"));
  node.shard = PK_TRY(json::Int32(object, "shard"));
  node.offer = PK_TRY(ParseOffer(PK_TRY(json::String(object, "offer"))));
  node.after = PK_TRY(Ids(object, "after"));
  return node;
}

}  // namespace pk::tasks
