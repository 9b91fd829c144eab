// The commit of docs/znodes.md in small, as the example of a simulation: whoever sets the head
// expects the version that it read, and creates the record of the next version in the same
// transaction. Under every fault each acknowledged commit must be in exactly one record.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/simulation.h"
#include "tests/simulation/for_each_seed.h"
#include "tests/support/matchers.h"

namespace pk::coordination {
namespace {

using ::pk::testing::IsOk;

enum class Settle {
  kByRecord,   // sends the same transaction again until its version is spent, then reads the record
  kByRetrying  // takes an unknown outcome for a failure: the classic bug
};

// One writer process: a session that is opened again when it is lost.
class Writer {
 public:
  Writer(Simulation& simulation, Faults faults) : simulation_(simulation), faults_(faults) {
    Reopen();
  }

  // True: committed. False: the process is dead, the outcome open.
  bool Commit(const std::string& id, Settle settle) {
    while (!simulation_.crashed()) {
      const auto head = client_->Get("/head");
      if (!head.ok()) {
        Pause();
        continue;
      }
      const int32_t version = head->stat.version;
      const std::string record = fmt::format("/head/{}", version + 1);
      const auto attempt = Transaction().Set("/head", id, version).Create(record, id);
      const auto outcome = Send(attempt, settle);
      if (!outcome.ok()) continue;
      if (std::holds_alternative<Applied>(*outcome)) return true;
      if (settle == Settle::kByRecord && RecordNames(record, id)) return true;
    }
    return false;
  }

 private:
  Result<CommitOutcome> Send(const Transaction& attempt, Settle settle) {
    while (true) {
      auto outcome = client_->Commit(attempt);
      if (outcome.ok() || simulation_.crashed()) return outcome;
      Pause();
      // Definitely not done, unless an earlier try of this transaction was.
      if (settle == Settle::kByRetrying) return outcome;
    }
  }

  // Asked only when the version is spent, so the record is there.
  bool RecordNames(const std::string& record, const std::string& id) {
    while (!simulation_.crashed()) {
      const auto found = client_->Get(record);
      if (found.ok()) return found->value == id;
      Pause();
    }
    return false;
  }

  void Pause() {
    simulation_.clock().Wait(std::chrono::milliseconds(1 + simulation_.Random(100)));
    if (client_->session().state() == SessionState::kLost && !simulation_.crashed()) Reopen();
  }
  void Reopen() {
    client_ = simulation_.MakeClient(faults_);
    static_cast<void>(client_->Sync());  // a new session may read from a server that is behind
  }

  Simulation& simulation_;
  const Faults faults_;
  std::unique_ptr<Coordinator> client_;
};

struct Counts {
  int lost = 0;     // acknowledged, in no record
  int doubled = 0;  // in more than one record
  int commits = 0;
};

Counts RunWriters(Simulation& simulation, Settle settle, int writers, int commits_each) {
  auto observer = simulation.MakeClient();
  EXPECT_THAT(observer->Create("/head", ""), IsOk());
  EXPECT_THAT(observer->Sync(), IsOk());
  std::set<std::string> acknowledged;
  for (int w = 0; w < writers; ++w) {
    simulation.Spawn(fmt::format("writer-{}", w), [&, w] {
      Writer writer(simulation, Faults::All(0.03));
      for (int n = 0; n < commits_each; ++n) {
        const std::string id = fmt::format("{}-{}", w, n);
        if (!writer.Commit(id, settle)) return;
        acknowledged.insert(id);
      }
    });
  }
  EXPECT_THAT(simulation.Run(), IsOk());

  EXPECT_THAT(observer->Sync(), IsOk());
  std::map<std::string, int> records;
  Counts counts;
  const int32_t last = observer->Get("/head")->stat.version;
  for (int32_t n = 1; n <= last; ++n) {
    const auto record = observer->Get(fmt::format("/head/{}", n));
    EXPECT_THAT(record, IsOk()) << "the records are gapless";
    if (record.ok()) ++records[record->value];
  }
  for (const auto& [id, times] : records) counts.doubled += times > 1;
  for (const std::string& id : acknowledged) counts.lost += !records.contains(id);
  counts.commits = last;
  return counts;
}

TEST(SimulatedCommit, IsAppliedExactlyOnceWhenUnknownOutcomesAreSettledByTheRecord) {
  int commits = 0;
  ForEachSeed(1'000, [&](Simulation& simulation) {
    const Counts counts = RunWriters(simulation, Settle::kByRecord, 8, 6);
    EXPECT_EQ(counts.lost, 0);
    EXPECT_EQ(counts.doubled, 0);
    commits += counts.commits;
  });
  EXPECT_GT(commits, 1'000 * 8 * 6 / 2) << "and most of them got through";
}

TEST(SimulatedCommit, IsAppliedTwiceWhenUnknownOutcomesAreTakenForFailures) {
  int doubled = 0;
  ForEachSeed(20, [&](Simulation& simulation) {
    doubled += RunWriters(simulation, Settle::kByRetrying, 4, 5).doubled;
  });
  EXPECT_GT(doubled, 0) << "the simulation must find this";
}

}  // namespace
}  // namespace pk::coordination
