#pragma once

// Part of coordinator_contract.h: random transactions, held against the pure Tree.

#include <map>
#include <random>

#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/tree.h"
#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

// Random transactions over a few paths, many of which are refused. Sequential nodes are left out:
// their numbers are a back end's own.
class RandomTransactions {
 public:
  explicit RandomTransactions(uint64_t seed) : random_(seed) {}

  Transaction Next() {
    Transaction transaction;
    const uint64_t count = Below(5);
    for (uint64_t i = 0; i < count; ++i) {
      const std::string path = Path();
      switch (Below(8)) {
        case 0:
          transaction.Check(path, Version());
          break;
        case 1:
        case 2:
        case 3:
          transaction.Create(path, Value(),
                             Below(4) == 0 ? CreateMode::kEphemeral : CreateMode::kPersistent);
          break;
        case 4:
        case 5:
          transaction.Set(path, Value(), Version());
          break;
        default:
          transaction.Remove(path, Version());
      }
    }
    return transaction;
  }
  uint64_t Below(uint64_t bound) { return random_() % bound; }

 private:
  std::string Path() {
    std::string path = "/" + std::string(1, static_cast<char>('a' + Below(2)));
    while (path.size() < 6 && Below(2) == 0)
      path += "/" + std::string(1, static_cast<char>('a' + Below(2)));
    return path;
  }
  std::string Value() { return std::string(Below(4), static_cast<char>(Below(256))); }
  int32_t Version() { return Below(3) == 0 ? static_cast<int32_t>(Below(2)) : kAnyVersion; }

  std::mt19937_64 random_;
};

// Holds the nodes of a coordinator against those of the model, up to the numbers that a back end
// chooses for itself: its zxids must be ordered as the model's, times are its own.
class SameAsModel {
 public:
  SameAsModel(Coordinator& coordinator, const Tree& model)
      : coordinator_(coordinator), model_(model) {}

  void MapSession(uint64_t model, uint64_t actual) { sessions_[model] = actual; }
  void MapZxid(uint64_t model, uint64_t actual) { zxids_[model] = actual; }

  // The subtree at `path`.
  void Check(const std::string& path) const {
    PK_ASSERT_OK(const Node expected, model_.Get(path));
    PK_ASSERT_OK(const Node found, coordinator_.Get(path));
    ASSERT_EQ(found.value, expected.value) << path;
    if (path != "/") CheckStat(path, found.stat, expected.stat);
    PK_ASSERT_OK(const auto expected_children, model_.List(path));
    PK_ASSERT_OK(const auto found_children, coordinator_.List(path));
    ASSERT_EQ(found_children, expected_children) << path;
    for (const std::string& child : expected_children) Check(Join(path, child));
  }

 private:
  void CheckStat(const std::string& path, const NodeStat& found, const NodeStat& expected) const {
    EXPECT_EQ(found.version, expected.version) << path;
    EXPECT_EQ(found.children, expected.children) << path;
    EXPECT_EQ(found.czxid, zxids_.at(expected.czxid)) << path;
    EXPECT_EQ(found.mzxid, zxids_.at(expected.mzxid)) << path;
    EXPECT_EQ(found.ephemeral_owner,
              expected.ephemeral_owner == 0 ? 0 : sessions_.at(expected.ephemeral_owner))
        << path;
  }

  Coordinator& coordinator_;
  const Tree& model_;
  std::map<uint64_t, uint64_t> sessions_, zxids_;
};

TEST_P(CoordinatorContract, RandomTransactionsDoWhatTheModelDoes) {
  constexpr uint64_t kModelA = 1, kModelB = 2;
  constexpr int kSteps = 300;
  RandomTransactions random(20'260'101);
  Tree model;
  SameAsModel same(b(), model);
  same.MapSession(kModelA, a().session().id());
  same.MapSession(kModelB, b().session().id());
  int refusals = 0;
  for (int i = 0; i < kSteps; ++i) {
    const bool by_a = random.Below(2) == 0;
    const Transaction transaction = random.Next();
    std::vector<Change> changes;
    const CommitOutcome expected = model.Apply(transaction, by_a ? kModelA : kModelB, 0, changes);
    PK_ASSERT_OK(const CommitOutcome found, (by_a ? a() : b()).Commit(transaction));
    ASSERT_EQ(found.index(), expected.index()) << "step " << i;
    if (const auto* refused = std::get_if<Refused>(&expected)) {
      ++refusals;
      ASSERT_EQ(std::get<Refused>(found).operation, refused->operation) << "step " << i;
      ASSERT_EQ(std::get<Refused>(found).reason.code(), refused->reason.code()) << "step " << i;
    } else {
      ASSERT_EQ(std::get<Applied>(found).paths, std::get<Applied>(expected).paths);
      same.MapZxid(model.zxid(), std::get<Applied>(found).zxid);
    }
    ASSERT_THAT(b().Sync(), testing::IsOk());
    same.Check("/");
    if (HasFatalFailure()) FAIL() << "step " << i;
  }
  EXPECT_GT(refusals, kSteps / 10);
  EXPECT_LT(refusals, kSteps * 9 / 10);
  std::vector<Change> changes;
  model.EndSession(kModelA, changes);
  CloseA();
  ASSERT_THAT(b().Sync(), testing::IsOk());
  same.Check("/");
}

}  // namespace pk::coordination
