#include "parkeeper/coordination/simulation.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/scheduler_internal.h"
#include "parkeeper/coordination/signal.h"
#include "parkeeper/coordination/simulated_client_internal.h"
#include "parkeeper/coordination/simulated_servers_internal.h"
#include "parkeeper/coordination/validate.h"

namespace pk::coordination {
namespace {

std::string AtVersion(int32_t version) {
  return version == kAnyVersion ? "" : fmt::format(" v{}", version);
}
std::string Describe(const CheckOperation& o) {
  return fmt::format("check {}{}", o.path, AtVersion(o.version));
}
std::string Describe(const CreateOperation& o) {
  return fmt::format("create{}{} {}", IsEphemeral(o.mode) ? " ephemeral" : "",
                     IsSequential(o.mode) ? " sequential" : "", o.path);
}
std::string Describe(const SetOperation& o) {
  return fmt::format("set {}{}", o.path, AtVersion(o.version));
}
std::string Describe(const RemoveOperation& o) {
  return fmt::format("remove {}{}", o.path, AtVersion(o.version));
}
std::string Describe(const Transaction& transaction) {
  std::string text = "commit";
  for (const Operation& operation : transaction.operations()) {
    text += text == "commit" ? " " : ", ";
    text += std::visit([](const auto& o) { return Describe(o); }, operation);
  }
  return text;
}

using Replies = std::vector<Result<ReadReply>>;
using StatReplies = std::vector<Result<NodeStat>>;

class SimulatedCoordinator final : public Coordinator {
 public:
  explicit SimulatedCoordinator(std::shared_ptr<SimulatedClient> client)
      : client_(std::move(client)) {}
  ~SimulatedCoordinator() override { client_->Close(); }

  Result<Node> Get(std::string_view path) override {
    PK_TRY(ValidatePath(path));
    return Look<Node>(fmt::format("get {}", path),
                      [path](const Tree& tree) { return tree.Get(path); });
  }

  Result<std::vector<std::string>> List(std::string_view path) override {
    PK_TRY(ValidatePath(path));
    return Look<std::vector<std::string>>(fmt::format("list {}", path),
                                          [path](const Tree& tree) { return tree.List(path); });
  }

  Result<Replies> Read(const std::vector<ReadRequest>& requests) override {
    PK_TRY(ValidateReads(requests));
    std::string what = "read";
    for (const ReadRequest& request : requests) {
      what += fmt::format(" {}{}", request.path, request.children ? "/*" : "");
    }
    return Look<Replies>(what, [&requests](const Tree& tree) -> Result<Replies> {
      Replies replies;
      replies.reserve(requests.size());
      for (const ReadRequest& request : requests) replies.push_back(tree.Read(request));
      return replies;
    });
  }

  Result<StatReplies> Stats(const std::vector<std::string>& paths) override {
    PK_TRY(ValidateStats(paths));
    std::string what = "stat";
    for (const std::string& path : paths) what += " " + path;
    return Look<StatReplies>(what, [&paths](const Tree& tree) -> Result<StatReplies> {
      StatReplies stats;
      stats.reserve(paths.size());
      for (const std::string& path : paths) stats.push_back(tree.Stat(path));
      return stats;
    });
  }

  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    PK_TRY(ValidateTransaction(transaction));
    // Holds the transaction: a late request outlives this call.
    return client_->Call<CommitOutcome>(
        Describe(transaction), true, [client = client_, transaction]() -> Result<CommitOutcome> {
          return client->servers().Commit(transaction, client->session().id());
        });
  }

  Result<std::unique_ptr<Watch>> StartWatch(std::string_view path, WatchScope scope) override {
    PK_TRY(ValidatePath(path));
    return client_->Call<std::unique_ptr<Watch>>(
        fmt::format("watch {}", path), false, [&]() -> Result<std::unique_ptr<Watch>> {
          auto watcher = std::make_shared<Watcher>(Watcher{.path = std::string(path),
                                                           .scope = scope,
                                                           .session = client_->session().id(),
                                                           .signal = {}});
          PK_TRY(client_->server().Start(watcher));
          return std::make_unique<SimulatedWatch>(client_, std::move(watcher));
        });
  }

  Result<> Sync() override {
    return client_->Call<Unit>("sync", false, [&]() -> Result<> {
      client_->SeeAll();
      return client_->server().Look(client_->session().id(),
                                    [](const Tree&) { return Result<>(); });
    });
  }

  Session& session() override { return client_->session(); }

 private:
  template <class T, class Reader>
  Result<T> Look(const std::string& what, const Reader& reader) {
    return client_->Call<T>(what, false, [&]() -> Result<T> {
      return client_->server().Look(client_->session().id(), reader);
    });
  }

  std::shared_ptr<SimulatedClient> client_;
};

// A task as an actor; who destroys it waits in virtual time.
class ActorTask final : public Task {
 public:
  ActorTask(Scheduler& scheduler, std::string name, std::function<void(std::stop_token)> body)
      : scheduler_(scheduler) {
    scheduler.Spawn(std::move(name), [state = state_, body = std::move(body)] {
      body(state->stop.get_token());
      state->ended = true;
      state->signal.Raise();
    });
  }
  ~ActorTask() override {
    state_->stop.request_stop();
    while (!state_->ended) {
      WaitFor(scheduler_.clock(), state_->signal.token(), SteadyTime::max(), {});
    }
  }

 private:
  struct State {
    std::stop_source stop;
    bool ended = false;
    Signal signal;
  };
  Scheduler& scheduler_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

class ActorExecutor final : public Executor {
 public:
  explicit ActorExecutor(Scheduler& scheduler) : scheduler_(scheduler) {}
  std::unique_ptr<Task> Start(std::string name,
                              std::function<void(std::stop_token)> body) override {
    return std::make_unique<ActorTask>(scheduler_, std::move(name), std::move(body));
  }

 private:
  Scheduler& scheduler_;
};

}  // namespace

class Simulation::World {
 public:
  World(uint64_t the_seed, const SimulationOptions& options)
      : seed(the_seed),
        scheduler(the_seed, options.horizon, [this] { KillAll(); }),
        servers(scheduler, options.followers, options.longest_lag),
        ids(the_seed ^ 0x9E3779B97F4A7C15u) {}

  std::shared_ptr<SimulatedClient> Connect(const Faults& faults) {
    auto client = std::make_shared<SimulatedClient>(scheduler, servers, faults);
    clients[client->session().id()] = client;
    if (scheduler.over() || scheduler.crashed()) client->Die();
    scheduler.Travel(faults.latency);
    return client;
  }

  // Null when there is no such client any more.
  std::shared_ptr<SimulatedClient> Find(uint64_t session) const {
    const auto found = clients.find(session);
    return found == clients.end() ? nullptr : found->second.lock();
  }

  void KillAll() {
    for (auto& [id, held] : clients) {
      if (const auto client = held.lock()) client->Die();
    }
  }

  const uint64_t seed;
  Scheduler scheduler;
  ActorExecutor executor{scheduler};
  SimulatedServers servers;
  SeededIds ids;
  std::map<uint64_t, std::weak_ptr<SimulatedClient>> clients;  // by session
};

Simulation::Simulation(uint64_t seed, SimulationOptions options)
    : world_(std::make_unique<World>(seed, options)) {}
Simulation::~Simulation() = default;

void Simulation::Spawn(std::string name, std::function<void()> body) {
  world_->scheduler.Spawn(std::move(name), std::move(body));
}

Result<> Simulation::Run() { return world_->scheduler.Run(); }

std::unique_ptr<Coordinator> Simulation::MakeClient(Faults faults) {
  return std::make_unique<SimulatedCoordinator>(world_->Connect(faults));
}

void Simulation::SetFaults(Coordinator& client, Faults faults) {
  if (const auto held = world_->Find(client.session().id())) held->set_faults(faults);
}

void Simulation::ExpireSession(uint64_t session_id) {
  world_->servers.End(session_id);
  if (const auto client = world_->Find(session_id)) client->LearnLossLater();
}

bool Simulation::crashed() const { return world_->scheduler.crashed(); }
uint64_t Simulation::seed() const { return world_->seed; }
Clock& Simulation::clock() { return world_->scheduler.clock(); }
Executor& Simulation::executor() { return world_->executor; }
IdSource& Simulation::ids() { return world_->ids; }
uint64_t Simulation::Random(uint64_t bound) { return world_->scheduler.Random(bound); }

void Simulation::At(SteadyTime time, std::function<void()> event) {
  world_->scheduler.At(time, std::move(event));
}

const std::string& Simulation::trace() const { return world_->scheduler.trace(); }
void Simulation::Note(std::string_view line) { world_->scheduler.Trace(line); }

}  // namespace pk::coordination
