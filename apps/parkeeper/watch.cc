#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

#include "apps/parkeeper/command.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;
using catalog::Feed;
using catalog::FeedChange;
using catalog::FeedStart;

// How long a coordinator or storage may be out of reach before the user is told; the wait goes on.
constexpr std::chrono::seconds kTellAfter{10};

struct Arguments {
  std::string name, from;
  int64_t limit = 0;  // versions; 0: until Ctrl-C
};

Result<FeedStart> StartOf(const std::string& text) {
  if (text.empty()) return FeedStart(catalog::FromNow{});
  if (text == "start") return FeedStart(catalog::FromStart{});
  int64_t id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  PK_CHECK(failure == std::errc() && end == text.data() + text.size(),
           InvalidArgument(fmt::format("--from is a snapshot id or 'start': '{}'", text)));
  return FeedStart(catalog::AfterSnapshot{id});
}

bj::object SnapshotJson(const iceberg::Snapshot& snapshot) {
  bj::object summary;
  for (const auto& [what, value] : snapshot.summary) summary[what] = value;
  bj::object object{{"snapshot-id", snapshot.snapshot_id}};
  if (snapshot.parent_id) object["parent-snapshot-id"] = *snapshot.parent_id;
  object["timestamp-ms"] = snapshot.timestamp_ms;
  object["summary"] = std::move(summary);
  return object;
}

bj::object ChangeJson(const FeedChange& change) {
  bj::object object{{"version", change.version},
                    {"time-ms", change.time_ms},
                    {"metadata-location", change.metadata_location}};
  if (change.snapshot_id) object["snapshot-id"] = *change.snapshot_id;
  bj::array snapshots;
  for (const auto& snapshot : change.snapshots) snapshots.push_back(SnapshotJson(*snapshot));
  object["snapshots"] = std::move(snapshots);
  bj::array commits;
  for (const Uuid& id : change.commits) commits.emplace_back(id.ToString());
  object["commits"] = std::move(commits);
  object["condensed"] = change.condensed;
  object["rewound"] = change.rewound;
  object["dropped"] = change.dropped;
  return object;
}

std::string SnapshotText(const FeedChange& change, const iceberg::Snapshot& snapshot) {
  const auto summary = [&](const char* what) {
    const auto found = snapshot.summary.find(what);
    return found == snapshot.summary.end() ? std::string() : found->second;
  };
  // Those that were there already have their own times.
  std::string text = fmt::format("{}  version {}  snapshot {}",
                                 Time(change.condensed ? snapshot.timestamp_ms : change.time_ms),
                                 change.version, snapshot.snapshot_id);
  if (const auto what = summary("operation"); !what.empty()) text += "  " + what;
  if (const auto rows = summary("added-records"); !rows.empty()) text += "  +" + rows + " rows";
  if (const auto rows = summary("deleted-records"); !rows.empty()) text += "  -" + rows + " rows";
  if (const auto rows = summary("total-records"); !rows.empty()) text += "  total " + rows;
  return text;
}

// A line for each snapshot; one for a version that changed something else.
Result<> PrintChange(const Global& global, const FeedChange& change) {
  if (global.json) return Print(bj::serialize(ChangeJson(change)));
  const std::string when = fmt::format("{}  version {}", Time(change.time_ms), change.version);
  if (change.rewound) {
    const std::string now =
        change.snapshot_id ? fmt::format("at snapshot {}", *change.snapshot_id) : "without rows";
    PK_TRY(Print(fmt::format("{}  rolled back or replaced, now {}", when, now)));
  }
  for (const auto& snapshot : change.snapshots) PK_TRY(Print(SnapshotText(change, *snapshot)));
  if (change.dropped) return Print(when + "  dropped");
  if (!change.rewound && change.snapshots.empty()) return Print(when + "  new metadata, same rows");
  return {};
}

class Follower {
 public:
  Follower(const Global& global, const Arguments& arguments)
      : global_(global), arguments_(arguments) {}

  Result<> Run(Feed& feed) {
    for (int64_t told = 0; arguments_.limit == 0 || told < arguments_.limit;) {
      auto change = feed.Next(SystemClock().Now() + kTellAfter, global_.stop);
      if (!change.ok() && change.error().code() == ErrorCode::kUnavailable) {
        TellAway(change.error());
        continue;
      }
      PK_CHECK(change.ok() || change.error().code() != ErrorCode::kCancelled,
               Cancelled("the watch was stopped"));
      const std::optional<FeedChange> next = PK_TRY(std::move(change).With(arguments_.name));
      away_ = false;
      if (!next) continue;
      // Commits that were rejected, and renames.
      if (!next->has_new_metadata && !next->dropped) continue;
      PK_TRY(PrintChange(global_, *next));
      ++told;
      if (next->dropped) return TellEnd();
    }
    return {};
  }

 private:
  void TellAway(const Error& error) {
    if (!away_ && !global_.quiet) {
      fmt::print(stderr, "parkeeper: waiting, nothing will be missed: {}\n", error.message());
    }
    away_ = true;
  }

  Result<> TellEnd() const {
    if (!global_.quiet) {
      fmt::print(stderr, "the table {} was dropped: nothing more will come\n", arguments_.name);
    }
    return {};
  }

  const Global& global_;
  const Arguments& arguments_;
  bool away_ = false;
};

Result<> Run(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.name));
  const FeedStart start = PK_TRY(StartOf(arguments.from));
  const auto lake = PK_TRY(global.OpenLake());
  const auto table = PK_TRY(lake->catalog().LoadTable(name));
  const auto feed = PK_TRY(lake->catalog().Follow(table.key, start).With(arguments.name));
  if (!global.quiet) {
    fmt::print(stderr, "watching {} at version {}; Ctrl-C ends it\n", arguments.name,
               feed->version());
  }
  return Follower(global, arguments).Run(*feed);
}

}  // namespace

void AddWatchCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("watch", "a line for each commit to a table, as it happens");
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  parkeeper watch sales.orders\n"
      "  parkeeper watch sales.orders --from start --json\n"
      "  parkeeper watch sales.orders --from 4311223344556677 --limit 1 --json\n"
      "No commit is missed or told twice, also when servers die and come back; a rename changes\n"
      "nothing. Rows of a snapshot that was told: parkeeper scan sales.orders --from ... --to ...");
  command->add_option("name", arguments->name, "the table")->required();
  command->add_option("--from", arguments->from,
                      "a snapshot id, to begin after it, or 'start'; now when not given");
  command->add_option("--limit", arguments->limit, "end after so many versions")
      ->check(CLI::PositiveNumber);
  command->callback([&chosen, &global, arguments] {
    chosen = [&global, arguments] { return Run(global, *arguments); };
  });
}

}  // namespace pk::cli
