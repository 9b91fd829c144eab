#include "parkeeper/ensemble/ensemble.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "apps/parkeeper/command.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;
using ensemble::EnsembleState;
using ensemble::ServerState;

struct Arguments {
  ensemble::StartOptions start;
  bool tls = false;
  bool kill = false;
};

Result<> Show(const Global& global, const EnsembleState& state) {
  if (global.json) {
    bj::array servers;
    for (const ServerState& server : state.servers) {
      bj::object object{{"id", server.id},
                        {"pid", server.pid},
                        {"role", ensemble::RoleName(server.role)},
                        {"port", server.port}};
      if (!server.report.version.empty()) {
        object["version"] = server.report.version;
        object["zxid"] = fmt::format("0x{:x}", server.report.zxid);
        object["connections"] = server.report.connections;
        object["nodes"] = server.report.nodes;
      }
      servers.push_back(std::move(object));
    }
    bj::object object{{"connect", state.connect}};
    if (!state.secure_connect.empty()) object["secure-connect"] = state.secure_connect;
    object["quorum"] = state.has_quorum();
    object["servers"] = std::move(servers);
    return PrintJson(object);
  }
  std::vector<std::vector<std::string>> rows{
      {"SERVER", "ROLE", "PORT", "PID", "VERSION", "ZXID", "CONNECTIONS", "NODES"}};
  for (const ServerState& server : state.servers) {
    rows.push_back({std::to_string(server.id), std::string(ensemble::RoleName(server.role)),
                    std::to_string(server.port)});
    if (server.pid != 0) rows.back().push_back(std::to_string(server.pid));
    if (server.report.version.empty()) continue;
    rows.back().push_back(server.report.version);
    rows.back().push_back(fmt::format("0x{:x}", server.report.zxid));
    rows.back().push_back(std::to_string(server.report.connections));
    rows.back().push_back(std::to_string(server.report.nodes));
  }
  std::string text = Columns(rows);
  if (!state.has_quorum()) return Print(text + "no quorum: it does not serve\n");
  text += fmt::format("clients connect to {}\n", state.connect);
  if (!state.secure_connect.empty()) text += fmt::format("TLS: {}\n", state.secure_connect);
  return Print(text);
}

Result<> Start(const Global& global, const Arguments& arguments) {
  ensemble::StartOptions options = arguments.start;
  if (arguments.tls) options.tls = true;
  options.stop = global.stop;
  options.jars.stop = global.stop;
  ProgressLine line(global.quiet || global.json);
  line.Show(-1, "waiting for a quorum");
  return Show(global, PK_TRY(ensemble::Start(options)));
}

Result<> Status(const Global& global, const Arguments& arguments) {
  return Show(global, PK_TRY(ensemble::Status(arguments.start.folder)));
}

Result<> Stop(const Global& global, const Arguments& arguments) {
  const EnsembleState state = PK_TRY(ensemble::Stop(
      arguments.start.folder, {.server = arguments.start.server, .kill = arguments.kill}));
  if (global.json) return Show(global, state);
  return Print(arguments.start.server ? fmt::format("server {} has ended", *arguments.start.server)
                                      : fmt::format("{} servers have ended; their data stay in {}",
                                                    state.servers.size(), arguments.start.folder));
}

Result<> Restart(const Global& global, const Arguments& arguments) {
  PK_TRY(ensemble::Stop(arguments.start.folder,
                        {.server = arguments.start.server, .kill = arguments.kill}));
  return Start(global, arguments);
}

Result<> Fetch(const Global& global, const Arguments& arguments) {
  ensemble::JarOptions options = arguments.start.jars;
  options.stop = global.stop;
  const ensemble::ServerJars jars = PK_TRY(ensemble::FindServerJars(options));
  if (global.json) {
    return PrintJson(bj::object{{"version", jars.version}, {"classpath", jars.classpath}});
  }
  return Print(fmt::format("ZooKeeper {}: {}", jars.version, jars.classpath));
}

void AddJarOptions(CLI::App& app, ensemble::JarOptions& jars) {
  app.add_option("--zookeeper-home", jars.zookeeper_home,
                 "an installed ZooKeeper, or /usr/share/java with Debian's libzookeeper-java; "
                 "without it the server is fetched once by mvn into ~/.cache/parkeeper")
      ->envname("PARKEEPER_ZOOKEEPER_HOME");
  app.add_option("--server-version", jars.version, "the version to fetch")->capture_default_str();
}

void AddStartOptions(CLI::App& app, Arguments& arguments) {
  ensemble::StartOptions& start = arguments.start;
  app.add_option("--size", start.size, "how many servers, 1 to 9 (default 3)");
  app.add_option("--port", start.port,
                 "clients connect to this and the next ones; the ensemble takes 3 ports per "
                 "server, with TLS 4 (default 2181; 0: any that are free)");
  app.add_option("--heap", start.heap_mb, "largest heap of a server, in MB (default 256)");
  app.add_option("--tick", start.tick_ms,
                 "ms; sessions live two ticks at least, leaders are given up after ten (default "
                 "1000)");
  app.add_flag("--tls", arguments.tls, "also listen for TLS; certificates are made in DIR/tls");
  app.add_option("--superuser-password", start.superuser_password,
                 "lets who gives 'super' and this password as digest do everything")
      ->envname("PARKEEPER_SUPERUSER_PASSWORD");
  AddJarOptions(app, start.jars);
}

}  // namespace

void AddEnsembleCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("ensemble", "a ZooKeeper ensemble on this machine, for development");
  command->require_subcommand(1)->fallthrough();
  command->footer(
      "Examples:\n  parkeeper ensemble start --size 3 --dir ./ensemble --port 2181\n"
      "  parkeeper ensemble status --dir ./ensemble\n"
      "  parkeeper ensemble stop --dir ./ensemble --server 2 --kill\n"
      "  parkeeper ensemble restart --dir ./ensemble --server 2\n"
      "  parkeeper ensemble stop --dir ./ensemble");
  const auto add = [&](const char* name, const char* help, const char* example, auto run) {
    CLI::App* verb = command->add_subcommand(name, help);
    verb->fallthrough();
    verb->footer(fmt::format("Example:\n  parkeeper ensemble {}{}", name, example));
    verb->callback([&chosen, &global, arguments, run] {
      chosen = [&global, arguments, run] { return run(global, *arguments); };
    });
    return verb;
  };
  CLI::App* start = add("start", "start what does not run, wait for a quorum",
                        " --size 3 --dir ./ensemble --port 2181", Start);
  CLI::App* status = add("status", "who runs, who leads", " --dir ./ensemble", Status);
  CLI::App* stop =
      add("stop", "end the servers; their data stay", " --dir ./ensemble --server 2 --kill", Stop);
  CLI::App* restart = add("restart", "stop and start", " --dir ./ensemble", Restart);
  for (CLI::App* verb : {start, status, stop, restart}) {
    verb->add_option("--dir", arguments->start.folder, "the ensemble's folder")->required();
  }
  for (CLI::App* verb : {start, stop, restart}) {
    verb->add_option("--server", arguments->start.server, "this one only, from 1");
  }
  for (CLI::App* verb : {stop, restart}) {
    verb->add_flag("--kill", arguments->kill, "as kill -9 does");
  }
  AddStartOptions(*start, *arguments);
  AddJarOptions(*add("fetch", "fetch the server into the cache, start nothing", "", Fetch),
                arguments->start.jars);
}

}  // namespace pk::cli
