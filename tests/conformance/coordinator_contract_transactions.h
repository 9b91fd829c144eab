#pragma once

// Part of coordinator_contract.h: transactions, multi-reads and limits.

#include "parkeeper/coordination/limits.h"
#include "parkeeper/coordination/path.h"
#include "tests/conformance/coordinator_contract_fixture.h"

namespace pk::coordination {

// The outcome as one kind or the other, failing the test when it is neither.
inline Applied MustApply(Coordinator& coordinator, const Transaction& transaction) {
  auto outcome = coordinator.Commit(transaction);
  EXPECT_THAT(outcome, testing::IsOk());
  if (!outcome.ok()) return {};
  if (auto* refused = std::get_if<Refused>(&*outcome)) {
    ADD_FAILURE() << "operation " << refused->operation << ": " << refused->reason.ToString();
    return {};
  }
  return std::get<Applied>(*outcome);
}
inline Refused MustRefuse(Coordinator& coordinator, const Transaction& transaction) {
  auto outcome = coordinator.Commit(transaction);
  EXPECT_THAT(outcome, testing::IsOk());
  if (!outcome.ok() || !std::holds_alternative<Refused>(*outcome)) {
    ADD_FAILURE() << "was not refused";
    return {0, Internal("was not refused")};
  }
  return std::get<Refused>(*outcome);
}

TEST_P(CoordinatorContract, ATransactionIsOneStepWithOneZxid) {
  const Applied applied = MustApply(
      a(), Transaction().Create("/x", "1").Create("/y", "2").Create("/x/z", "3").Set("/y", "4", 0));
  EXPECT_GT(applied.zxid, 0u);
  for (const char* path : {"/x", "/y", "/x/z"}) {
    EXPECT_EQ(a().Get(path)->stat.czxid, applied.zxid) << path;
  }
  EXPECT_EQ(a().Get("/y")->stat.mzxid, applied.zxid);
  EXPECT_EQ(a().Get("/x")->stat.ctime_ms, a().Get("/x/z")->stat.ctime_ms);
}

TEST_P(CoordinatorContract, ZxidsGrowWithEachTransactionOfAnySession) {
  uint64_t last = 0;
  for (int i = 0; i < 6; ++i) {
    Coordinator& coordinator = i % 2 == 0 ? a() : b();
    const std::string path = Join("/", std::to_string(i));
    const Applied applied = MustApply(coordinator, Transaction().Create(path, ""));
    EXPECT_GT(applied.zxid, last);
    last = applied.zxid;
  }
}

TEST_P(CoordinatorContract, EachOperationSeesTheEffectOfThoseBeforeIt) {
  MustApply(a(), Transaction()
                     .Create("/p", "0")
                     .Check("/p", 0)
                     .Set("/p", "1", 0)
                     .Set("/p", "2", 1)
                     .Check("/p", 2)
                     .Create("/p/c", "")
                     .Remove("/p/c", 0)
                     .Remove("/p", 2)
                     .Create("/p", "again"));
  PK_ASSERT_OK(const Node node, a().Get("/p"));
  EXPECT_EQ(node.value, "again");
  EXPECT_EQ(node.stat.version, 0);
  EXPECT_EQ(node.stat.children, 0);
  EXPECT_THAT(a().Get("/p/c"), testing::IsError(ErrorCode::kNotFound));
}

TEST_P(CoordinatorContract, AppliedGivesAPathAndAStatForEachOperation) {
  ASSERT_THAT(EnsurePath(a(), "/q"), testing::IsOk());
  const Applied applied =
      MustApply(a(), Transaction()
                         .Check("/q")
                         .Create("/q/s-", "v", CreateMode::kPersistentSequential)
                         .Create("/q/s-", "w", CreateMode::kPersistentSequential)
                         .Create("/q/e", "", CreateMode::kEphemeral)
                         .Set("/q", "x", 0)
                         .Remove("/q/e", 0));
  ASSERT_EQ(applied.paths.size(), 6u);
  ASSERT_EQ(applied.stats.size(), 6u);
  EXPECT_EQ(applied.paths[0], "/q");
  EXPECT_EQ(applied.stats[0], NodeStat());
  EXPECT_EQ(a().Get(applied.paths[1])->value, "v");
  EXPECT_EQ(a().Get(applied.paths[2])->value, "w");
  EXPECT_LT(applied.paths[1], applied.paths[2]);
  EXPECT_EQ(applied.stats[1], a().Get(applied.paths[1])->stat);
  EXPECT_EQ(applied.paths[3], "/q/e");
  EXPECT_EQ(applied.stats[3].ephemeral_owner, a().session().id());
  EXPECT_EQ(applied.paths[4], "/q");
  EXPECT_EQ(applied.stats[4].version, 1);
  EXPECT_EQ(applied.stats[4].mzxid, applied.zxid);
  EXPECT_EQ(applied.stats[4].children, 3) << "as that operation left it";
  EXPECT_EQ(applied.paths[5], "/q/e");
  EXPECT_EQ(applied.stats[5], NodeStat());
}

TEST_P(CoordinatorContract, ARefusalNamesTheFirstOperationThatDidNotHoldAndWhy) {
  ASSERT_THAT(EnsurePath(a(), "/p/c"), testing::IsOk());
  ASSERT_THAT(a().Create("/e", "", CreateMode::kEphemeral), testing::IsOk());
  struct Case {
    Transaction bad;
    ErrorCode code;
  };
  const Case cases[] = {
      {Transaction().Check("/none"), ErrorCode::kNotFound},
      {Transaction().Check("/p", 1), ErrorCode::kConflict},
      {Transaction().Create("/p", ""), ErrorCode::kAlreadyExists},
      {Transaction().Create("/none/x", ""), ErrorCode::kNotFound},
      {Transaction().Create("/e/x", ""), ErrorCode::kFailedPrecondition},
      {Transaction().Set("/none", "", kAnyVersion), ErrorCode::kNotFound},
      {Transaction().Set("/p", "", 1), ErrorCode::kConflict},
      {Transaction().Remove("/none", kAnyVersion), ErrorCode::kNotFound},
      {Transaction().Remove("/p", 1), ErrorCode::kConflict},
      {Transaction().Remove("/p", 0), ErrorCode::kFailedPrecondition},
      {Transaction().Create("/new", ""), ErrorCode::kAlreadyExists},  // by the operation before
  };
  for (const Case& c : cases) {
    const Refused refused = MustRefuse(
        a(), Transaction().Check("/p").Create("/new", "").Append(c.bad).Check("/also/missing"));
    EXPECT_EQ(refused.operation, 2u) << refused.reason.ToString();
    EXPECT_EQ(refused.reason.code(), c.code) << refused.reason.ToString();
    EXPECT_THAT(a().Get("/new"), testing::IsError(ErrorCode::kNotFound));
  }
  EXPECT_EQ(MustRefuse(a(), Transaction().Check("/none")).operation, 0u);
}

TEST_P(CoordinatorContract, ARefusedTransactionChangesNothing) {
  MustApply(a(), Transaction().Create("/p", "p").Create("/p/c", "c").Create("/q", "q"));
  const std::vector<ReadRequest> everything = {{.path = "/"},   {.path = "/", .children = true},
                                               {.path = "/p"},  {.path = "/p", .children = true},
                                               {.path = "/q"},  {.path = "/q", .children = true},
                                               {.path = "/p/c"}};
  const auto read = [&] {
    EXPECT_THAT(b().Sync(), testing::IsOk());
    std::vector<std::pair<Node, std::vector<std::string>>> seen;
    auto replies = b().Read(everything);
    EXPECT_THAT(replies, testing::IsOk());
    for (auto& reply : *replies) seen.emplace_back(reply->node, reply->children);
    return seen;
  };
  const auto before = read();
  MustRefuse(a(), Transaction()
                      .Set("/p", "changed", 0)
                      .Remove("/p/c", 0)
                      .Create("/p/c", "new")
                      .Create("/p/e", "", CreateMode::kEphemeral)
                      .Create("/q/s-", "", CreateMode::kEphemeralSequential)
                      .Remove("/p/e", 0)
                      .Set("/q", "twice", 0)
                      .Set("/q", "twice", 1)
                      .Check("/none"));
  EXPECT_EQ(read(), before);
}

TEST_P(CoordinatorContract, ARefusalLetsItsCallerSeeWhatRefusedIt) {
  ASSERT_THAT(a().Create("/n", "0"), testing::IsOk());
  for (int32_t version = 0; version < 20; ++version) {
    Coordinator& winner = version % 2 == 0 ? a() : b();
    Coordinator& loser = version % 2 == 0 ? b() : a();
    ASSERT_THAT(winner.Set("/n", std::to_string(version), version), testing::IsOk());
    MustRefuse(loser, Transaction().Set("/n", "late", version));
    EXPECT_EQ(loser.Get("/n")->stat.version, version + 1) << "without a Sync";
  }
}

TEST_P(CoordinatorContract, AnEmptyTransactionAndOneOfChecksAreSteps) {
  ASSERT_THAT(a().Create("/n", ""), testing::IsOk());
  const Applied empty = MustApply(a(), Transaction());
  EXPECT_THAT(empty.paths, ::testing::IsEmpty());
  EXPECT_THAT(empty.stats, ::testing::IsEmpty());
  MustApply(a(), Transaction().Check("/n").Check("/n", 0));
  EXPECT_EQ(MustRefuse(a(), Transaction().Check("/n").Check("/n", 1)).operation, 1u);
  EXPECT_EQ(a().Get("/n")->stat.version, 0);
}

TEST_P(CoordinatorContract, AMultiReadGivesOneReplyPerRequestAndErrorsOfTheirOwn) {
  MustApply(a(), Transaction().Create("/p", "v").Create("/p/b", "").Create("/p/a", ""));
  PK_ASSERT_OK(const auto replies, a().Read({{.path = "/p"},
                                             {.path = "/none"},
                                             {.path = "/p", .children = true},
                                             {.path = "/none", .children = true},
                                             {.path = "/p"}}));
  ASSERT_EQ(replies.size(), 5u);
  EXPECT_EQ(replies[0]->node.value, "v");
  EXPECT_EQ(replies[0]->node.stat.children, 2);
  EXPECT_THAT(replies[1], testing::IsErrorWith(ErrorCode::kNotFound, "/none"));
  EXPECT_THAT(replies[2]->children, ::testing::ElementsAre("a", "b"));
  EXPECT_THAT(replies[3], testing::IsErrorWith(ErrorCode::kNotFound, "/none"));
  EXPECT_EQ(replies[4]->node, replies[0]->node);
  EXPECT_THAT(a().Read({}), testing::IsOkAnd(::testing::IsEmpty()));
}

TEST_P(CoordinatorContract, StatsAreThoseOfGetAndErrorsOfTheirOwn) {
  MustApply(a(), Transaction().Create("/p", "v").Create("/p/b", "").Set("/p", "w", 0));
  ASSERT_THAT(a().Create("/p/e", "", CreateMode::kEphemeral), testing::IsOk());
  ASSERT_THAT(b().Sync(), testing::IsOk());
  PK_ASSERT_OK(const auto stats, b().Stats({"/p", "/none", "/p/e", "/", "/p"}));
  ASSERT_EQ(stats.size(), 5u);
  EXPECT_EQ(*stats[0], b().Get("/p")->stat);
  EXPECT_EQ(stats[0]->children, 2);
  EXPECT_THAT(stats[1], testing::IsErrorWith(ErrorCode::kNotFound, "/none"));
  EXPECT_EQ(*stats[2], b().Get("/p/e")->stat);
  EXPECT_EQ(stats[2]->ephemeral_owner, a().session().id());
  EXPECT_EQ(*stats[3], b().Get("/")->stat);
  EXPECT_EQ(*stats[4], *stats[0]);
  EXPECT_THAT(a().Stats({}), testing::IsOkAnd(::testing::IsEmpty()));
  EXPECT_THAT(a().Stats({"/p", "bad"}), testing::IsError(ErrorCode::kInvalidArgument));
}

TEST_P(CoordinatorContract, ARequestOverALimitIsRefusedAndChangesNothing) {
  const auto bad = ErrorCode::kInvalidArgument;
  const size_t most = kMaxRequestBytes - kOperationOverheadBytes - std::string("/n").size();
  const auto too_large = a().Create("/n", std::string(most + 1, 'x'));
  EXPECT_THAT(too_large, testing::IsErrorWith(bad, "900000"));
  EXPECT_THAT(too_large, testing::IsErrorWith(bad, "/n"));
  EXPECT_THAT(a().Get("/n"), testing::IsError(ErrorCode::kNotFound));
  const Transaction halves = Transaction()
                                 .Create("/n", std::string(most / 2, 'x'))
                                 .Create("/m", std::string(most / 2, 'x'));
  EXPECT_THAT(a().Commit(halves), testing::IsError(bad));
  Transaction many;
  for (size_t i = 0; i <= kMaxOperations; ++i) many.Check("/");
  EXPECT_THAT(a().Commit(many), testing::IsError(bad));
  EXPECT_THAT(a().Read(std::vector<ReadRequest>(kMaxOperations + 1, {.path = "/"})),
              testing::IsError(bad));
  EXPECT_THAT(a().Stats(std::vector<std::string>(kMaxOperations + 1, "/")), testing::IsError(bad));
  const std::string longest = "/" + std::string(kMaxPathBytes - 1, 'p');
  EXPECT_THAT(a().Create(longest + "p", ""), testing::IsError(bad));
  EXPECT_THAT(a().Create(longest, "", CreateMode::kPersistentSequential), testing::IsError(bad));
  EXPECT_THAT(a().List("/"), testing::IsOkAnd(::testing::Not(::testing::Contains("n"))));
}

TEST_P(CoordinatorContract, ARequestAtALimitIsTaken) {
  const size_t most = kMaxRequestBytes - kOperationOverheadBytes - std::string("/n").size();
  const std::string value(most, 'x');
  ASSERT_THAT(a().Create("/n", value), testing::IsOk());
  EXPECT_EQ(Latest(b(), "/n")->value, value);
  const std::string longest = "/" + std::string(kMaxPathBytes - 1, 'p');
  EXPECT_THAT(a().Create(longest, ""), testing::IsOk());
  Transaction many;
  for (size_t i = 0; i < kMaxOperations; ++i) many.Check("/");
  MustApply(a(), many);
  Transaction nodes;
  for (int i = 0; i < 1'000; ++i) nodes.Create(Join("/", "c" + std::to_string(i)), "");
  MustApply(a(), nodes);
  EXPECT_EQ(Latest(b(), "/")->stat.children, a().Get("/")->stat.children);
}

}  // namespace pk::coordination
