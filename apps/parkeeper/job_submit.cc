#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "apps/parkeeper/file_arguments.h"
#include "apps/parkeeper/job_command.h"
#include "parkeeper/datafile/source_paths.h"
#include "parkeeper/jobs/planning.h"
#include "parkeeper/lake/import.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;
using jobs::Job;

// Of all kinds.
struct Arguments {
  std::string into;
  std::string queue = jobs::kDefaultQueue;
  int attempts = 5;
  int timeout_seconds = 3'600;
  bool wait = false;
  // Ingest.
  FileArguments files;
  NewTableArguments table;
  bool follow = false;
  int settled_seconds = 10;
  // Transforms.
  std::string sql;
  bool overwrite = false, at_once = false, whole = false;
  uint64_t split_bytes = jobs::kUsualSplitBytes;
  // Incremental ones.
  std::string name;
  std::vector<std::string> incremental;
  bool keep = false, partial_aggregates = false;
  // Compaction.
  uint64_t target_bytes = 0;
  int min_files = 5;
  std::string where;
};

// The queries of jobs are named files, or stand on the command line.
Result<std::string> QueryOf(const Arguments& arguments) {
  if (!arguments.sql.starts_with('@')) return arguments.sql;
  const std::string path = arguments.sql.substr(1);
  std::ifstream in(path);
  PK_CHECK(in.good(), NotFound(fmt::format("cannot read the file {}", path)));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<std::vector<std::string>> AbsolutePaths(const std::vector<std::string>& patterns) {
  std::vector<std::string> paths;
  for (const std::string& path : PK_TRY(datafile::ExpandPaths(patterns))) {
    std::error_code failure;
    paths.push_back(std::filesystem::canonical(path, failure).string());
    PK_CHECK(!failure, NotFound(fmt::format("cannot find '{}': {}", path, failure.message())));
  }
  // A file may be named in several ways.
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

// The table that is to be made is that of the first file.
Result<> MakeTable(lake::Lake& lake, const Arguments& arguments, const std::string& first) {
  lake::ImportOptions options;
  options.create = true;
  options.partition_by = arguments.table.partition_by;
  options.sort_by = arguments.table.sort_by;
  options.properties = PK_TRY(ParseProperties(arguments.table.properties));
  options.input = PK_TRY(arguments.files.Input());
  return lake::CreateTableOf(lake, PK_TRY(catalog::ParseTableName(arguments.into)), first, options);
}

Result<Job> PlanIngest(const OpenedJobs& opened, const Arguments& arguments) {
  Job job;
  job.table = catalog::ToString(PK_TRY(catalog::ParseTableName(arguments.into)));
  const datafile::InputOptions input = PK_TRY(arguments.files.Input());
  if (!arguments.follow || arguments.table.create) {
    job.parts = PK_TRY(AbsolutePaths(arguments.files.files));
    if (arguments.table.create) PK_TRY(MakeTable(*opened.lake, arguments, job.parts.front()));
  }
  if (!arguments.follow) {
    job.plan = jobs::IngestPlan{.input = input};
    return job;
  }
  jobs::FollowFilesPlan plan{.patterns = {}, .input = input};
  plan.settled = std::chrono::seconds(arguments.settled_seconds);
  for (const std::string& pattern : arguments.files.files) {
    std::error_code failure;
    plan.patterns.push_back(std::filesystem::absolute(pattern, failure).string());
    PK_CHECK(!failure, InvalidArgument(fmt::format("'{}': {}", pattern, failure.message())));
  }
  job.plan = std::move(plan);
  job.parts = {""};
  return job;
}

Result<Job> PlanTransform(const OpenedJobs& opened, const Arguments& arguments) {
  return jobs::PlanTransform(opened.parts,
                             {.sql = PK_TRY(QueryOf(arguments)),
                              .into = arguments.into,
                              .overwrite = arguments.overwrite,
                              .at_once = arguments.at_once,
                              .split_bytes = arguments.whole ? 0 : int64_t(arguments.split_bytes)});
}

Result<Job> PlanRefresh(const OpenedJobs& opened, const Arguments& arguments) {
  std::vector<std::string> incremental;
  for (const std::string& name : arguments.incremental) {
    const std::string table = catalog::ToString(PK_TRY(catalog::ParseTableName(name)));
    const bool is_new =
        std::find(incremental.begin(), incremental.end(), table) == incremental.end();
    if (is_new) incremental.push_back(table);
  }
  return jobs::PlanRefresh(opened.parts, {.sql = PK_TRY(QueryOf(arguments)),
                                          .into = arguments.into,
                                          .name = arguments.name,
                                          .incremental = std::move(incremental),
                                          .keep = arguments.keep,
                                          .partial_aggregates = arguments.partial_aggregates});
}

Result<Job> PlanCompact(const OpenedJobs& opened, const Arguments& arguments) {
  jobs::CompactRequest request{.table = arguments.into,
                               .target_file_bytes = int64_t(arguments.target_bytes),
                               .min_input_files = arguments.min_files,
                               .filter = iceberg::True{}};
  if (!arguments.where.empty()) {
    request.filter = PK_TRY(iceberg::ParseExpression(arguments.where).With("--where"));
  }
  return jobs::PlanCompact(opened.parts, request);
}

using Planner = Result<Job> (*)(const OpenedJobs&, const Arguments&);

// Before anything is made.
Result<> CheckOptions(const Arguments& arguments) {
  const bool standing = arguments.follow || arguments.keep;
  PK_CHECK(
      !arguments.wait || !standing,
      InvalidArgument("--wait: the job is there until it is cancelled; watch it with parkeeper "
                      "job show"));
  PK_CHECK(arguments.settled_seconds >= 0, InvalidArgument("--settled must not be negative"));
  if (arguments.table.create) PK_TRY(AbsolutePaths(arguments.files.files));
  return {};
}

Result<> Submit(const Global& global, const Arguments& arguments, Planner plan) {
  PK_TRY(CheckOptions(arguments));
  OpenedJobs opened = PK_TRY(OpenJobs(global, !arguments.table.create));
  Job job = PK_TRY(plan(opened, arguments));
  if (job.parts.empty()) {
    if (global.json) return PrintJson(bj::object{{"job", nullptr}, {"tasks", 0}});
    return Print(fmt::format("table {} needs no compaction", job.table));
  }
  job.queue = arguments.queue;
  job.most_failures = arguments.attempts;
  job.within = std::chrono::seconds(arguments.timeout_seconds);
  job = PK_TRY(opened.jobs.Submit(std::move(job)));
  if (arguments.wait) return AwaitAndShow(global, opened, job.id, false);
  if (global.json) return PrintJson(StatusJson({.job = job, .left = job.tasks()}));
  if (job.standing()) {
    return Print(fmt::format("job {} in queue {}: until parkeeper job cancel {}", job.id.ToString(),
                             job.queue, job.id.ToString()));
  }
  return Print(
      fmt::format("job {}: {} tasks in queue {}", job.id.ToString(), job.tasks(), job.queue));
}

class Verbs {
 public:
  Verbs(CLI::App& submit, const Global& global, Action& chosen)
      : submit_(submit), global_(global), chosen_(chosen) {}

  void AddIngest() {
    CLI::App& ingest =
        Add("ingest", "put files into a table, each once, however often it is submitted",
            "Examples:\n"
            "  parkeeper job submit ingest 'data/*.parquet' --into sales.orders\n"
            "  parkeeper job submit ingest lines/*.csv --into sales.lines --create --delimiter ';' "
            "--wait\n"
            "  parkeeper job submit ingest 'incoming/*.parquet' --into sales.orders --follow\n"
            "The workers must find the files under the same paths.",
            PlanIngest);
    arguments_->files.AddTo(ingest);
    ingest.add_option("--into", arguments_->into, "the table")->required();
    arguments_->table.AddTo(ingest);
    ingest.add_flag("--follow", arguments_->follow,
                    "files that come later too, until the job is cancelled");
    ingest.add_option("--settled", arguments_->settled_seconds,
                      "with --follow: seconds that a file must not have been modified for");
  }

  void AddTransform() {
    CLI::App& transform =
        Add("transform", "put the rows of a query into a table",
            "Examples:\n"
            "  parkeeper job submit transform 'select * from raw.orders where id > 0' --into "
            "clean.orders\n"
            "  parkeeper job submit transform @report.sql --into sales.report --overwrite --wait\n"
            "The query reads its tables as they are now. Where it allows that, it runs split by "
            "split.",
            PlanTransform);
    AddQuery(transform);
    transform.add_flag("--overwrite", arguments_->overwrite, "instead of the rows of the table");
    transform.add_flag("--at-once", arguments_->at_once,
                       "all splits are committed together, or none");
    transform.add_flag("--whole", arguments_->whole, "do not split");
    transform.add_option("--split-size", arguments_->split_bytes, "bytes of files in a split")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::PositiveNumber);
  }

  void AddRefresh() {
    CLI::App& refresh =
        Add("refresh", "append the rows that a query has because of new rows in its tables",
            "Examples:\n"
            "  parkeeper job submit refresh 'select id, total from raw.orders' --into clean.orders "
            "--keep\n"
            "  parkeeper job submit refresh @revenue.sql --into sales.revenue "
            "--partial-aggregates\n"
            "How far the tables were read is a property of the one that is written to.",
            PlanRefresh);
    AddQuery(refresh);
    refresh.add_flag("--keep", arguments_->keep, "whenever rows come, until the job is cancelled");
    refresh.add_option("--name", arguments_->name,
                       "of the position, when several refresh one table");
    refresh
        .add_option("--incremental", arguments_->incremental,
                    "tables whose new rows count; all when not given")
        ->delimiter(',');
    refresh.add_flag("--partial-aggregates", arguments_->partial_aggregates,
                     "of each run append the aggregates of its new rows, to be aggregated again");
  }

  void AddCompact() {
    CLI::App& compact = Add("compact", "rewrite small files into larger ones",
                            "Example:\n"
                            "  parkeeper job submit compact sales.orders --target-size 256M --wait",
                            PlanCompact);
    compact.add_option("table", arguments_->into, "the table")->required();
    compact.add_option("--target-size", arguments_->target_bytes, "of files; as the table says")
        ->transform(CLI::AsSizeValue(false));
    compact.add_option("--min-files", arguments_->min_files,
                       "small files that are worth rewriting together");
    compact.add_option("--where", arguments_->where, "only files that may hold such rows");
  }

 private:
  CLI::App& Add(const char* name, const char* what, const char* footer, Planner plan) {
    CLI::App* verb = submit_.add_subcommand(name, what);
    verb->fallthrough();
    verb->footer(footer);
    verb->add_option("--queue", arguments_->queue, "that its workers serve");
    verb->add_option("--attempts", arguments_->attempts, "before a task is a dead letter");
    verb->add_option("--timeout", arguments_->timeout_seconds, "seconds that one attempt may take");
    verb->add_flag("--wait", arguments_->wait, "until it is over; exit code 5 when tasks are dead");
    verb->callback([&chosen = chosen_, &global = global_, arguments = arguments_, plan] {
      chosen = [&global, arguments, plan] { return Submit(global, *arguments, plan); };
    });
    return *verb;
  }

  void AddQuery(CLI::App& verb) {
    verb.add_option("query", arguments_->sql, "SQL as of parkeeper sql, or @FILE")->required();
    verb.add_option("--into", arguments_->into, "the table")->required();
  }

  CLI::App& submit_;
  const Global& global_;
  Action& chosen_;
  const std::shared_ptr<Arguments> arguments_ = std::make_shared<Arguments>();
};

}  // namespace

void AddJobSubmit(CLI::App& job, const Global& global, Action& chosen) {
  CLI::App* submit = job.add_subcommand("submit", "submit a job");
  submit->fallthrough();
  submit->require_subcommand(1);
  submit->footer(
      "Example:\n  parkeeper job submit ingest 'data/*.parquet' --into sales.orders --wait");
  Verbs verbs(*submit, global, chosen);
  verbs.AddIngest();
  verbs.AddTransform();
  verbs.AddRefresh();
  verbs.AddCompact();
}

}  // namespace pk::cli
