// Jobs and the bodies of their tasks as JSON.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/jobs/job.h"
#include "parkeeper/jobs/json_internal.h"

namespace pk::jobs {

namespace bj = boost::json;

namespace {

constexpr std::string_view kFormatNames[] = {"parquet", "csv", "jsonl", "arrow"};

Result<std::vector<std::string>> Texts(const bj::object& object, const char* name) {
  return ParseTextsJson(*PK_TRY(json::Array(object, name)));
}

Result<datafile::InputOptions> ParseInput(const bj::object& plan) {
  return ParseInputJson(*PK_TRY(json::Object(plan, "input")));
}

bj::object TableJson(const sql::NameInQuery& name, const std::string& key) {
  return {{"name", TextsJson(name)}, {"key", key}};
}

struct PlanWriter {
  bj::object operator()(const IngestPlan& plan) const { return {{"input", InputJson(plan.input)}}; }
  bj::object operator()(const FollowFilesPlan& plan) const {
    return {{"patterns", TextsJson(plan.patterns)},
            {"input", InputJson(plan.input)},
            {"settled-ms", plan.settled.count()}};
  }
  bj::object operator()(const TransformPlan& plan) const {
    bj::array inputs;
    for (const PinnedTable& input : plan.inputs) {
      bj::object table = TableJson(input.name, input.key);
      if (input.snapshot_id) table["snapshot-id"] = *input.snapshot_id;
      inputs.push_back(std::move(table));
    }
    bj::object object{{"sql", plan.sql},
                      {"inputs", std::move(inputs)},
                      {"overwrite", plan.overwrite},
                      {"at-once", plan.at_once}};
    if (plan.split) object["split"] = *plan.split;
    return object;
  }
  bj::object operator()(const RefreshPlan& plan) const {
    bj::array inputs;
    for (const FollowedTable& input : plan.inputs) {
      bj::object table = TableJson(input.name, input.key);
      table["incremental"] = input.incremental;
      inputs.push_back(std::move(table));
    }
    return {
        {"name", plan.name}, {"sql", plan.sql}, {"inputs", std::move(inputs)}, {"keep", plan.keep}};
  }
  bj::object operator()(const CompactPlan& plan) const {
    return {{"target-file-bytes", plan.target_file_bytes}};
  }
};

Result<JobPlan> ParseFollowFiles(const bj::object& object) {
  FollowFilesPlan plan;
  plan.patterns = PK_TRY(Texts(object, "patterns"));
  plan.input = PK_TRY(ParseInput(object));
  plan.settled = std::chrono::milliseconds(PK_TRY(json::Int64(object, "settled-ms")));
  return JobPlan(std::move(plan));
}

Result<JobPlan> ParseTransform(const bj::object& object) {
  TransformPlan plan;
  plan.sql = PK_TRY(json::String(object, "sql"));
  plan.split = PK_TRY(json::OptionalInt32(object, "split"));
  plan.overwrite = PK_TRY(json::Bool(object, "overwrite"));
  plan.at_once = PK_TRY(json::Bool(object, "at-once"));
  for (const bj::value& each : *PK_TRY(json::Array(object, "inputs"))) {
    const bj::object& table = *PK_TRY(json::AsObject(each, "an input"));
    auto& added = plan.inputs.emplace_back();
    added.name = PK_TRY(Texts(table, "name"));
    added.key = PK_TRY(json::String(table, "key"));
    added.snapshot_id = PK_TRY(json::OptionalInt64(table, "snapshot-id"));
  }
  PK_CHECK(!plan.split || (*plan.split >= 0 && size_t(*plan.split) < plan.inputs.size()),
           Corrupt("a transform is split by an input that it does not have"));
  return JobPlan(std::move(plan));
}

Result<JobPlan> ParseRefresh(const bj::object& object, bool keep) {
  RefreshPlan plan;
  plan.name = PK_TRY(json::String(object, "name"));
  plan.sql = PK_TRY(json::String(object, "sql"));
  plan.keep = keep;
  for (const bj::value& each : *PK_TRY(json::Array(object, "inputs"))) {
    const bj::object& table = *PK_TRY(json::AsObject(each, "an input"));
    auto& added = plan.inputs.emplace_back();
    added.name = PK_TRY(Texts(table, "name"));
    added.key = PK_TRY(json::String(table, "key"));
    added.incremental = PK_TRY(json::Bool(table, "incremental"));
  }
  return JobPlan(std::move(plan));
}

Result<JobPlan> ParsePlan(std::string_view kind, const bj::object& object) {
  if (kind == KindOf(IngestPlan{})) {
    return JobPlan(IngestPlan{.input = PK_TRY(ParseInput(object))});
  }
  if (kind == KindOf(FollowFilesPlan{})) return ParseFollowFiles(object);
  if (kind == KindOf(TransformPlan{})) return ParseTransform(object);
  for (const bool keep : {false, true}) {
    const RefreshPlan plan{.name = {}, .sql = {}, .inputs = {}, .keep = keep};
    if (kind == KindOf(plan)) return ParseRefresh(object, keep);
  }
  if (kind == KindOf(CompactPlan{})) {
    return JobPlan(
        CompactPlan{.target_file_bytes = PK_TRY(json::Int64(object, "target-file-bytes"))});
  }
  return Unsupported(fmt::format("this version does not know jobs of kind '{}'", kind));
}

Result<JobState> ParseState(std::string_view text) {
  for (const JobState state :
       {JobState::kPlanning, JobState::kRunning, JobState::kCancelling, JobState::kCancelled}) {
    if (ToString(state) == text) return state;
  }
  return Corrupt(fmt::format("unknown state of a job: '{}'", text));
}

}  // namespace

bj::object InputJson(const datafile::InputOptions& input) {
  bj::object object{{"delimiter", std::string(1, input.delimiter)}, {"header", input.header}};
  if (input.format) object["format"] = std::string(kFormatNames[size_t(*input.format)]);
  return object;
}

Result<datafile::InputOptions> ParseInputJson(const bj::object& object) {
  datafile::InputOptions input;
  const std::string delimiter = PK_TRY(json::String(object, "delimiter"));
  PK_CHECK(delimiter.size() == 1, Corrupt("a delimiter is one character"));
  input.delimiter = delimiter[0];
  input.header = PK_TRY(json::Bool(object, "header"));
  if (const auto format = PK_TRY(json::OptionalString(object, "format"))) {
    const auto* found = std::find(std::begin(kFormatNames), std::end(kFormatNames), *format);
    PK_CHECK(found != std::end(kFormatNames),
             Corrupt(fmt::format("unknown format of files: '{}'", *format)));
    input.format = datafile::InputFormat(found - std::begin(kFormatNames));
  }
  return input;
}

bj::array TextsJson(const std::vector<std::string>& texts) {
  return bj::array(texts.begin(), texts.end());
}

Result<std::vector<std::string>> ParseTextsJson(const bj::array& array) {
  std::vector<std::string> texts;
  texts.reserve(array.size());
  for (const bj::value& text : array) texts.push_back(PK_TRY(json::AsString(text, "a text")));
  return texts;
}

std::string Encode(const Job& job) {
  bj::object object{{"kind", KindOf(job.plan)},
                    {"queue", job.queue},
                    {"state", ToString(job.state)},
                    {"table", job.table},
                    {"table-key", job.table_key},
                    {"plan", std::visit(PlanWriter{}, job.plan)},
                    {"count", job.count},
                    {"most-failures", job.most_failures},
                    {"within-ms", job.within.count()}};
  if (job.follower) object["follower"] = job.follower->ToString();
  if (!job.parts_in_file) object["parts"] = TextsJson(job.parts);
  return bj::serialize(object);
}

Result<Job> DecodeJob(const Uuid& id, std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text));
  const bj::object& object = *PK_TRY(json::AsObject(value, "a job"));
  JobPlan plan = PK_TRY(
      ParsePlan(PK_TRY(json::String(object, "kind")), *PK_TRY(json::Object(object, "plan"))));
  Job job;
  job.id = id;
  job.queue = PK_TRY(json::String(object, "queue"));
  job.state = PK_TRY(ParseState(PK_TRY(json::String(object, "state"))));
  job.table = PK_TRY(json::String(object, "table"));
  job.table_key = PK_TRY(json::String(object, "table-key"));
  job.plan = std::move(plan);
  job.most_failures = PK_TRY(json::Int32(object, "most-failures"));
  job.within = std::chrono::milliseconds(PK_TRY(json::Int64(object, "within-ms")));
  job.count = PK_TRY(json::Int64(object, "count"));
  if (const auto follower = PK_TRY(json::OptionalString(object, "follower"))) {
    job.follower = PK_TRY(Uuid::Parse(*follower));
  }
  const bj::array* parts = PK_TRY(json::OptionalArray(object, "parts"));
  job.parts_in_file = parts == nullptr;
  if (parts != nullptr) job.parts = PK_TRY(ParseTextsJson(*parts));
  return job;
}

std::string Encode(const JobTaskBody& body) {
  return bj::serialize(bj::object{{"job", body.job.ToString()}, {"part", body.part}});
}

Result<JobTaskBody> DecodeJobTaskBody(std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text));
  const bj::object& object = *PK_TRY(json::AsObject(value, "a task"));
  JobTaskBody body;
  body.job = PK_TRY(Uuid::Parse(PK_TRY(json::String(object, "job"))));
  body.part = PK_TRY(json::String(object, "part"));
  return body;
}

std::string EncodeTexts(const std::vector<std::string>& texts) {
  return bj::serialize(TextsJson(texts));
}

Result<std::vector<std::string>> DecodeTexts(std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text));
  PK_CHECK(value.is_array(), Corrupt("not an array"));
  return ParseTextsJson(value.get_array());
}

}  // namespace pk::jobs
