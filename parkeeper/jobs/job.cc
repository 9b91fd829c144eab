#include "parkeeper/jobs/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "parkeeper/base/json.h"
#include "parkeeper/jobs/digest_internal.h"

namespace pk::jobs {

namespace {

constexpr std::string_view kStateNames[] = {"planning", "running", "cancelling", "cancelled"};
constexpr size_t kMostNameBytes = 200;
constexpr std::string_view kKeepFreshKind = "keep-fresh";

bool Same(const datafile::InputOptions& a, const datafile::InputOptions& b) {
  return a.format == b.format && a.delimiter == b.delimiter && a.header == b.header;
}

Result<> ValidateSources(const std::vector<std::string>& sources) {
  PK_CHECK(!sources.empty(), InvalidArgument("no files to ingest"));
  std::set<std::string_view> seen;
  for (const std::string& source : sources) {
    PK_CHECK(source.starts_with('/'),
             InvalidArgument(fmt::format("the path of a source must be absolute: '{}'",
                                         json::ReplaceInvalid(source))));
    PK_CHECK(json::IsUtf8(source), InvalidArgument(fmt::format("a file's name must be UTF-8: '{}'",
                                                               json::ReplaceInvalid(source))));
    PK_CHECK(seen.insert(source).second,
             InvalidArgument(fmt::format("a file is named twice: '{}'", source)));
  }
  return {};
}

Result<> ValidateSql(const std::string& sql) {
  PK_CHECK(sql.size() <= kMostSqlBytes,
           InvalidArgument(fmt::format("the query is {} bytes long, {} are the most", sql.size(),
                                       kMostSqlBytes)));
  PK_CHECK(json::IsUtf8(sql), InvalidArgument("the query is not UTF-8"));
  return {};
}

Result<> ValidateInput(const datafile::InputOptions& input) {
  const char c = input.delimiter;
  PK_CHECK(c == '\t' || (c >= ' ' && c <= '~' && c != '"'),
           InvalidArgument("a delimiter is one character of ASCII, and no quote"));
  return {};
}

// What is right for all of its kind.
struct Validator {
  const Job& job;

  Result<> operator()(const IngestPlan& plan) const {
    PK_TRY(ValidateInput(plan.input));
    return ValidateSources(job.parts);
  }
  Result<> operator()(const FollowFilesPlan& plan) const {
    PK_TRY(ValidateInput(plan.input));
    PK_TRY(ValidateSources(plan.patterns));
    PK_CHECK(plan.settled.count() >= 0, InvalidArgument("a time is not negative"));
    return {};
  }
  Result<> operator()(const TransformPlan& plan) const { return ValidateSql(plan.sql); }
  Result<> operator()(const RefreshPlan& plan) const {
    PK_TRY(ValidateSql(plan.sql));
    PK_CHECK(!plan.name.empty() && plan.name.size() <= kMostNameBytes && json::IsUtf8(plan.name),
             InvalidArgument(fmt::format("the name of an incremental transform has 1 to {} bytes "
                                         "of UTF-8: '{}'",
                                         kMostNameBytes, json::ReplaceInvalid(plan.name))));
    const bool any = std::any_of(plan.inputs.begin(), plan.inputs.end(),
                                 [](const FollowedTable& input) { return input.incremental; });
    PK_CHECK(any, InvalidArgument("an incremental transform reads one table incrementally at "
                                  "least"));
    return {};
  }
  Result<> operator()(const CompactPlan&) const { return {}; }
};

}  // namespace

bool IngestPlan::operator==(const IngestPlan& other) const { return Same(input, other.input); }

bool FollowFilesPlan::operator==(const FollowFilesPlan& other) const {
  return patterns == other.patterns && Same(input, other.input) && settled == other.settled;
}

std::string_view ToString(JobState state) { return kStateNames[size_t(state)]; }

std::string_view KindOf(const JobPlan& plan) {
  constexpr std::string_view kKinds[] = {"ingest", "follow-files", "transform", "refresh",
                                         "compact"};
  static_assert(std::size(kKinds) == std::variant_size_v<JobPlan>);
  const auto* refresh = std::get_if<RefreshPlan>(&plan);
  return refresh != nullptr && refresh->keep ? kKeepFreshKind : kKinds[plan.index()];
}

bool IsStanding(std::string_view kind) {
  return kind == kKeepFreshKind || kind == KindOf(FollowFilesPlan{});
}

bool Job::at_once() const {
  const auto* transform = std::get_if<TransformPlan>(&plan);
  return transform != nullptr && transform->split && (transform->at_once || transform->overwrite);
}

Uuid TaskIdOf(const Uuid& job, int64_t index) {
  const std::string digest = Digest(fmt::format("{} {}", job.ToString(), index));
  Uuid id = job;
  // The time and the version stay.
  id.bytes[6] = uint8_t(0x70 | (uint8_t(digest[6]) & 0x0F));
  for (size_t i = 7; i < id.bytes.size(); ++i) id.bytes[i] = uint8_t(digest[i]);
  id.bytes[8] = uint8_t(0x80 | (id.bytes[8] & 0x3F));
  return id;
}

std::string PositionProperty(std::string_view name) {
  return fmt::format("parkeeper.position.{}", name);
}

Result<> Validate(const Job& job) {
  PK_CHECK(
      job.parts.size() <= kMostParts,
      InvalidArgument(fmt::format("a job has at most {} parts: {}", kMostParts, job.parts.size())));
  PK_CHECK(job.most_failures >= 1, InvalidArgument("a task may fail once at least"));
  PK_CHECK(job.within.count() > 0, InvalidArgument("the time of a task must be positive"));
  return std::visit(Validator{job}, job.plan);
}

}  // namespace pk::jobs
