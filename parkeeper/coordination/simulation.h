#pragma once

// Simulation: many processes with one coordinator, in virtual time, replayable from a seed.
//
// Each process is an *actor*: a function with ordinary blocking code. Exactly one actor runs at any
// moment; it gives way where it calls a Coordinator of this simulation, waits on one of its Watches
// or Sessions, or calls Clock::Wait() on clock(). All these take virtual time, drawn from the seed,
// and the actor whose time comes first goes on: so the seed decides the interleaving, a wait of an
// hour costs nothing, and the same seed gives the same history, byte for byte (see trace()).
//
//   ForEachSeed(2'000, [](Simulation& simulation) {  // tests/simulation/for_each_seed.h
//     for (int i = 0; i < 8; ++i) {
//       simulation.Spawn(fmt::format("writer-{}", i), [&] {
//         auto client = simulation.MakeClient(Faults::All(0.02));
//         for (int n = 0; n < 50 && !simulation.crashed(); ++n) {
//           Append(*client, simulation.clock(), simulation.ids(), acknowledged);
//         }
//       });
//     }
//     EXPECT_THAT(simulation.Run(), IsOk());
//     CheckAll(*simulation.MakeClient(), acknowledged);  // without faults
//   });
//
// simulation_test.cc has it in full, with a protocol that is right and one that is not.
//
// Code under simulation takes time, randomness and ids from clock() and ids() only, and starts no
// threads. It must hold no std::mutex that another actor wants across a call that gives way: the
// other one would wait for it for ever. Not thread-safe: one simulation, one thread; several
// simulations may run on several threads.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/executor.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/simulated.h"

namespace pk::coordination {

struct SimulationOptions {
  // Virtual time after which Run() gives up: somebody waits for what never comes.
  Duration horizon = std::chrono::hours(24);
  // Clients read and watch at followers of the coordinator, which have each modification within
  // this time: so reads are stale now and then, as they may be. 0 followers: never.
  int followers = 2;
  Duration longest_lag = std::chrono::milliseconds(20);
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed, SimulationOptions options = {});
  // Clients must be gone.
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // Adds an actor; it begins within a millisecond of virtual time once Run() runs. Actors may spawn
  // others.
  void Spawn(std::string name, std::function<void()> body);

  // Runs until all actors have ended and nothing is under way any more: late requests have arrived,
  // sessions of the crashed have expired. kUnavailable at the horizon, naming who had not ended;
  // from then on every client is dead and every wait over, which lets the actors run out.
  Result<> Run();

  // A new session on the simulated coordinator. Without faults it only gives way. Outside of actors
  // it may be used too: its calls then run the simulation for the virtual time that they take.
  std::unique_ptr<Coordinator> MakeClient(Faults faults = {});

  // The faults of `client`, one of MakeClient(), from its next call on. With a probability of 1 a
  // test places a fault exactly: SetFaults(*client, {.lost_reply = 1}), the call,
  // SetFaults(*client,
  // {}). The session timeout stays as it was.
  void SetFaults(Coordinator& client, Faults faults);

  // Ends the session at the coordinator, as its expiry would; the client learns it later, at the
  // latest after its session timeout.
  void ExpireSession(uint64_t session_id);

  // Has the running actor met the crash of its client? Then its process is dead: it should return,
  // and must have no effect any more, for example on storage. False outside of actors.
  bool crashed() const;

  uint64_t seed() const;
  Clock& clock();
  // Its tasks are actors. Code under simulation that works beside its caller starts them here.
  Executor& executor();
  // Seeded, and apart from what decides faults and interleaving.
  IdSource& ids();
  // Uniform in [0, bound), for the choices of an actor; `bound` is at least 1.
  uint64_t Random(uint64_t bound);

  // Calls `event` at a time of the virtual clock, outside of any actor; it must not wait.
  void At(SteadyTime time, std::function<void()> event);

  // What happened so far, a line per call and fault: "12.345678 writer-1 s3 commit set /head v4,
  // create /head/r/5: lost reply".
  const std::string& trace() const;
  // Adds a line of the running actor.
  void Note(std::string_view line);

 private:
  class World;
  std::unique_ptr<World> world_;
};

}  // namespace pk::coordination
