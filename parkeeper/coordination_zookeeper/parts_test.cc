// The parts of the client that do no I/O.

#include <gtest/gtest.h>

#include "parkeeper/coordination/local_session.h"
#include "parkeeper/coordination_zookeeper/connect_string_internal.h"
#include "parkeeper/coordination_zookeeper/frame_buffer_internal.h"
#include "parkeeper/coordination_zookeeper/jute_internal.h"
#include "parkeeper/coordination_zookeeper/request_queue_internal.h"
#include "parkeeper/coordination_zookeeper/watch_table_internal.h"
#include "tests/support/matchers.h"

namespace pk::coordination::zookeeper {
namespace {

using std::chrono_literals::operator""s;
using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::IsOkAnd;
using ::testing::ElementsAre;

TEST(ConnectString, HasHostsWithPortsAndAChroot) {
  const ConnectString expected = {
      .hosts = {{"zk1", 2181}, {"10.0.0.2", 2182}, {"::1", 2183}, {"fe80::2", 2181}},
      .chroot = "/lakes/one"};
  EXPECT_THAT(ParseConnectString("zk1,10.0.0.2:2182,[::1]:2183,[fe80::2]/lakes/one"),
              IsOkAnd(expected));
  EXPECT_EQ(expected.hosts[2].ToString(), "[::1]:2183");
  EXPECT_THAT(ParseConnectString("zk1:2181/"),
              IsOkAnd(ConnectString{.hosts = {{"zk1", 2181}}, .chroot = ""}));
}

TEST(ConnectString, RefusesWhatIsNone) {
  for (const char* text :
       {"", "/a", "zk1:", "zk1:0", "zk1:65536", "zk1:x", "zk1,,zk2", "::1", "[::1", "[::1]x",
        "zk 1", "zk1/a/", "zk1//a", "zk1/zookeeper", "[]", "[[]", "zk]", "zk\n1", "zk\x7f"}) {
    EXPECT_THAT(ParseConnectString(text), IsErrorWith(ErrorCode::kInvalidArgument, text)) << text;
  }
}

TEST(Jute, ReadsWhatItWrote) {
  JuteWriter writer;
  writer.Int(-7);
  writer.Long(int64_t{-1} << 40);
  writer.Bool(true);
  writer.String("ab", "c");
  const std::string bytes = writer.Take();
  EXPECT_EQ(bytes.substr(0, 4), "\xFF\xFF\xFF\xF9");
  JuteReader reader(bytes);
  EXPECT_THAT(reader.Int(), IsOkAnd(-7));
  EXPECT_THAT(reader.Long(), IsOkAnd(int64_t{-1} << 40));
  EXPECT_THAT(reader.Bool(), IsOkAnd(true));
  EXPECT_THAT(reader.String(), IsOkAnd(std::string_view("abc")));
  EXPECT_EQ(reader.left(), 0u);
  EXPECT_THAT(reader.Bool(), IsError(ErrorCode::kCorrupt));
}

TEST(FrameBuffer, GrowsWithLargeFramesAndGivesThemWhole) {
  const std::string large(3'000'000, 'x');
  JuteWriter writer;
  for (const std::string& frame : {std::string("small"), large, std::string("after")}) {
    writer.String(frame);
  }
  const std::string bytes = writer.Take();
  FrameBuffer frames;
  std::vector<std::string> found;
  for (size_t at = 0; at < bytes.size();) {
    const auto space = frames.Space();
    EXPECT_LT(space.size(), 3 * (at + 65'536)) << "memory follows the bytes";
    const size_t piece = std::min(space.size(), bytes.size() - at);
    bytes.copy(space.data(), piece, at);
    frames.Filled(piece);
    at += piece;
    while (true) {
      PK_ASSERT_OK(const auto frame, frames.Next());
      if (!frame) break;
      found.emplace_back(*frame);
    }
  }
  EXPECT_THAT(found, ElementsAre("small", large, "after"));
}

// A queue and what became of the requests given to it.
struct Queue {
  void Add(const std::string& name, bool modifies, int deadline_s = 100) {
    queue.Add({.code = OpCode::kExists,
               .frame = EncodeRead("/" + name),
               .modifies = modifies,
               .deadline = SteadyTime(std::chrono::seconds(deadline_s)),
               .done = [this, name](const Result<Reply>& reply) {
                 ended.push_back(
                     name + " " +
                     (reply.ok() ? reply->body : std::string(ErrorCodeName(reply.error().code()))));
               }});
  }
  std::string Send(size_t most = 1'000'000) {
    std::string bytes;
    queue.Send(SteadyTime(1s), most, bytes);
    return bytes;
  }
  RequestQueue queue;
  std::vector<std::string> ended;
};

TEST(RequestQueue, AnswersInTheOrderOfSending) {
  Queue q;
  q.Add("a", true);
  q.Add("b", false);
  q.Send();
  EXPECT_THAT(q.queue.Answer({.xid = 2}, "", nullptr), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(q.queue.Answer({.xid = 1}, "1", nullptr), IsOk());
  EXPECT_THAT(q.queue.Answer({.xid = 2}, "2", nullptr), IsOk());
  EXPECT_THAT(q.queue.Answer({.xid = 3}, "3", nullptr), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(q.ended, ElementsAre("a 1", "b 2"));
}

TEST(RequestQueue, ADisconnectEndsSentModificationsAndKeepsTheRestInOrder) {
  Queue q;
  q.Add("read1", false);
  q.Add("write", true);
  q.Add("read2", false);
  q.Send();
  q.Add("unsent", true);
  q.queue.Disconnected("gone");
  EXPECT_THAT(q.ended, ElementsAre("write outcome_unknown"));
  const std::string again = q.Send();
  EXPECT_LT(again.find("/read1"), again.find("/read2"));
  EXPECT_LT(again.find("/read2"), again.find("/unsent"));
  EXPECT_EQ(again.find("/write"), std::string::npos);
  q.queue.EndAll("lost");
  EXPECT_THAT(q.ended, ElementsAre("write outcome_unknown", "unsent outcome_unknown",
                                   "read1 unavailable", "read2 unavailable"));
}

TEST(RequestQueue, SendsNoMoreAheadThanAsked) {
  Queue q;
  for (int i = 0; i < 10; ++i) q.Add("n", true);
  EXPECT_LT(q.Send(30).size(), 60u);
  EXPECT_TRUE(q.queue.has_unsent());
}

TEST(RequestQueue, DeadlinesEndSentAndUnsentRequestsAndDropLateAnswers) {
  Queue q;
  q.Add("write", true, 10);
  q.Add("read", false, 11);
  q.Add("later", false, 20);
  q.Send();
  q.Add("unsent", true, 12);
  EXPECT_EQ(q.queue.next_deadline(), SteadyTime(10s));
  q.queue.Expire(SteadyTime(12s), "late");
  EXPECT_THAT(q.ended,
              ElementsAre("write outcome_unknown", "read unavailable", "unsent unavailable"));
  EXPECT_EQ(q.queue.next_deadline(), SteadyTime(20s));
  EXPECT_THAT(q.queue.Answer({.xid = 1}, "dropped", nullptr), IsOk());
  q.queue.Disconnected("gone");
  q.Send();
  EXPECT_THAT(q.queue.Answer({.xid = 4}, "answer", nullptr), IsOk());
  EXPECT_EQ(q.ended.back(), "later answer");
}

// Which of the watches on /w an event rings: n(ode), c(hildren), s(ubtree).
std::string Rung(EventType type, const std::string& path) {
  WatchTable table;
  ManualClock clock;
  LocalSession session(1, 10s, clock);
  std::string rung;
  std::vector<std::pair<char, std::shared_ptr<WatchState>>> watches;
  for (const auto& [name, scope] :
       {std::pair('n', WatchScope::kNode), std::pair('c', WatchScope::kChildren),
        std::pair('s', WatchScope::kSubtree)}) {
    watches.emplace_back(name, std::make_shared<WatchState>(scope));
    table.Add("/w", watches.back().second);
  }
  table.Dispatch({.type = static_cast<int32_t>(type), .path = path});
  for (const auto& [name, watch] : watches) {
    if (watch->Wait(session, clock, SteadyTime::min(), {})) rung += name;
  }
  return rung;
}

TEST(WatchTable, RingsEachWatchForItsScopeOnly) {
  EXPECT_EQ(Rung(EventType::kSet, "/w"), "ns");
  EXPECT_EQ(Rung(EventType::kRemoved, "/w"), "ncs");
  EXPECT_EQ(Rung(EventType::kChildrenChanged, "/w"), "cs");
  EXPECT_EQ(Rung(EventType::kCreated, "/w/c"), "cs");
  EXPECT_EQ(Rung(EventType::kRemoved, "/w/c"), "cs");
  EXPECT_EQ(Rung(EventType::kSet, "/w/c"), "s");
  EXPECT_EQ(Rung(EventType::kCreated, "/w/c/d"), "s");
  EXPECT_EQ(Rung(EventType::kCreated, "/w2"), "");
  EXPECT_EQ(Rung(EventType::kSet, "/"), "");
  EXPECT_EQ(Rung(static_cast<EventType>(99), "/w"), "");
  EXPECT_EQ(Rung(EventType::kSet, ""), "");
}

TEST(WatchTable, OnePathHasOneModeOnTheServer) {
  WatchTable table;
  const auto node = std::make_shared<WatchState>(WatchScope::kNode);
  const auto subtree = std::make_shared<WatchState>(WatchScope::kSubtree);
  EXPECT_EQ(table.Add("/w", node), WatchMode::kPersistent);
  EXPECT_EQ(table.Add("/w", subtree), WatchMode::kPersistentRecursive);
  EXPECT_EQ(table.Add("/w", node), WatchMode::kPersistentRecursive) << "not taken back";
  EXPECT_FALSE(table.Remove("/w", subtree));
  EXPECT_FALSE(table.Remove("/w", node));
  EXPECT_TRUE(table.Remove("/w", node)) << "the last one";
  EXPECT_FALSE(table.Remove("/w", node));
  EXPECT_TRUE(table.Chunks(100).empty());
}

TEST(WatchTable, ChunksStayBelowTheirSize) {
  WatchTable table;
  for (int i = 0; i < 1'000; ++i) {
    table.Add("/" + std::to_string(i), std::make_shared<WatchState>(WatchScope::kNode));
  }
  size_t paths = 0;
  const auto chunks = table.Chunks(500);
  for (const WatchChunk& chunk : chunks) {
    EXPECT_LE(EncodeSetWatches(0, chunk.persistent, chunk.recursive).size(), 500u + 40);
    paths += chunk.persistent.size();
  }
  EXPECT_EQ(paths, 1'000u);
  EXPECT_GT(chunks.size(), 10u);
}

}  // namespace
}  // namespace pk::coordination::zookeeper
