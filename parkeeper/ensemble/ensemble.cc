#include "parkeeper/ensemble/ensemble.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "parkeeper/base/ids.h"
#include "parkeeper/ensemble/loopback_internal.h"
#include "parkeeper/ensemble/process_internal.h"
#include "parkeeper/ensemble/server_config.h"
#include "parkeeper/ensemble/tls_internal.h"

namespace pk::ensemble {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kAskTimeout{2'000};
constexpr std::chrono::milliseconds kLookAgain{100};
// Free ports are looked for below those that the system gives to connections.
constexpr int kFirstFreePort = 20'000;
constexpr int kLastFreePort = 32'000;
constexpr int kPortTries = 200;

std::string Absolute(const std::string& folder) {
  std::error_code failure;
  std::string path = fs::absolute(folder, failure).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Result<> WriteFile(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  PK_CHECK(file.good(), Unavailable(fmt::format("write {}", path)));
  return {};
}

Result<> MakeFolder(const std::string& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  PK_CHECK(!failure, Unavailable(fmt::format("make folder {}: {}", path, failure.message())));
  return {};
}

Result<std::optional<Settings>> LoadSettings(const std::string& folder) {
  std::ifstream file(SettingsFile(folder), std::ios::binary);
  if (!file) return std::optional<Settings>();
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return std::optional<Settings>(PK_TRY(ParseSettings(text).With(SettingsFile(folder))));
}

Result<Settings> ExistingSettings(const std::string& folder) {
  const auto settings = PK_TRY(LoadSettings(folder));
  PK_CHECK(settings.has_value(),
           NotFound(fmt::format("no ensemble in {}: start one, as in 'parkeeper ensemble start "
                                "--dir {}'",
                                folder, folder)));
  return *settings;
}

// Held while a command works on the folder.
Result<Descriptor> LockFolder(const std::string& folder) {
  const std::string path = folder + "/lock";
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  PK_CHECK(file, Unavailable(fmt::format("open {}", path)));
  PK_CHECK(flock(file.number(), LOCK_EX | LOCK_NB) == 0,
           Unavailable(fmt::format("another command works on the ensemble in {}", folder)));
  return file;
}

Result<> CheckIsOurs(const std::string& folder) {
  std::error_code failure;
  for (fs::directory_iterator i(folder, failure), end; !failure && i != end; i.increment(failure)) {
    PK_CHECK(i->path().filename() == "lock",
             FailedPrecondition(fmt::format("the folder is in use for something else than an "
                                            "ensemble: {} has {}",
                                            folder, i->path().filename().string())));
  }
  return {};
}

bool IsBlockFree(int first, int count) {
  for (int i = 0; i < count; ++i) {
    if (!IsPortFree(first + i)) return false;
  }
  return true;
}

Result<int> FindFreeBlock(int count) {
  for (int i = 0; i < kPortTries; ++i) {
    const int range = kLastFreePort - kFirstFreePort;
    const int first = kFirstFreePort + int(SystemIds().Random64() % uint64_t(range));
    if (IsBlockFree(first, count)) return first;
  }
  return Unavailable(fmt::format("no {} free ports in a row", count));
}

Result<Settings> FirstSettings(const StartOptions& options) {
  Settings settings;
  settings.size = options.size.value_or(settings.size);
  settings.port = options.port.value_or(settings.port);
  settings.heap_mb = options.heap_mb.value_or(settings.heap_mb);
  settings.tick_ms = options.tick_ms.value_or(settings.tick_ms);
  settings.tls = options.tls.value_or(false);
  if (options.superuser_password) settings.super_digest = SuperDigest(*options.superuser_password);
  const bool any_port = settings.port == 0;
  if (any_port) settings.port = kDefaultPort;
  PK_TRY(Validate(settings));
  if (any_port) settings.port = PK_TRY(FindFreeBlock(PortCount(settings)));
  return settings;
}

Result<> CheckSame(const std::string& folder, const Settings& settings,
                   const StartOptions& options) {
  const auto check = [&](std::string_view what, const auto& asked, const auto& had) -> Result<> {
    PK_CHECK(!asked || *asked == had,
             FailedPrecondition(fmt::format("the ensemble in {} was made with another {}: {}, not "
                                            "{}; take another folder, or stop it and remove this",
                                            folder, what, had, *asked)));
    return {};
  };
  PK_TRY(check("size", options.size, settings.size));
  if (options.port != 0) PK_TRY(check("port", options.port, settings.port));
  PK_TRY(check("heap", options.heap_mb, settings.heap_mb));
  PK_TRY(check("tick", options.tick_ms, settings.tick_ms));
  PK_TRY(check("answer to TLS", options.tls, settings.tls));
  std::optional<std::string> digest;
  if (options.superuser_password) digest = SuperDigest(*options.superuser_password);
  PK_CHECK(!digest || *digest == settings.super_digest,
           FailedPrecondition(
               fmt::format("the ensemble in {} was made with another superuser", folder)));
  return {};
}

std::string PidFile(const std::string& folder, int id) {
  return ServerFolder(folder, id) + "/server.pid";
}

std::optional<FoundProcess> FindServer(const std::string& folder, int id) {
  std::ifstream file(PidFile(folder, id));
  int pid = 0;
  if (!(file >> pid)) return std::nullopt;
  return FoundProcess::Find(pid, ProcessMark(folder, id));
}

ServerState StateOf(const Settings& settings, const std::string& folder, int id) {
  ServerState state{
      .id = id, .pid = 0, .port = PortsOf(settings, id).client, .role = Role::kDown, .report = {}};
  const auto process = FindServer(folder, id);
  if (!process) return state;
  state.pid = process->pid();
  state.role = Role::kStarting;
  const auto reply = Ask(state.port, "srvr", kAskTimeout);
  if (!reply.ok()) return state;
  const auto report = ParseServerReport(*reply);
  if (!report.ok()) return state;
  state.report = *report;
  state.role = report->role;
  return state;
}

EnsembleState StateOf(const Settings& settings, const std::string& folder) {
  EnsembleState state{.connect = ConnectString(settings),
                      .secure_connect = SecureConnectString(settings),
                      .servers = {}};
  for (int id = 1; id <= settings.size; ++id) {
    state.servers.push_back(StateOf(settings, folder, id));
  }
  return state;
}

bool Serves(const ServerState& server) {
  return server.role != Role::kDown && server.role != Role::kStarting;
}

Result<std::vector<int>> Chosen(const Settings& settings, std::optional<int> server) {
  if (server) {
    PK_CHECK(*server >= 1 && *server <= settings.size,
             InvalidArgument(fmt::format("the ensemble has the servers 1 to {}, not {}",
                                         settings.size, *server)));
    return std::vector<int>{*server};
  }
  std::vector<int> all;
  for (int id = 1; id <= settings.size; ++id) all.push_back(id);
  return all;
}

Result<> CheckPorts(const Settings& settings, int id) {
  const Ports ports = PortsOf(settings, id);
  for (const int port : {ports.client, ports.quorum, ports.election, ports.secure}) {
    PK_CHECK(port == 0 || IsPortFree(port),
             FailedPrecondition(fmt::format(
                 "port {} of server {} is taken by another program: the ensemble needs ports {} "
                 "to {}; choose others with --port, or 0 for any",
                 port, id, settings.port, settings.port + PortCount(settings) - 1)));
  }
  return {};
}

Result<> StartServer(const Settings& settings, const std::string& folder, int id,
                     const std::string& java, const std::string& classpath) {
  const std::string own = ServerFolder(folder, id);
  PK_TRY(MakeFolder(own + "/data"));
  PK_TRY(MakeFolder(own + "/log"));
  PK_TRY(WriteFile(own + "/data/myid", fmt::format("{}\n", id)));
  PK_TRY(WriteFile(own + "/zoo.cfg", ConfigurationText(settings, folder, id)));
  std::error_code ignored;
  fs::rename(own + "/server.log", own + "/server.log.old", ignored);
  const pid_t pid =
      PK_TRY(StartDetached({.arguments = ServerCommand(settings, folder, id, java, classpath),
                            .output_file = own + "/server.log"}));
  return WriteFile(PidFile(folder, id), fmt::format("{}\n", pid));
}

// Until all that run serve, when they are enough to.
Result<EnsembleState> WaitForQuorum(const Settings& settings, const std::string& folder,
                                    const std::vector<int>& started, const StartOptions& options,
                                    Clock& clock) {
  const SteadyTime deadline = clock.Now() + options.wait_for;
  for (;;) {
    EnsembleState state = StateOf(settings, folder);
    for (const int id : started) {
      PK_CHECK(state.servers[size_t(id - 1)].pid != 0,
               Unavailable(fmt::format("server {} ended; the end of its log {}/server.log:\n{}", id,
                                       ServerFolder(folder, id),
                                       EndOfFile(ServerFolder(folder, id) + "/server.log"))));
    }
    const auto running = std::ranges::count_if(state.servers, [](auto& s) { return s.pid != 0; });
    const auto serving = std::ranges::count_if(state.servers, Serves);
    if (running * 2 <= settings.size || (serving == running && state.has_quorum())) return state;
    PK_CHECK(clock.Now() < deadline,
             Unavailable(fmt::format("of {} running servers {} serve after {} s; their logs are {}"
                                     "/server-*/server.log",
                                     running, serving, options.wait_for.count() / 1'000, folder)));
    PK_CHECK(clock.Wait(kLookAgain, options.stop),
             Cancelled("stopped; the servers started go on running"));
  }
}

// What a start needs to know.
struct Prepared {
  Settings settings;
  std::string java;
  std::string classpath;
};

Result<Prepared> Prepare(const std::string& folder, const StartOptions& options) {
  const auto existing = PK_TRY(LoadSettings(folder));
  if (!existing) PK_TRY(CheckIsOurs(folder));
  if (existing) PK_TRY(CheckSame(folder, *existing, options));
  Prepared prepared;
  prepared.settings = existing ? *existing : PK_TRY(FirstSettings(options));
  prepared.java = PK_TRY(FindJava());
  JarOptions wanted = options.jars;
  if (existing) {
    wanted.zookeeper_home = existing->zookeeper_home;
    wanted.version = existing->version;
  }
  ServerJars jars = PK_TRY(FindServerJars(wanted));
  prepared.classpath = std::move(jars.classpath);
  prepared.settings.version = std::move(jars.version);
  prepared.settings.zookeeper_home = std::move(jars.zookeeper_home);
  return prepared;
}

}  // namespace

bool EnsembleState::has_quorum() const {
  const auto serving = size_t(std::ranges::count_if(servers, Serves));
  return serving * 2 > servers.size() && std::ranges::any_of(servers, [](const ServerState& s) {
           return s.role == Role::kLeader || s.role == Role::kStandalone;
         });
}

Result<EnsembleState> Start(const StartOptions& options, Clock& clock) {
  PK_CHECK(!options.folder.empty(), InvalidArgument("an ensemble needs a folder: --dir"));
  const std::string folder = Absolute(options.folder);
  PK_TRY(MakeFolder(folder));
  const Descriptor lock = PK_TRY(LockFolder(folder));
  const Prepared prepared = PK_TRY(Prepare(folder, options));
  const Settings& settings = prepared.settings;
  std::vector<int> missing;
  for (const int id : PK_TRY(Chosen(settings, options.server))) {
    if (!FindServer(folder, id)) missing.push_back(id);
  }
  for (const int id : missing) PK_TRY(CheckPorts(settings, id));
  if (settings.tls) PK_TRY(MakeCertificates(TlsFolder(folder)));
  PK_TRY(WriteFile(SettingsFile(folder), ToJson(settings)));
  for (const int id : missing) {
    PK_TRY(StartServer(settings, folder, id, prepared.java, prepared.classpath));
  }
  return WaitForQuorum(settings, folder, missing, options, clock);
}

Result<EnsembleState> Status(const std::string& folder) {
  const std::string path = Absolute(folder);
  return StateOf(PK_TRY(ExistingSettings(path)), path);
}

Result<EnsembleState> Stop(const std::string& folder, StopOptions options, Clock& clock) {
  const std::string path = Absolute(folder);
  const Settings settings = PK_TRY(ExistingSettings(path));
  const Descriptor lock = PK_TRY(LockFolder(path));
  const std::vector<int> chosen = PK_TRY(Chosen(settings, options.server));
  std::vector<FoundProcess> ending;
  for (const int id : chosen) {
    auto process = FindServer(path, id);
    if (!process) continue;
    process->Signal(options.kill ? SIGKILL : SIGTERM);
    ending.push_back(*std::move(process));
  }
  const SteadyTime deadline = clock.Now() + options.wait_for;
  for (const FoundProcess& process : ending) {
    if (process.WaitForEnd(clock, deadline)) continue;
    process.Signal(SIGKILL);
    PK_CHECK(process.WaitForEnd(clock, clock.Now() + options.wait_for),
             Unavailable(fmt::format("server process {} does not end", process.pid())));
  }
  std::error_code ignored;
  for (const int id : chosen) fs::remove(PidFile(path, id), ignored);
  return StateOf(settings, path);
}

}  // namespace pk::ensemble
