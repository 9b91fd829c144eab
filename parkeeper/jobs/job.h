#pragma once

// Jobs as values: work over tables that is split into tasks of the layer below. docs/jobs.md says
// how they lie in the coordinator.
//
// A job's plan never changes, and its parts are known, durably, before the job is: each part is a
// task. So a job is planned by whoever submits it, or by anybody after him: the ids of its tasks
// are derived from its own, and what is planned twice is there once. Its last tasks are of the
// stage that has the job's id; the job is over when this stage is.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/datafile/input.h"
#include "parkeeper/sql/session.h"

namespace pk::jobs {

inline constexpr const char* kDefaultQueue = "jobs";
inline constexpr size_t kMostParts = 100'000;
inline constexpr size_t kMostSqlBytes = 100'000;

// Files into a table, each exactly once. A part is the absolute path of a file, which all workers
// must find. Each file is committed by itself; the commits of many are one version of the table
// anyway.
struct IngestPlan {
  datafile::InputOptions input;  // format, delimiter and header of each
  bool operator==(const IngestPlan&) const;
};

// Files that come to be where the patterns say, for as long as the job is not cancelled: a standing
// job of one task. It submits ingest jobs.
struct FollowFilesPlan {
  std::vector<std::string> patterns;  // absolute
  datafile::InputOptions input;
  // A file is taken when it was not modified for so long: half a file is never taken so.
  std::chrono::milliseconds settled = std::chrono::seconds(10);
  bool operator==(const FollowFilesPlan&) const;
};

// A table that a query reads, in the state that was present when the job was submitted.
struct PinnedTable {
  sql::NameInQuery name;
  std::string key;
  std::optional<int64_t> snapshot_id;  // none: it had no rows
  bool operator==(const PinnedTable&) const = default;
};

// The rows of a query into a table. With `split` each part is a list of files of that input (JSON),
// and the query runs over each by itself; else there is one part, "", and it runs as a whole.
struct TransformPlan {
  std::string sql;
  std::vector<PinnedTable> inputs;
  std::optional<int32_t> split;  // which input
  bool overwrite = false;        // the rows replace those that the table has then
  // All parts are committed as one, by a last task; else each when it is done. Always when an
  // overwrite is split.
  bool at_once = false;
  bool operator==(const TransformPlan&) const = default;
};

// A table that an incremental transform reads.
struct FollowedTable {
  sql::NameInQuery name;
  std::string key;
  bool incremental = true;  // else its present state is read each time
  bool operator==(const FollowedTable&) const = default;
};

// The rows that a query has because of what was appended since the last run, appended to the table.
// How far the inputs were read is a property of the table, PositionProperty(name), which the commit
// requires and changes. One part, "".
struct RefreshPlan {
  std::string name;  // tells several that refresh one table apart
  std::string sql;
  std::vector<FollowedTable> inputs;
  bool keep = false;  // a standing job: a run whenever an input was appended to
  bool operator==(const RefreshPlan&) const = default;
};

// Small files of a partition into larger ones. A part is a group of files
// (table::CompactionGroup), each committed when it is done.
struct CompactPlan {
  int64_t target_file_bytes = 0;  // 0: as the table says
  bool operator==(const CompactPlan&) const = default;
};

using JobPlan = std::variant<IngestPlan, FollowFilesPlan, TransformPlan, RefreshPlan, CompactPlan>;
// "ingest", "follow-files", "transform", "refresh", "compact"; of a refresh that is kept
// "keep-fresh". Of jobs and of their tasks.
std::string_view KindOf(const JobPlan& plan);
// Of the task that commits what the others wrote.
inline constexpr const char* kFinishKind = "finish";
// Tasks of this kind are there until their job is cancelled.
bool IsStanding(std::string_view kind);

enum class JobState {
  kPlanning,  // not all of its tasks are submitted
  kRunning,   // all are; its stage says whether it is over
  kCancelling,
  kCancelled,
};
// "planning"
std::string_view ToString(JobState state);

struct Job {
  Uuid id;  // version 7: its time is when it was submitted
  std::string queue = kDefaultQueue;
  JobState state = JobState::kPlanning;
  std::string table;      // that is written to: its name, as people see it
  std::string table_key;  // the table that is meant, whatever the name comes to mean
  JobPlan plan;
  // So many failures make a task a dead letter.
  int32_t most_failures = 5;
  // An attempt that takes longer is killed, and has failed.
  std::chrono::milliseconds within = std::chrono::hours(1);
  std::optional<Uuid> follower = {};  // the job that found its files
  std::vector<std::string> parts;     // empty when they lie in a file
  bool parts_in_file = false;
  int64_t count = 0;  // of parts

  bool standing() const { return IsStanding(KindOf(plan)); }
  // A last task commits what those of its parts wrote.
  bool at_once() const;
  // Tasks; that of the last one is `count`.
  int64_t tasks() const { return count + (at_once() ? 1 : 0); }
  bool operator==(const Job&) const = default;
};

// What one task does: what its job's plan says, to this part.
struct JobTaskBody {
  Uuid job;
  std::string part;
  bool operator==(const JobTaskBody&) const = default;
};

// The id of the task of part `index`, of the last task, or of a stage (below 0); as old as the
// job's.
Uuid TaskIdOf(const Uuid& job, int64_t index);
// The stage of the tasks that a last task waits for.
inline constexpr int64_t kPartsStage = -1;

// The table's property that says how far its incremental transform of this name has read.
std::string PositionProperty(std::string_view name);

// As JSON; kCorrupt says what is wrong, kUnsupported names a kind that this version does not know.
std::string Encode(const Job& job);
Result<Job> DecodeJob(const Uuid& id, std::string_view text);
std::string Encode(const JobTaskBody& body);
Result<JobTaskBody> DecodeJobTaskBody(std::string_view text);
std::string EncodeTexts(const std::vector<std::string>& texts);
Result<std::vector<std::string>> DecodeTexts(std::string_view text);

// kInvalidArgument says what is wrong.
Result<> Validate(const Job& job);

}  // namespace pk::jobs
