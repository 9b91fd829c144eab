// Requests to the process of an attempt and its replies, as JSON.

#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/jobs/json_internal.h"
#include "parkeeper/jobs/produce.h"
#include "parkeeper/storage/local.h"

namespace pk::jobs {

namespace bj = boost::json;

namespace {

constexpr std::string_view kFileScheme = "file://";

Result<std::unique_ptr<storage::Storage>> OpenRoot(const std::string& root) {
  PK_CHECK(root.starts_with(kFileScheme),
           Unsupported(fmt::format("workers need a lake in a folder: {}", root)));
  return storage::OpenLocal(root.substr(kFileScheme.size()), {.root_uri = root});
}

bj::object ToJson(const QueryInput& input) {
  bj::object object{{"name", TextsJson(input.name)}, {"metadata", input.metadata}};
  if (input.snapshot_id) object["snapshot-id"] = *input.snapshot_id;
  if (input.after_snapshot_id) object["after-snapshot-id"] = *input.after_snapshot_id;
  if (input.files) object["files"] = TextsJson(*input.files);
  return object;
}

Result<QueryInput> ParseQueryInput(const bj::value& value) {
  const bj::object& object = *PK_TRY(json::AsObject(value, "an input"));
  QueryInput input;
  input.name = PK_TRY(ParseTextsJson(*PK_TRY(json::Array(object, "name"))));
  input.metadata = PK_TRY(json::String(object, "metadata"));
  input.snapshot_id = PK_TRY(json::OptionalInt64(object, "snapshot-id"));
  input.after_snapshot_id = PK_TRY(json::OptionalInt64(object, "after-snapshot-id"));
  const bj::array* files = PK_TRY(json::OptionalArray(object, "files"));
  if (files != nullptr) input.files = PK_TRY(ParseTextsJson(*files));
  return input;
}

struct WorkWriter {
  bj::object& object;

  void operator()(const ReadFile& work) const {
    object["path"] = work.path;
    object["input"] = InputJson(work.input);
  }
  void operator()(const RunQuery& work) const {
    bj::array states;
    for (const auto& inputs : work.states) {
      bj::array state;
      for (const QueryInput& input : inputs) state.push_back(ToJson(input));
      states.push_back(std::move(state));
    }
    object["sql"] = work.sql;
    object["states"] = std::move(states);
  }
  void operator()(const Rewrite& work) const {
    object["group"] = work.group;
    object["target-file-bytes"] = work.target_file_bytes;
  }
};

Result<RunQuery> ParseQuery(const bj::object& object, const std::string& sql) {
  RunQuery query{.sql = sql, .states = {}};
  for (const bj::value& each : *PK_TRY(json::Array(object, "states"))) {
    PK_CHECK(each.is_array(), Corrupt("a state of tables is an array"));
    auto& inputs = query.states.emplace_back();
    for (const bj::value& input : each.get_array()) {
      inputs.push_back(PK_TRY(ParseQueryInput(input)));
    }
  }
  return query;
}

Result<ProduceRequest> ParseRequest(std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text));
  const bj::object& object = *PK_TRY(json::AsObject(value, "a request"));
  ProduceRequest request;
  request.root = PK_TRY(json::String(object, "root"));
  request.metadata = PK_TRY(json::String(object, "metadata"));
  request.memory_bytes = PK_TRY(json::Int64(object, "memory-bytes"));
  if (const auto path = PK_TRY(json::OptionalString(object, "path"))) {
    datafile::InputOptions input = PK_TRY(ParseInputJson(*PK_TRY(json::Object(object, "input"))));
    request.work = ReadFile{.path = *path, .input = std::move(input)};
  } else if (const auto sql = PK_TRY(json::OptionalString(object, "sql"))) {
    request.work = PK_TRY(ParseQuery(object, *sql));
  } else {
    Rewrite rewrite;
    rewrite.group = PK_TRY(json::String(object, "group"));
    rewrite.target_file_bytes = PK_TRY(json::Int64(object, "target-file-bytes"));
    request.work = std::move(rewrite);
  }
  return request;
}

Result<Produced> ParseAndProduce(std::string_view text, const OnProgress& progress) {
  const ProduceRequest request = PK_TRY(ParseRequest(text));
  const auto storage = PK_TRY(OpenRoot(request.root));
  return Produce(*storage, request, progress);
}

Result<ErrorCode> ParseCode(std::string_view name) {
  for (int code = 0; code <= int(ErrorCode::kInternal); ++code) {
    if (ErrorCodeName(ErrorCode(code)) == name) return ErrorCode(code);
  }
  return Internal(fmt::format("unknown code of an error: '{}'", name));
}

// nullopt: the reply holds a result.
Result<std::optional<Error>> ParseError(const bj::object& object) {
  const bj::object* error = PK_TRY(json::OptionalObject(object, "error"));
  if (error == nullptr) return std::optional<Error>();
  const ErrorCode code = PK_TRY(ParseCode(PK_TRY(json::String(*error, "code"))));
  return std::optional(Error(code, PK_TRY(json::String(*error, "message"))));
}

Result<Produced> ParseProducedObject(const bj::object& object) {
  Produced produced;
  produced.rows = PK_TRY(json::Int64(object, "rows"));
  produced.files = PK_TRY(json::Int64(object, "files"));
  produced.bytes = PK_TRY(json::Int64(object, "bytes"));
  if (const bj::object* source = PK_TRY(json::OptionalObject(object, "source"))) {
    SourceIdentity& identity = produced.source.emplace();
    identity.path = PK_TRY(json::String(*source, "path"));
    identity.size = PK_TRY(json::Int64(*source, "size"));
    identity.modified_ns = PK_TRY(json::Int64(*source, "modified-ns"));
  }
  if (const auto commit = PK_TRY(json::OptionalString(object, "commit"))) {
    produced.commit = PK_TRY(iceberg::ParseTableCommit(*commit));
  }
  return produced;
}

}  // namespace

std::string Encode(const Produced& produced) {
  bj::object object{{"rows", produced.rows}, {"files", produced.files}, {"bytes", produced.bytes}};
  if (produced.source) {
    object["source"] = bj::object{{"path", produced.source->path},
                                  {"size", produced.source->size},
                                  {"modified-ns", produced.source->modified_ns}};
  }
  if (produced.commit) object["commit"] = iceberg::ToJson(*produced.commit);
  return bj::serialize(object);
}

Result<Produced> ParseProduced(std::string_view text) {
  const bj::value value = PK_TRY(json::Parse(text));
  return ParseProducedObject(*PK_TRY(json::AsObject(value, "what a task has made")));
}

std::string Encode(const ProduceRequest& request) {
  bj::object object{{"root", request.root},
                    {"metadata", request.metadata},
                    {"memory-bytes", request.memory_bytes}};
  std::visit(WorkWriter{object}, request.work);
  return bj::serialize(object);
}

std::string Serve(std::string_view request, const OnProgress& progress) {
  const Result<Produced> produced = ParseAndProduce(request, progress);
  if (produced.ok()) return Encode(*produced);
  const Error& error = produced.error();
  return bj::serialize(
      bj::object{{"error", bj::object{{"code", ErrorCodeName(error.code())},
                                      {"message", json::ReplaceInvalid(error.message())}}}});
}

Result<Produced> ParseReply(std::string_view reply) {
  const Result<bj::value> value = json::Parse(reply);
  PK_CHECK(value.ok() && value->is_object(), Internal("the process of the task gave no result"));
  const bj::object& object = value->get_object();
  if (const auto error = PK_TRY(ParseError(object))) return *error;
  return ParseProducedObject(object);
}

}  // namespace pk::jobs
