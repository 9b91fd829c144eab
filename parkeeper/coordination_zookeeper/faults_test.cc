// The client against servers that misbehave.

#include <gtest/gtest.h>

#include <future>

#include "parkeeper/coordination_zookeeper/client_internal.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"
#include "tests/support/fake_zookeeper.h"
#include "tests/support/matchers.h"

namespace pk::coordination::zookeeper {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using ::pk::testing::FakeConnection;
using ::pk::testing::FakeZooKeeper;
using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::ReceivedConnect;
using ::pk::testing::ReceivedRequest;

constexpr uint64_t kSession = 0x7001;

SteadyTime Soon() { return SystemClock().Now() + 30s; }

void AttachAndServe(FakeConnection& connection) {
  connection.Attach(kSession);
  connection.Serve();
}

std::unique_ptr<Coordinator> OpenOrDie(ZooKeeperOptions options) {
  auto opened = OpenZooKeeper(std::move(options));
  EXPECT_THAT(opened, IsOk());
  return opened.ok() ? std::move(opened).value() : nullptr;
}

// Waits until the state is `wanted`; false at the deadline.
bool Becomes(Session& session, SessionState wanted) {
  SessionState state = session.state();
  while (state != wanted) {
    const SessionState next = session.WaitForChange(state, Soon());
    if (next == state) return false;
    state = next;
  }
  return state == wanted;
}

TEST(Faults, AServerThatSendsGarbageInsteadOfASessionIsLeft) {
  std::string huge(4, '\x7F');
  for (const std::string& garbage :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n and more"), std::string(100, '\xFF'), huge,
        std::string(4, '\0'), std::string("\0\0\0\x08short", 9)}) {
    FakeZooKeeper server({[&](FakeConnection& connection) {
                            connection.ReceiveConnect();
                            connection.SendRaw(garbage);
                          },
                          AttachAndServe});
    const auto opened = OpenOrDie({.connect = server.connect()});
    ASSERT_NE(opened, nullptr);
    EXPECT_THAT(opened->Get("/n"), IsOk());
  }
}

TEST(Faults, AServerThatAcceptsAndNeverAnswersIsLeft) {
  FakeZooKeeper server(
      {[](FakeConnection& connection) { connection.WaitForEnd(); }, AttachAndServe});
  // Half of the time for the first server, the other half is the second one's.
  const auto opened = OpenOrDie({.connect = server.connect(), .connect_timeout = 4s});
  ASSERT_NE(opened, nullptr);
  EXPECT_THAT(opened->Get("/n"), IsOk());
}

TEST(Faults, AnUnreachableServerIsAClearErrorWithinTheDeadline) {
  std::string nobody;
  {
    nobody = FakeZooKeeper({}).connect();
  }
  const auto opened = OpenZooKeeper({.connect = nobody, .connect_timeout = 1s});
  EXPECT_THAT(opened, IsErrorWith(ErrorCode::kUnavailable, nobody));
  EXPECT_THAT(OpenZooKeeper({.connect = nobody + "/lakes/main", .connect_timeout = 50ms}),
              IsErrorWith(ErrorCode::kUnavailable, "/lakes/main"));
  EXPECT_THAT(opened, IsErrorWith(ErrorCode::kUnavailable, "refused"));
}

TEST(Faults, TlsToAServerWithoutItIsUnauthenticated) {
  const auto garbage = [](FakeConnection& connection) {
    connection.SendRaw("this is no TLS record at all");
    connection.WaitForEnd();
  };
  FakeZooKeeper server({garbage});
  EXPECT_THAT(OpenZooKeeper({.connect = server.connect(), .tls = TlsOptions{}}),
              IsErrorWith(ErrorCode::kUnauthenticated, server.connect()));
  EXPECT_THAT(OpenZooKeeper({.connect = server.connect(), .tls = TlsOptions{.ca_file = "/none"}}),
              IsErrorWith(ErrorCode::kInvalidArgument, "/none"));
}

TEST(Faults, AMissingChrootIsNotFoundAndNamesHostAndPath) {
  FakeZooKeeper server({[](FakeConnection& connection) {
    connection.Attach(kSession);
    connection.Answer(connection.ReceiveRequest().xid, 1, kNoNode);
    connection.ServeOne(connection.ReceiveRequest());
    connection.Answer(connection.ReceiveRequest().xid, 1, kNoNode);
    connection.Serve();
  }});
  const auto opened = OpenZooKeeper({.connect = server.connect() + "/lake/one"});
  EXPECT_THAT(opened, IsErrorWith(ErrorCode::kNotFound, server.connect() + "/lake/one"));
}

TEST(Faults, AChrootThatTheServerDoesNotKnowYetIsNoMissingOne) {
  FakeZooKeeper server({[](FakeConnection& connection) {
    connection.Attach(kSession);
    connection.Answer(connection.ReceiveRequest().xid, 1, kNoNode);
    const ReceivedRequest step = connection.ReceiveRequest();
    EXPECT_TRUE(step.Is(OpCode::kMulti));
    connection.ServeOne(step);
    connection.Serve();
  }});
  EXPECT_THAT(OpenZooKeeper({.connect = server.connect() + "/lake/one"}), IsOk());
}

TEST(Faults, AChrootThatMayNotBeReadIsPermissionDenied) {
  FakeZooKeeper server({[](FakeConnection& connection) {
    connection.Attach(kSession);
    const ReceivedRequest auth = connection.ReceiveRequest();
    EXPECT_TRUE(auth.Is(OpCode::kAuth)) << "before everything else";
    EXPECT_NE(auth.body.find("me:secret"), std::string::npos);
    connection.Answer(kAuthXid, 0, 0);
    connection.Answer(connection.ReceiveRequest().xid, 1, kNoAuth);
    connection.Serve();
  }});
  const auto opened = OpenZooKeeper({.connect = server.connect() + "/lake",
                                     .digest = DigestAuth{.user = "me", .password = "secret"}});
  EXPECT_THAT(opened, IsErrorWith(ErrorCode::kPermissionDenied, "password"));
}

TEST(Faults, AServerWithoutQuorumIsRefusedUnlessAllowed) {
  const auto read_only = [](FakeConnection& connection) {
    connection.Attach(kSession, 30'000, true);
    connection.Serve();
  };
  FakeZooKeeper refused({read_only, AttachAndServe});
  const auto opened = OpenOrDie({.connect = refused.connect()});
  ASSERT_NE(opened, nullptr);
  EXPECT_EQ(opened->session().state(), SessionState::kConnected) << "the second answer";
  FakeZooKeeper allowed({read_only});
  const auto reader = OpenOrDie({.connect = allowed.connect(), .allow_read_only = true});
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->session().state(), SessionState::kSuspended);
  EXPECT_THAT(reader->Get("/n"), IsOk());
}

TEST(Faults, AReadInFlightAtADisconnectIsAskedAgainInTheSameSession) {
  ReceivedConnect again;
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          connection.ServeOne(connection.ReceiveRequest());
                          connection.ReceiveRequest();
                        },
                        [&](FakeConnection& connection) {
                          again = connection.Attach(kSession);
                          connection.Serve();
                        }});
  auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  EXPECT_THAT(opened->Sync(), IsOk());
  EXPECT_THAT(opened->Get("/n"), IsOk());
  opened.reset();
  EXPECT_EQ(again.session, kSession);
  EXPECT_EQ(again.password, std::string(16, 'p'));
  EXPECT_EQ(again.last_zxid, 101u) << "reads must not go back in time";
}

TEST(Faults, AModificationInFlightAtADisconnectHasAnUnknownOutcomeAndIsNotSentAgain) {
  int sets = 0;
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          connection.ReceiveRequest();
                        },
                        [&](FakeConnection& connection) {
                          connection.Attach(kSession);
                          while (true) {
                            const ReceivedRequest request = connection.ReceiveRequest();
                            if (request.code == 0) return;
                            sets += request.Is(OpCode::kSetData);
                            connection.ServeOne(request);
                          }
                        }});
  auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  EXPECT_THAT(opened->Set("/n", "x", 0), IsErrorWith(ErrorCode::kOutcomeUnknown, "/n"));
  EXPECT_TRUE(Becomes(opened->session(), SessionState::kConnected));
  EXPECT_THAT(opened->Get("/n"), IsOk());
  opened.reset();
  EXPECT_EQ(sets, 0);
}

TEST(Faults, WhatIsBegunGoesOutWithoutWaitingForAnAnswer) {
  constexpr size_t kMany = 500;
  FakeZooKeeper server({[](FakeConnection& connection) {
    connection.Attach(kSession);
    std::vector<ReceivedRequest> requests;
    while (requests.size() < kMany) requests.push_back(connection.ReceiveRequest());
    for (const ReceivedRequest& request : requests) connection.ServeOne(request);
    connection.Serve();
  }});
  const auto opened = OpenOrDie({.connect = server.connect(), .request_deadline = 30s});
  ASSERT_NE(opened, nullptr);
  std::vector<Pending<Node>> reads;
  for (size_t i = 0; i < kMany; ++i) reads.push_back(opened->BeginGet("/n"));
  for (auto& read : reads) EXPECT_EQ(read.Wait()->value, "value");
}

TEST(Faults, OfWhatIsBegunADisconnectEndsTheModificationsAndAsksTheReadsAgain) {
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          for (int i = 0; i < 4; ++i) connection.ReceiveRequest();
                        },
                        AttachAndServe});
  const auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  auto first = opened->BeginGet("/n");
  auto set = opened->BeginCommit(Transaction().Set("/n", "x", 0));
  auto check = opened->BeginCommit(Transaction());
  auto second = opened->BeginGet("/n");
  EXPECT_EQ(second.Wait()->value, "value") << "in any order";
  EXPECT_THAT(set.Wait(), IsErrorWith(ErrorCode::kOutcomeUnknown, "/n"));
  EXPECT_THAT(check.Wait(), IsOk());
  EXPECT_EQ(first.Wait()->value, "value");
}

TEST(Faults, ATransactionThatChangesNothingIsSentAgain) {
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          connection.ReceiveRequest();
                        },
                        AttachAndServe});
  const auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  EXPECT_THAT(opened->Commit(Transaction()), IsOk());
}

TEST(Faults, AnAnswerOutOfOrderEndsTheConnection) {
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          const ReceivedRequest request = connection.ReceiveRequest();
                          connection.Answer(request.xid + 1, 1, 0,
                                            FakeConnection::NodeBody("of another"));
                          connection.WaitForEnd();
                        },
                        AttachAndServe});
  const auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  PK_ASSERT_OK(const Node node, opened->Get("/n"));
  EXPECT_EQ(node.value, "value");
}

TEST(Faults, ADamagedReplyIsCorruptAndEndsTheConnection) {
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          const ReceivedRequest request = connection.ReceiveRequest();
                          std::string body = FakeConnection::NodeBody("value");
                          body[0] = '\x7F';  // a value of 2 GB
                          connection.Answer(request.xid, 1, 0, body);
                          connection.WaitForEnd();
                        },
                        [](FakeConnection& connection) {
                          connection.Attach(kSession);
                          connection.Answer(connection.ReceiveRequest().xid, 1, 0, "what");
                          connection.WaitForEnd();
                        },
                        AttachAndServe});
  const auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  EXPECT_THAT(opened->Get("/n"), IsErrorWith(ErrorCode::kCorrupt, "/n at " + server.connect()));
  EXPECT_THAT(opened->Set("/n", "", 0), IsError(ErrorCode::kOutcomeUnknown));
  EXPECT_THAT(opened->Get("/n"), IsOk());
}

TEST(Faults, AReplyOverTheLimitIsToldToItsRequestAndNotAskedForAgain) {
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          const ReceivedRequest request = connection.ReceiveRequest();
                          JuteWriter reply;
                          reply.Int(int32_t{65} << 20);
                          reply.Int(request.xid);
                          reply.Long(1);
                          reply.Int(0);
                          connection.SendRaw(reply.Take());
                          connection.WaitForEnd();
                        },
                        AttachAndServe});
  const auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  EXPECT_THAT(opened->List("/many"),
              IsErrorWith(ErrorCode::kUnsupported, "/many: " + server.connect() + ": reply of"));
  EXPECT_THAT(opened->Get("/n"), IsOk());
}

TEST(Faults, ASessionThatTheServerHasExpiredIsLost) {
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          connection.ServeOne(connection.ReceiveRequest());
                        },
                        [](FakeConnection& connection) { connection.Attach(0, 0); }});
  const auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  PK_ASSERT_OK(const auto watch, opened->StartWatch("/n", WatchScope::kNode));
  EXPECT_TRUE(Becomes(opened->session(), SessionState::kLost));
  EXPECT_TRUE(opened->session().lost().stop_requested());
  EXPECT_FALSE(watch->Wait(Soon()));
  EXPECT_THAT(opened->Get("/n"), IsErrorWith(ErrorCode::kUnavailable, "expired"));
}

TEST(Faults, ASessionThatHasMovedToAnotherConnectionIsTakenBack) {
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          connection.Answer(connection.ReceiveRequest().xid, 1, kSessionMoved);
                          connection.WaitForEnd();
                        },
                        AttachAndServe});
  const auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  EXPECT_THAT(opened->Set("/n", "", 0), IsErrorWith(ErrorCode::kUnavailable, "has moved"));
  EXPECT_THAT(opened->Get("/n"), IsOk()) << "on another connection";
  EXPECT_EQ(opened->session().state(), SessionState::kConnected);
}

TEST(Faults, AnotherSessionInsteadOfOursIsALoss) {
  FakeZooKeeper server({[](FakeConnection& connection) { connection.Attach(kSession); },
                        [](FakeConnection& connection) {
                          connection.Attach(kSession + 1);
                          connection.Serve();
                        }});
  const auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  EXPECT_TRUE(Becomes(opened->session(), SessionState::kLost));
  EXPECT_THAT(opened->Set("/n", "", 0), IsErrorWith(ErrorCode::kUnavailable, "instead"));
}

TEST(Faults, WatchesAreSetAgainAndToldToLookAgain) {
  std::vector<ReceivedRequest> again;
  FakeZooKeeper server({[](FakeConnection& connection) {
                          connection.Attach(kSession);
                          for (int i = 0; i < 2; ++i) {
                            connection.ServeOne(connection.ReceiveRequest());
                          }
                        },
                        [&](FakeConnection& connection) {
                          connection.Attach(kSession);
                          again.push_back(connection.ReceiveRequest());
                          connection.Answer(again.back().xid, 102, 0);
                          connection.Serve();
                        }});
  auto opened = OpenOrDie({.connect = server.connect()});
  ASSERT_NE(opened, nullptr);
  PK_ASSERT_OK(auto node, opened->StartWatch("/node", WatchScope::kNode));
  PK_ASSERT_OK(auto subtree, opened->StartWatch("/subtree", WatchScope::kSubtree));
  EXPECT_TRUE(node->Wait(Soon()));
  EXPECT_TRUE(subtree->Wait(Soon()));
  node.reset();
  subtree.reset();
  opened.reset();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].xid, kSetWatchesXid);
  const std::string expected = EncodeSetWatches(102, {"/node"}, {"/subtree"});
  EXPECT_EQ(again[0].body, expected.substr(kFrameHeaderBytes));
}

// Stands still until it is moved, and waits are real.
class StandingClock final : public ManualClock {
 public:
  bool Wait(Duration duration, std::stop_token stop) override {
    return SystemClock().Wait(duration, std::move(stop));
  }
};

struct OnStandingClock {
  explicit OnStandingClock(const FakeZooKeeper& server) {
    auto opened = Client::Open({.connect_timeout = 30s, .request_deadline = 5s, .clock = &clock},
                               ParseConnectString(server.connect()).value());
    EXPECT_THAT(opened, IsOk());
    client = std::move(opened).value();
  }
  void Advance(Duration by) {
    clock.Advance(by);
    client->LookAtClock();
  }
  StandingClock clock;
  std::unique_ptr<Client> client;
};

TEST(Faults, AServerThatStopsAnsweringIsLeftBeforeTheSessionIsLost) {
  std::promise<ReceivedRequest> pinged;
  FakeZooKeeper server({[&](FakeConnection& connection) {
                          connection.Attach(kSession, 12'000);
                          pinged.set_value(connection.ReceiveRequest());
                          connection.WaitForEnd();
                        },
                        [](FakeConnection& connection) {
                          connection.Attach(kSession, 12'000);
                          connection.Serve();
                        }});
  OnStandingClock on(server);
  Session& session = on.client->session();
  on.Advance(4s);
  EXPECT_TRUE(pinged.get_future().get().Is(OpCode::kPing)) << "after a third of the timeout";
  on.Advance(2s);
  EXPECT_THAT(on.client->Call(OpCode::kExists, EncodeRead("/"), false), IsOk());
  EXPECT_EQ(session.state(), SessionState::kConnected);
  on.clock.Advance(7s);
  EXPECT_EQ(session.state(), SessionState::kConnected) << "re-attaching renewed it";
}

TEST(Faults, TwoThirdsOfTheTimeoutWithoutAnAnswerAreALossWithoutTheNetwork) {
  for (const bool reachable : {true, false}) {
    FakeZooKeeper server({[&](FakeConnection& connection) {
      connection.Attach(kSession, 12'000);
      if (reachable) connection.WaitForEnd();
    }});
    OnStandingClock on(server);
    Session& session = on.client->session();
    if (!reachable) {
      EXPECT_TRUE(Becomes(session, SessionState::kSuspended));
    }
    on.clock.Advance(8s - 1ms);
    EXPECT_NE(session.state(), SessionState::kLost);
    on.clock.Advance(1ms);
    EXPECT_EQ(session.state(), SessionState::kLost) << "whether or not a thread has run";
    EXPECT_TRUE(session.lost().stop_requested());
    on.client->LookAtClock();
    EXPECT_THAT(on.client->Call(OpCode::kExists, EncodeRead("/"), false),
                IsErrorWith(ErrorCode::kUnavailable, "lost"));
  }
}

TEST(Faults, ADeadlineEndsWhatIsNotAnsweredAndItsLateAnswerIsDropped) {
  std::promise<void> arrived, answer;
  FakeZooKeeper server({[&](FakeConnection& connection) {
    connection.Attach(kSession, 120'000);
    const ReceivedRequest first = connection.ReceiveRequest();
    const ReceivedRequest second = connection.ReceiveRequest();
    arrived.set_value();
    answer.get_future().wait();
    connection.ServeOne(first);
    connection.ServeOne(second);
    connection.Serve();
  }});
  OnStandingClock on(server);
  Result<Reply> read = Unavailable(""), write = Unavailable("");
  {
    std::jthread reader([&] { read = on.client->Call(OpCode::kGetData, EncodeRead("/n"), false); });
    std::jthread writer([&] { write = on.client->Call(OpCode::kExists, EncodeRead("/"), true); });
    arrived.get_future().wait();
    on.Advance(5s);
  }
  EXPECT_THAT(read, IsErrorWith(ErrorCode::kUnavailable, server.connect()));
  EXPECT_THAT(write, IsError(ErrorCode::kOutcomeUnknown));
  answer.set_value();
  PK_ASSERT_OK(const Reply reply, on.client->Call(OpCode::kGetData, EncodeRead("/n"), false));
  EXPECT_THAT(DecodeNode(reply.body), IsOk());
  EXPECT_EQ(on.client->session().state(), SessionState::kConnected);
}

TEST(Faults, WhatWasNeverSentEndsAsDefinitelyNotDone) {
  FakeZooKeeper server({[](FakeConnection& connection) { connection.Attach(kSession, 120'000); }});
  OnStandingClock on(server);
  EXPECT_TRUE(Becomes(on.client->session(), SessionState::kSuspended));
  std::promise<Result<Reply>> outcome;
  on.client->Submit({.code = OpCode::kMulti,
                     .frame = EncodeTransaction({}, "", false),
                     .modifies = true,
                     .deadline = on.clock.Now() + 5s,
                     .done = [&](Result<Reply> reply) { outcome.set_value(std::move(reply)); }});
  on.Advance(5s);
  EXPECT_THAT(outcome.get_future().get(), IsErrorWith(ErrorCode::kUnavailable, "deadline"));
}

TEST(Faults, ASessionIsClosedWithItsCoordinator) {
  ReceivedRequest last;
  {
    FakeZooKeeper server({[&](FakeConnection& connection) {
      connection.Attach(kSession);
      last = connection.ReceiveRequest();
      connection.Answer(last.xid, 1, 0);
      connection.WaitForEnd();
    }});
    OpenOrDie({.connect = server.connect()}).reset();
  }
  EXPECT_TRUE(last.Is(OpCode::kCloseSession));
}

}  // namespace
}  // namespace pk::coordination::zookeeper
