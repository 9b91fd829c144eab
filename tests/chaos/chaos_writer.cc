// One writer of the chaos test: appends small files and reads the table again and again, and writes
// down every invocation and every result (history_file.h), until SIGTERM or whatever kills it.
//
//   chaos_writer write LAKE TABLE FOLDER WRITER ROWS SEED
//   chaos_writer ask LAKE TABLE FOLDER WRITER TWIN
//
// `write` begun again goes on where it ended: first it asks what became of the append that it had
// on its way. `ask` only does that, beside a writer that stands still, and writes its own history.

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>

#include <atomic>
#include <charconv>
#include <filesystem>
#include <iostream>

#include "parkeeper/datafile/input.h"
#include "parkeeper/lake/lake.h"
#include "tests/chaos/commit_file.h"
#include "tests/chaos/history_file.h"

namespace pk::chaos {
namespace {

namespace bj = boost::json;
using coordination::Coordinator;

std::atomic<bool> stopping{false};

struct Arguments {
  std::string lake_url;
  std::string table;
  std::string folder;
  int64_t writer = 0;
  int64_t rows = 0;
  uint64_t seed = 0;
};

template <class Number>
Result<Number> ParseNumber(const std::string& text) {
  Number number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size(),
           InvalidArgument(fmt::format("'{}' is no number", text)));
  return number;
}

// Until `attempt` is there or the servers are away for too long.
template <class Attempt>
auto Insist(Attempt attempt) -> decltype(attempt()) {
  for (int i = 0;; ++i) {
    auto result = attempt();
    const bool again = !result.ok() && (result.error().code() == ErrorCode::kUnavailable ||
                                        result.error().code() == ErrorCode::kOutcomeUnknown);
    if (!again || stopping || i == 100) return result;
    SystemClock().Wait(std::chrono::milliseconds(200));
  }
}

class ChaosWriter {
 public:
  static Result<std::unique_ptr<ChaosWriter>> Open(Arguments arguments,
                                                   const std::string& history) {
    auto lake = PK_TRY(Insist([&] { return lake::Lake::Open(arguments.lake_url); }));
    const auto name = PK_TRY(catalog::ParseTableName(arguments.table));
    auto table = PK_TRY(Insist([&] { return lake->catalog().LoadTable(name); }));
    return std::unique_ptr<ChaosWriter>(
        new ChaosWriter(std::move(arguments), history, std::move(lake), std::move(table)));
  }

  Result<> Write(const Past& past) {
    number_ = past.last_number;
    if (past.open) PK_TRY(AskAgain(*past.open));
    while (!stopping) {
      NoteSession();
      if (Chance(15)) {
        Read();
      } else {
        PK_TRY(AppendOnce());
      }
      SystemClock().Wait(std::chrono::milliseconds(random_.Random64() % 40));
    }
    return {};
  }

  // Once; the outcome may stay unknown.
  Result<> Ask(const Invocation& invocation) {
    NoteSession();
    const iceberg::TableCommit commit = PK_TRY(LoadCommit(arguments_.folder, invocation.id));
    Commit(commit, invocation, catalog::CommitId::kMaybeRepeated);
    return {};
  }

 private:
  ChaosWriter(Arguments arguments, const std::string& history, std::unique_ptr<lake::Lake> lake,
              catalog::LoadedTable table)
      : arguments_(std::move(arguments)),
        history_(history),
        random_(arguments_.seed),
        lake_(std::move(lake)),
        table_(std::move(table)) {}

  bool Chance(uint64_t percent) { return random_.Random64() % 100 < percent; }

  // Tells whose lease is whose, to who kills on purpose.
  void NoteSession() {
    const auto session = lake_->sessions().Get();
    if (!session.ok() || (*session)->session().id() == session_) return;
    session_ = (*session)->session().id();
    history_.Add({{"event", "session"}, {"session", fmt::format("{:x}", session_)}});
  }

  Result<table::AppendedFiles> WriteRows() {
    const std::string path = fmt::format("{}/rows-{}.jsonl", arguments_.folder, arguments_.writer);
    std::ofstream stream(path, std::ios::trunc);
    for (int64_t row = 0; row < arguments_.rows; ++row) {
      stream << fmt::format("{{\"writer\":{},\"number\":{},\"row\":{}}}\n", arguments_.writer,
                            number_, row);
    }
    stream.close();
    const auto schema = std::make_shared<const iceberg::Schema>(table_.metadata->schema());
    bool given = false;
    const table::NextSource next = [&]() -> Result<std::unique_ptr<datafile::BatchSource>> {
      if (std::exchange(given, true)) return std::unique_ptr<datafile::BatchSource>();
      return datafile::OpenInput(path, schema);
    };
    return table::WriteDataFiles(lake_->storage(), *table_.metadata, next, {.writers = 1});
  }

  Result<> AppendOnce() {
    ++number_;
    iceberg::TableCommit commit =
        table::MakeAppendCommit(PK_TRY(WriteRows()), *table_.metadata, SystemClock());
    auto& files = std::get<iceberg::AppendFiles>(commit.change).files;
    PK_CHECK(files.size() == 1, Internal("an append of one file was expected"));
    const Invocation invocation{.number = number_,
                                .id = commit.id,
                                .file = files.front().location,
                                .doomed = Chance(8),
                                .repeated = Chance(50)};
    if (invocation.doomed) files.front().spec_id = 99;
    PK_TRY(SaveCommit(arguments_.folder, commit));
    const auto id =
        invocation.repeated ? catalog::CommitId::kMaybeRepeated : catalog::CommitId::kNew;
    if (!Commit(commit, invocation, id) && Chance(80)) PK_TRY(AskAgain(invocation));
    return {};
  }

  // As often as it may take, within reason.
  Result<> AskAgain(const Invocation& invocation) {
    const iceberg::TableCommit commit = PK_TRY(LoadCommit(arguments_.folder, invocation.id));
    for (int i = 0; i < 3; ++i) {
      if (Commit(commit, invocation, catalog::CommitId::kMaybeRepeated)) break;
    }
    return {};
  }

  // False when the outcome is unknown.
  bool Commit(const iceberg::TableCommit& commit, const Invocation& invocation,
              catalog::CommitId id) {
    const int64_t begin = NowNs();
    history_.Add({{"event", "append"},
                  {"t", begin},
                  {"writer", arguments_.writer},
                  {"number", invocation.number},
                  {"id", invocation.id.ToString()},
                  {"file", invocation.file},
                  {"doomed", invocation.doomed},
                  {"repeated", id == catalog::CommitId::kMaybeRepeated}});
    const Result<catalog::CommitResult> result = lake_->catalog().Commit(table_.key, commit, id);
    const int64_t end = NowNs();
    bj::object event{{"event", "appended"}, {"t", end}, {"id", invocation.id.ToString()}};
    bool known = true;
    if (!result.ok()) {
      known = result.error().code() != ErrorCode::kOutcomeUnknown;
      event["outcome"] = known ? "failed" : "unknown";
      event["reason"] = result.error().ToString();
    } else if (const auto* rejected = std::get_if<catalog::Rejected>(&*result)) {
      event["outcome"] = "rejected";
      event["reason"] = rejected->reason;
    } else {
      const auto& committed = std::get<catalog::Committed>(*result);
      event["outcome"] = "committed";
      event["version"] = committed.table.version;
      event["metadata"] = committed.table.metadata_location;
      if (committed.snapshot_id) event["snapshot"] = *committed.snapshot_id;
    }
    history_.Add(event);
    return known;
  }

  // The table as a linearizable read gives it: a write barrier comes first, in the same session.
  void Read() {
    history_.Add({{"event", "read"}, {"t", NowNs()}, {"writer", arguments_.writer}});
    bj::object event = ReadBehindBarrier();
    event["t"] = NowNs();
    history_.Add(event);
  }

  bj::object ReadBehindBarrier() {
    bj::object nothing{{"event", "had-read"}, {"outcome", "nothing"}};
    const auto session = lake_->sessions().Get();
    if (!session.ok() || !(*session)->Commit({}).ok()) return nothing;
    const auto loaded = lake_->catalog().LoadTable(table_.name);
    const auto session_after = lake_->sessions().Get();
    // Another session may be at a server that is behind the barrier.
    if (!loaded.ok() || !session_after.ok() || *session_after != *session) return nothing;
    bj::object event{{"event", "had-read"},
                     {"outcome", "read"},
                     {"version", loaded->version},
                     {"metadata", loaded->metadata_location}};
    const auto snapshot = loaded->metadata->current_snapshot();
    if (snapshot != nullptr) event["snapshot"] = snapshot->snapshot_id;
    return event;
  }

  const Arguments arguments_;
  HistoryFile history_;
  SeededIds random_;
  const std::unique_ptr<lake::Lake> lake_;
  const catalog::LoadedTable table_;
  uint64_t session_ = 0;
  int64_t number_ = 0;
};

Result<> Run(const std::vector<std::string>& words) {
  const bool write = words.size() == 7 && words[0] == "write";
  PK_CHECK(write || (words.size() == 6 && words[0] == "ask"),
           InvalidArgument("usage: chaos_writer write LAKE TABLE FOLDER WRITER ROWS SEED, or ask "
                           "LAKE TABLE FOLDER WRITER TWIN"));
  Arguments arguments{.lake_url = words[1], .table = words[2], .folder = words[3]};
  arguments.writer = PK_TRY(ParseNumber<int64_t>(words[4]));
  const std::string own = fmt::format("{}/writer-{}.history", words[3], words[4]);
  const Past past = PK_TRY(ReadPast(own));
  if (!write) {
    PK_CHECK(past.open.has_value(), NotFound("the writer has nothing on its way"));
    // Of an id that only this call of the writer knows nobody may ask while it lives.
    PK_CHECK(past.open->repeated, FailedPrecondition("the writer's commit id is its own still"));
    return PK_TRY(
               ChaosWriter::Open(arguments, fmt::format("{}/twin-{}.history", words[3], words[5])))
        ->Ask(*past.open);
  }
  arguments.rows = PK_TRY(ParseNumber<int64_t>(words[5]));
  arguments.seed = PK_TRY(ParseNumber<uint64_t>(words[6]));
  return PK_TRY(ChaosWriter::Open(arguments, own))->Write(past);
}

}  // namespace
}  // namespace pk::chaos

int main(int count, char** words) {
  // Nobody is to outlive the test.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGTERM, [](int) { pk::chaos::stopping = true; });
  const pk::Result<> done = pk::chaos::Run({words + 1, words + count});
  if (!done.ok()) std::cerr << "chaos_writer: " << done.error().ToString() << std::endl;
  return done.ok() ? 0 : 1;
}
