#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>
#include <iterator>
#include <map>

#include "apps/parkeeper/command.h"
#include "apps/parkeeper/node_text.h"
#include "parkeeper/coordination/path.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;
using coordination::Coordinator;
using coordination::CreateMode;
using coordination::Node;
using coordination::NodeStat;

// How often a watch is asked at least; it wakes for changes and Ctrl-C by itself.
constexpr std::chrono::minutes kLookAgain{1};

struct Arguments {
  std::string path = "/";
  std::string value;
  bool from_input = false, raw = false, parents = false, sequential = false, ephemeral = false;
  bool recursive = false;
  int32_t version = coordination::kAnyVersion;
  int depth = 0;      // 0: all
  int64_t count = 0;  // of changes to wait for; 0: until Ctrl-C
};

// A coordinator of the lake and the path in it that the arguments name.
struct Opened {
  std::unique_ptr<Coordinator> coordinator;
  std::string path;
};

Result<Opened> Open(const Global& global, const Arguments& arguments, bool must_exist = true) {
  std::string path = arguments.path;
  if (!path.starts_with('/')) path.insert(0, "/");
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  PK_TRY(coordination::ValidatePath(path));
  auto coordinator = PK_TRY(lake::OpenCoordinator(global.lake_url, {.must_exist = must_exist}));
  // What was written before this command began is seen.
  PK_TRY(coordinator->Sync());
  return Opened{std::move(coordinator), std::move(path)};
}

bj::object StatJson(const NodeStat& stat) {
  return {{"version", stat.version},
          {"czxid", fmt::format("0x{:x}", stat.czxid)},
          {"mzxid", fmt::format("0x{:x}", stat.mzxid)},
          {"ctime-ms", stat.ctime_ms},
          {"mtime-ms", stat.mtime_ms},
          {"ephemeral-owner", fmt::format("0x{:x}", stat.ephemeral_owner)},
          {"children", stat.children}};
}

bj::object NodeJson(const std::string& path, const Node& node) {
  bj::object object{{"path", path}};
  const bool is_text = IsPlainText(node.value);
  object["value"] = is_text ? node.value : Escaped(node.value);
  if (!is_text) object["escaped"] = true;
  object["bytes"] = node.value.size();
  object["stat"] = StatJson(node.stat);
  return object;
}

Result<> List(const Global& global, const Arguments& arguments) {
  const Opened opened = PK_TRY(Open(global, arguments));
  const auto names = PK_TRY(opened.coordinator->List(opened.path));
  if (global.json) {
    return PrintJson(
        bj::object{{"path", opened.path}, {"children", bj::array(names.begin(), names.end())}});
  }
  std::string text;
  for (const std::string& name : names) text += name + "\n";
  return text.empty() ? Result<>() : Print(text);
}

Result<> Get(const Global& global, const Arguments& arguments) {
  const Opened opened = PK_TRY(Open(global, arguments));
  const Node node = PK_TRY(opened.coordinator->Get(opened.path));
  if (global.json) return PrintJson(NodeJson(opened.path, node));
  if (arguments.raw) return PrintBytes(node.value);
  return Print(IsPlainText(node.value) ? node.value : Escaped(node.value));
}

Result<std::string> Value(const Arguments& arguments) {
  if (!arguments.from_input) return arguments.value;
  PK_CHECK(arguments.value.empty(),
           InvalidArgument("a value both as an argument and from standard input"));
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

// Until Ctrl-C, or until the node is gone with its session.
Result<> Hold(const Global& global, Coordinator& coordinator) {
  coordination::Session& session = coordinator.session();
  coordination::SessionState state = session.state();
  while (state != coordination::SessionState::kLost && !global.stop.stop_requested()) {
    state = session.WaitForChange(state, SystemClock().Now() + kLookAgain, global.stop);
  }
  PK_CHECK(global.stop.stop_requested(), Unavailable("the session was lost, and its node with it"));
  return {};
}

Result<> Create(const Global& global, const Arguments& arguments) {
  const std::string value = PK_TRY(Value(arguments));
  const Opened opened = PK_TRY(Open(global, arguments, false));
  if (arguments.parents && opened.path != "/") {
    PK_TRY(EnsurePath(*opened.coordinator, coordination::Parent(opened.path)));
  }
  CreateMode mode = arguments.ephemeral ? CreateMode::kEphemeral : CreateMode::kPersistent;
  if (arguments.sequential) {
    mode =
        arguments.ephemeral ? CreateMode::kEphemeralSequential : CreateMode::kPersistentSequential;
  }
  const std::string path = PK_TRY(opened.coordinator->Create(opened.path, value, mode));
  if (global.json) {
    PK_TRY(PrintJson(bj::object{{"created", path}}));
  } else {
    PK_TRY(Print(path));
  }
  return arguments.ephemeral ? Hold(global, *opened.coordinator) : Result<>();
}

Result<> Set(const Global& global, const Arguments& arguments) {
  const std::string value = PK_TRY(Value(arguments));
  const Opened opened = PK_TRY(Open(global, arguments));
  const NodeStat stat = PK_TRY(opened.coordinator->Set(opened.path, value, arguments.version));
  if (global.json) {
    return PrintJson(bj::object{{"path", opened.path}, {"stat", StatJson(stat)}});
  }
  return Print(fmt::format("version {}", stat.version));
}

Result<> Remove(const Global& global, const Arguments& arguments) {
  PK_CHECK(!arguments.recursive || arguments.version == coordination::kAnyVersion,
           InvalidArgument("--version is of one node: leave out --recursive"));
  const Opened opened = PK_TRY(Open(global, arguments));
  int64_t removed = 1;
  if (arguments.recursive) {
    removed = PK_TRY(RemoveTree(*opened.coordinator, opened.path, global.stop));
  } else {
    PK_TRY(opened.coordinator->Remove(opened.path, arguments.version));
  }
  if (global.json) return PrintJson(bj::object{{"removed", removed}});
  return arguments.recursive ? Print(fmt::format("removed {} nodes", removed)) : Result<>();
}

Result<> Stat(const Global& global, const Arguments& arguments) {
  const Opened opened = PK_TRY(Open(global, arguments));
  const Node node = PK_TRY(opened.coordinator->Get(opened.path));
  if (global.json) {
    return PrintJson(bj::object{
        {"path", opened.path}, {"bytes", node.value.size()}, {"stat", StatJson(node.stat)}});
  }
  const NodeStat& stat = node.stat;
  std::vector<std::vector<std::string>> rows{
      {"path", opened.path},
      {"version", std::to_string(stat.version)},
      {"bytes", std::to_string(node.value.size())},
      {"children", std::to_string(stat.children)},
      {"created", fmt::format("{} UTC, transaction 0x{:x}", Time(stat.ctime_ms), stat.czxid)},
      {"set", fmt::format("{} UTC, transaction 0x{:x}", Time(stat.mtime_ms), stat.mzxid)}};
  if (stat.ephemeral_owner != 0) {
    rows.push_back({"ephemeral", fmt::format("of session 0x{:x}", stat.ephemeral_owner)});
  }
  return Print(Columns(rows));
}

Result<> ShowTree(const Global& global, const Arguments& arguments) {
  const Opened opened = PK_TRY(Open(global, arguments));
  const Subtree tree =
      PK_TRY(ReadSubtree(*opened.coordinator, opened.path, arguments.depth, global.stop));
  PK_CHECK(!tree.empty(), NotFound(fmt::format("no node {}", opened.path)));
  if (global.json) {
    bj::array nodes;
    for (const auto& [path, node] : tree) nodes.push_back(NodeJson(path, node));
    return PrintJson(bj::object{{"nodes", std::move(nodes)}});
  }
  return Print(TreeText(tree, opened.path));
}

Result<> PrintChange(const Global& global, const NodeChange& change) {
  if (global.json) {
    return Print(bj::serialize(
        bj::object{{"change", change.what}, {"path", change.path}, {"version", change.version}}));
  }
  return Print(fmt::format("{} {}{}", change.what, change.path,
                           change.what == "set" ? fmt::format(" version {}", change.version) : ""));
}

// The watch is set before the first look, so that nothing between is missed.
Result<> Watch(const Global& global, const Arguments& arguments) {
  const Opened opened = PK_TRY(Open(global, arguments));
  Coordinator& coordinator = *opened.coordinator;
  const auto watch = PK_TRY(
      coordinator.StartWatch(opened.path, arguments.recursive ? coordination::WatchScope::kSubtree
                                                              : coordination::WatchScope::kNode));
  const int depth = arguments.recursive ? 0 : 1;
  const auto look = [&] { return ReadSubtree(coordinator, opened.path, depth, global.stop); };
  Subtree known = PK_TRY(look());
  if (!global.quiet) {
    fmt::print(stderr, "watching {} ({} nodes there); Ctrl-C ends it\n", opened.path, known.size());
  }
  for (int64_t seen = 0; arguments.count == 0 || seen < arguments.count;) {
    const bool woken = watch->Wait(SystemClock().Now() + kLookAgain, global.stop);
    if (global.stop.stop_requested()) return {};
    PK_CHECK(!coordinator.session().lost().stop_requested(),
             Unavailable("the session was lost: what changes now is not seen any more"));
    if (!woken) continue;
    Subtree present = PK_TRY(look());
    for (const NodeChange& change : Changes(known, present)) {
      PK_TRY(PrintChange(global, change));
      if (++seen == arguments.count) return {};
    }
    known = std::move(present);
  }
  return {};
}

void AddVerbs(CLI::App& command, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  const auto add = [&](const char* name, const char* help, const char* example, auto run) {
    CLI::App* verb = command.add_subcommand(name, help);
    verb->fallthrough();
    verb->footer(fmt::format("Example:\n  parkeeper node {} {}", name, example));
    verb->add_option("path", arguments->path, "as in /a/b; the root is /");
    verb->callback([&chosen, &global, arguments, run] {
      chosen = [&global, arguments, run] { return run(global, *arguments); };
    });
    return verb;
  };
  add("ls", "the names of the children", "/config", List);
  CLI::App* get = add("get", "the value; bytes that are no text as \\xNN", "/config/colour", Get);
  get->add_flag("--raw", arguments->raw, "the bytes as they are, without an end of line");
  CLI::App* create =
      add("create", "make a node and print its path", "/config/colour blue --parents", Create);
  CLI::App* set = add("set", "give a node another value", "/config/colour red --version 0", Set);
  for (CLI::App* verb : {create, set}) {
    verb->get_option("path")->required();
    verb->add_option("value", arguments->value, "the value; empty when left out");
    verb->add_flag("--stdin", arguments->from_input, "take the value from standard input");
  }
  create->add_flag("--sequential", arguments->sequential, "ten digits are added, growing");
  create->add_flag("--ephemeral", arguments->ephemeral,
                   "the node ends with the command, which runs until Ctrl-C");
  create->add_flag("--parents,-p", arguments->parents, "make what is missing above it");
  CLI::App* remove = add("rm", "remove a node without children", "/config --recursive", Remove);
  remove->get_option("path")->required();
  for (CLI::App* verb : {set, remove}) {
    verb->add_option("--version", arguments->version, "only when the node has this version");
  }
  remove->add_flag("--recursive,-r", arguments->recursive, "with all below it");
  add("stat", "version, times, children, owner", "/config", Stat);
  CLI::App* tree = add("tree", "a node and all below it", "/ --depth 2", ShowTree);
  tree->add_option("--depth", arguments->depth, "so many levels below it")
      ->check(CLI::PositiveNumber);
  CLI::App* watch =
      add("watch", "a line for each change, until Ctrl-C", "/config --recursive", Watch);
  watch->add_flag("--recursive,-r", arguments->recursive, "of the node and all below it");
  watch->add_option("--count", arguments->count, "end after so many changes")
      ->check(CLI::PositiveNumber);
}

}  // namespace

void AddNodeCommand(CLI::App& app, const Global& global, Action& chosen) {
  CLI::App* command = app.add_subcommand("node", "the coordinator's nodes, by hand");
  command->require_subcommand(1)->fallthrough();
  command->footer(
      "Examples:\n  parkeeper node tree / --depth 2\n"
      "  parkeeper node create /config/colour blue --parents\n"
      "  parkeeper node set /config/colour red --version 0\n"
      "  parkeeper node watch /config --recursive\n"
      "  parkeeper node rm /config --recursive\n"
      "Changes to nodes of the lake itself (docs/znodes.md) can lose tables.");
  AddVerbs(*command, global, chosen);
}

}  // namespace pk::cli
