// One writer of the benches `commits`, `compact` and `external`: appends the same rows to one
// table, a file and a commit each, for some seconds, and says what became of each.
//
//   bench_commit_writer LAKE TABLE ROWS.parquet SECONDS [WRITE_LATENCY_MS [external]]
//
// With `external` its commits are those of engines that bring their own snapshot
// (external_commit.h).
//
// Says "ready", begins at a line on its standard input, ends at another one or when the time is
// over, then prints one line of JSON and keeps its session until the input ends, so that the end of
// no session falls into what is measured.

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "bench/external_commit.h"
#include "parkeeper/datafile/input.h"
#include "parkeeper/lake/lake.h"
#include "parkeeper/storage/faulty.h"

namespace pk::bench {
namespace {

namespace bj = boost::json;

struct Arguments {
  std::string lake_url;
  std::string table;  // "namespace.name"
  std::string rows;
  std::chrono::milliseconds duration{};
  std::chrono::milliseconds write_latency{};
  bool external = false;
};

Result<std::chrono::milliseconds> Milliseconds(const std::string& text, double unit) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  PK_CHECK(!text.empty() && *end == '\0' && number >= 0,
           InvalidArgument(fmt::format("'{}' is no duration", text)));
  return std::chrono::milliseconds(static_cast<int64_t>(number * unit));
}

Result<Arguments> Parse(const std::vector<std::string>& words) {
  PK_CHECK(words.size() >= 4 && words.size() <= 6 && (words.size() < 6 || words[5] == "external"),
           InvalidArgument("usage: bench_commit_writer LAKE TABLE ROWS.parquet SECONDS "
                           "[WRITE_LATENCY_MS [external]]"));
  Arguments arguments{.lake_url = words[0], .table = words[1], .rows = words[2]};
  arguments.duration = PK_TRY(Milliseconds(words[3], 1'000));
  if (words.size() >= 5) arguments.write_latency = PK_TRY(Milliseconds(words[4], 1));
  arguments.external = words.size() == 6;
  return arguments;
}

// An object store answers a write late, however small the file is.
std::unique_ptr<storage::Storage> Slowed(storage::Storage& inner, Duration latency) {
  return storage::MakeFaulty(inner, {.schedule = [latency](storage::Call call, std::string_view) {
                               if (call == storage::Call::kFinish) SystemClock().Wait(latency);
                               return storage::Fault::kNone;
                             }});
}

struct Tally {
  int64_t acknowledged = 0;
  int64_t in_time = 0;  // acknowledged before the time was over
  int64_t failed = 0;   // definitely not committed
  int64_t unknown = 0;
  double seconds = 0;  // until the last one was over
  std::map<std::string, int64_t> errors;
  bj::array latencies_ms;  // of the acknowledged
  ExternalCommits external;
};

// There is another line on the standard input, or it has ended.
bool IsStopped() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return poll(&input, 1, 0) > 0;
}

class Writer {
 public:
  static Result<Writer> Open(const Arguments& arguments) {
    lake::LakeOptions options{.must_exist = true};
    if (arguments.write_latency.count() > 0) {
      options.wrap_storage = [latency = arguments.write_latency](storage::Storage& inner) {
        return Slowed(inner, latency);
      };
    }
    Writer writer;
    writer.external_ = arguments.external;
    writer.lake_ = PK_TRY(lake::Lake::Open(arguments.lake_url, options));
    const auto name = PK_TRY(catalog::ParseTableName(arguments.table));
    writer.table_ = PK_TRY(writer.lake_->catalog().LoadTable(name));
    writer.schema_ = std::make_shared<const iceberg::Schema>(writer.table_.metadata->schema());
    auto source = PK_TRY(datafile::OpenInput(arguments.rows, writer.schema_));
    while (auto batch = PK_TRY(source->Next())) writer.rows_.push_back(*std::move(batch));
    return writer;
  }

  Tally Run(Duration duration) {
    const SteadyTime start = SystemClock().Now(), end = start + duration;
    for (SteadyTime begin = start; begin < end && !IsStopped(); begin = SystemClock().Now()) {
      Result<bool> done = external_ ? CommitOnce(end) : AppendOnce();
      const SteadyTime now = SystemClock().Now();
      tally_.seconds = std::chrono::duration<double>(now - start).count();
      if (done.ok() && !*done) break;
      if (!done.ok()) {
        const bool unknown = done.error().code() == ErrorCode::kOutcomeUnknown;
        ++(unknown ? tally_.unknown : tally_.failed);
        ++tally_.errors[done.error().ToString()];
        continue;
      }
      ++tally_.acknowledged;
      tally_.in_time += now <= end ? 1 : 0;
      tally_.latencies_ms.push_back(std::chrono::duration<double, std::milli>(now - begin).count());
    }
    return std::move(tally_);
  }

 private:
  // The rows, once.
  table::NextSource Rows() {
    return [this, given = false]() mutable -> Result<std::unique_ptr<datafile::BatchSource>> {
      if (std::exchange(given, true)) return std::unique_ptr<datafile::BatchSource>();
      return datafile::SourceOf(*schema_, rows_);
    };
  }

  Result<bool> AppendOnce() {
    PK_TRY(lake::Append(*lake_, table_, Rows(), {.writers = 1}));
    return true;
  }

  // False: it was rejected until the time was over.
  Result<bool> CommitOnce(SteadyTime end) {
    const auto files =
        PK_TRY(table::WriteDataFiles(lake_->storage(), *table_.metadata, Rows(), {.writers = 1}));
    return CommitAsExternal(*lake_, table_.name, files, end, tally_.external);
  }

  bool external_ = false;
  std::unique_ptr<lake::Lake> lake_;
  catalog::LoadedTable table_;
  std::shared_ptr<const iceberg::Schema> schema_;
  std::vector<datafile::Batch> rows_;
  Tally tally_;
};

std::string ToJson(const Tally& tally) {
  bj::object errors;
  for (const auto& [what, count] : tally.errors) errors[what] = count;
  return bj::serialize(bj::object{{"acknowledged", tally.acknowledged},
                                  {"in_time", tally.in_time},
                                  {"failed", tally.failed},
                                  {"unknown", tally.unknown},
                                  {"seconds", tally.seconds},
                                  {"attempts", tally.external.attempts},
                                  {"conflicts", tally.external.conflicts},
                                  {"errors", errors},
                                  {"latencies_ms", tally.latencies_ms}});
}

Result<> Run(const std::vector<std::string>& words) {
  const Arguments arguments = PK_TRY(Parse(words));
  Writer writer = PK_TRY(Writer::Open(arguments));
  std::cout << "ready" << std::endl;
  std::string line;
  PK_CHECK(bool(std::getline(std::cin, line)), Cancelled("the input ended before the start"));
  std::cout << ToJson(writer.Run(arguments.duration)) << std::endl;
  while (std::getline(std::cin, line)) {
  }
  return {};
}

}  // namespace
}  // namespace pk::bench

int main(int count, char** words) {
  const pk::Result<> done = pk::bench::Run({words + 1, words + count});
  if (!done.ok()) std::cerr << "bench_commit_writer: " << done.error().ToString() << std::endl;
  return done.ok() ? 0 : 1;
}
