// The main job in a minute, without anything but this binary: writers in processes of their own,
// one of them killed, and the table held against the input. Each step is a command that the reader
// can type.

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "apps/parkeeper/child.h"
#include "apps/parkeeper/command.h"
#include "parkeeper/base/json.h"

namespace pk::cli {
namespace {

namespace fs = std::filesystem;
namespace bj = boost::json;

constexpr const char* kTable = "demo.orders";
constexpr const char* kSchema =
    "order_id bigint not null, ordered date, customer string, product string, quantity int, "
    "price decimal(9,2)";
constexpr const char* kWhere =
    "ordered between date '2025-03-03' and date '2025-03-09' and quantity > 45";
constexpr const char* kHeader = "order_id,ordered,customer,product,quantity,price\n";
constexpr int kWriters = 4;
constexpr int kPieces = 16;
constexpr int kFilesBeforeTheKill = 12;

// Rows, and a sum over them of a hash of each row's text: the same in whatever order they come.
struct Fingerprint {
  int64_t rows = 0;
  uint64_t sum = 0;

  void Add(std::string_view line) {
    ++rows;
    sum += std::hash<std::string_view>()(line);
  }
  bool operator==(const Fingerprint&) const = default;
};

std::string OrderLine(int64_t id, std::mt19937_64& random) {
  static constexpr const char* kProducts[] = {"lamp", "Ångström rule", "chair", "kettle", "tent"};
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const auto month = random() % 12;
  return fmt::format("{},2025-{:02}-{:02},customer-{:05},{},{},{}.{:02}", id, month + 1,
                     1 + random() % uint64_t(kDays[month]), random() % 50'000,
                     kProducts[random() % 5], 1 + random() % 50, 1 + random() % 999,
                     random() % 100);
}

struct Demo {
  const Global& global;
  std::string lake;
  fs::path input;
  int64_t rows_wanted;
  std::vector<std::string> pieces;
  Fingerprint written;
};

std::vector<std::string> OnLake(const Demo& demo, std::vector<std::string> words) {
  words.insert(words.begin(), {"--lake", demo.lake, "--quiet"});
  return words;
}

// What a reader would type for it.
std::string Typed(const std::vector<std::string>& words) {
  std::string text = "   $ parkeeper";
  for (const std::string& word : words) {
    const bool plain = word.find_first_of(" '()*<>") == std::string::npos;
    text += plain ? " " + word : " \"" + word + "\"";
  }
  return text;
}

Result<std::string> RunShown(const Demo& demo, const std::vector<std::string>& words,
                             bool shown = true) {
  if (shown) PK_TRY(Print(Typed(words)));
  PK_CHECK(!demo.global.stop.stop_requested(), Error(ErrorCode::kCancelled, "stopped"));
  Child child = PK_TRY(Child::Start(OnLake(demo, words)));
  Finished finished = PK_TRY(child.Wait());
  PK_CHECK(finished.exit_code == 0,
           Internal(fmt::format("the step ended with {}: {}", finished.exit_code, finished.err)));
  return std::move(finished.out);
}

Result<bj::value> RunJson(const Demo& demo, std::vector<std::string> words) {
  words.emplace_back("--json");
  return json::Parse(PK_TRY(RunShown(demo, words, false)));
}

std::string Indented(std::string_view text) {
  std::string lines = "   ";
  for (const char c : text) lines += c == '\n' ? std::string("\n   ") : std::string(1, c);
  return lines.substr(0, lines.find_last_not_of(" \n") + 1);
}

Result<> WriteInput(Demo& demo) {
  PK_TRY(Print(fmt::format("1. Writing {} order lines as {} CSV files in {}", demo.rows_wanted,
                           kPieces, demo.input.string())));
  std::mt19937_64 random(1);  // the same rows each time
  for (int piece = 0; piece < kPieces; ++piece) {
    const fs::path path = demo.input / fmt::format("orders-{:02}.csv", piece);
    std::ofstream file(path);
    file << kHeader;
    for (int64_t id = piece; id < demo.rows_wanted; id += kPieces) {
      const std::string line = OrderLine(id, random);
      demo.written.Add(line);
      file << line << '\n';
    }
    PK_CHECK(file.flush(), Unavailable(fmt::format("cannot write {}", path.string())));
    demo.pieces.push_back(path.string());
  }
  return {};
}

Result<int64_t> DataFiles(lake::Lake& lake) {
  int64_t count = 0;
  PK_TRY(
      lake.storage().List(lake.storage().root(), [&](const storage::FileStatus& file) -> Result<> {
        count += file.location.ends_with(".parquet");
        return {};
      }));
  return count;
}

Result<Child> StartWriter(const Demo& demo, int writer) {
  std::vector<std::string> words = {"import"};
  for (size_t i = size_t(writer); i < demo.pieces.size(); i += kWriters) {
    words.push_back(demo.pieces[i]);
  }
  words.insert(words.end(), {"--into", kTable, "--writers", "1"});
  return Child::Start(OnLake(demo, words));
}

Result<> Report(Child& writer) {
  const Finished finished = PK_TRY(writer.Wait());
  PK_CHECK(finished.exit_code == 0, Internal("a writer failed: " + finished.err));
  return Print(Indented(finished.out));
}

Result<> Import(Demo& demo) {
  PK_TRY(Print(fmt::format(
      "2. {} writer processes import them at once; one is killed with -9 on the way", kWriters)));
  PK_TRY(RunShown(demo, {"namespace", "create", "demo"}));
  PK_TRY(RunShown(
      demo, {"table", "create", kTable, "--schema", kSchema, "--partition-by", "month(ordered)"}));
  PK_TRY(Print(Typed({"import", (demo.input / "*.csv").string(), "--into", kTable}) +
               "   (each process a quarter of the files)"));
  std::vector<Child> writers;
  for (int i = 0; i < kWriters; ++i) writers.push_back(PK_TRY(StartWriter(demo, i)));
  const auto lake = PK_TRY(lake::Lake::Open(demo.lake, {.must_exist = true}));
  while (writers[0].running() && PK_TRY(DataFiles(*lake)) < kFilesBeforeTheKill) {
    PK_CHECK(SystemClock().Wait(std::chrono::milliseconds(2), demo.global.stop),
             Error(ErrorCode::kCancelled, "stopped"));
  }
  writers[0].Kill();
  for (int i = 1; i < kWriters; ++i) PK_TRY(Report(writers[size_t(i)]));
  const Finished victim = PK_TRY(writers[0].Wait());
  if (victim.signal != SIGKILL) return Print("   the first was done before it could be killed");
  PK_TRY(Print("   the first was killed: none of its rows is in the table; once more, its files:"));
  Child again = PK_TRY(StartWriter(demo, 0));
  return Report(again);
}

Result<> CompareRows(const Demo& demo) {
  PK_TRY(Print("3. Is every row there, once?"));
  const std::string all = (demo.input / "all.csv").string();
  PK_TRY(RunShown(demo, {"scan", kTable, "--format", "csv", "--output", all}));
  Fingerprint found;
  std::ifstream file(all);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) found.Add(line);
  PK_TRY(Print(fmt::format("   input {} rows, checksum {:016x}\n   table {} rows, checksum {:016x}",
                           demo.written.rows, demo.written.sum, found.rows, found.sum)));
  PK_CHECK(found == demo.written, Internal("THE TABLE IS NOT THE INPUT"));
  return {};
}

Result<> LookAround(const Demo& demo) {
  PK_TRY(Print("4. A selective scan opens only what can match"));
  PK_TRY(Print(Indented(PK_TRY(RunShown(demo, {"scan", kTable, "--where", kWhere, "--explain"})))));
  PK_TRY(Print(
      Indented("rows: " + PK_TRY(RunShown(demo, {"scan", kTable, "--where", kWhere, "--count"})))));
  PK_TRY(Print("5. Time travel to the first snapshot"));
  const bj::value history = PK_TRY(RunJson(demo, {"history", kTable}));
  const bj::array& snapshots = history.at("snapshots").as_array();
  const std::string first = bj::serialize(snapshots.at(0).at("snapshot-id"));
  const std::string count = PK_TRY(RunShown(demo, {"scan", kTable, "--as-of", first, "--count"}));
  PK_TRY(Print(
      fmt::format("{} rows then; {} snapshots since", Indented(count), snapshots.size() - 1)));
  PK_TRY(Print("6. Is everything that the lake points to there?"));
  return Print(Indented(PK_TRY(RunShown(demo, {"doctor", "--deep"}))));
}

Result<> Run(const Global& global, int64_t rows) {
  const SteadyTime began = SystemClock().Now();
  std::string folder = (fs::temp_directory_path() / "parkeeper-demo-XXXXXX").string();
  PK_CHECK(mkdtemp(folder.data()) != nullptr,
           Unavailable(fmt::format("cannot make a folder like {}", folder)));
  const std::unique_ptr<std::string, void (*)(std::string*)> removed(
      &folder, [](std::string* path) {
        std::error_code ignored;
        fs::remove_all(*path, ignored);
      });
  Demo demo{.global = global,
            .lake = global.lake_url.empty() ? folder + "/lake" : global.lake_url,
            .input = fs::path(folder),
            .rows_wanted = rows,
            .pieces = {},
            .written = {}};
  PK_TRY(WriteInput(demo));
  PK_TRY(Import(demo));
  PK_TRY(CompareRows(demo));
  PK_TRY(LookAround(demo));
  const double seconds = std::chrono::duration<double>(SystemClock().Now() - began).count();
  PK_TRY(
      Print(fmt::format("Done in {:.1f} s: {} rows by {} processes, one killed, exact to the row.",
                        seconds, demo.written.rows, kWriters)));
  return global.lake_url.empty()
             ? Result<>()
             : Print(fmt::format("The lake stays: parkeeper --lake {} scan {} --limit 5",
                                 global.lake_url, kTable));
}

}  // namespace

void AddDemoCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto rows = std::make_shared<int64_t>(400'000);
  CLI::App* command = app.add_subcommand(
      "demo", "see it work: four writers, one of them killed, and every row there once");
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  parkeeper demo                      in a folder of its own, removed afterwards\n"
      "  parkeeper --lake ./lake demo        the lake stays, to look around in");
  command->add_option("--rows", *rows, "to write and import")
      ->check(CLI::Range(int64_t{1'000}, int64_t{1'000'000'000}));
  command->callback(
      [&chosen, &global, rows] { chosen = [&global, rows] { return Run(global, *rows); }; });
}

}  // namespace pk::cli
