// A request that lies in a stopped follower while its client goes on elsewhere with a new session,
// and is carried out when the follower is woken: what is proof then, and what is not.

#include "tests/zookeeper/stopped_follower_fixture.h"

namespace pk::coordination {
namespace {

using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;

// A head that moves from version to version, each time with a record of who moved it.
class StoppedFollowerOfAHead : public StoppedFollower {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(StoppedFollower::SetUp());
    ASSERT_THAT(elsewhere_->Create("/head", ""), IsOk());
    ASSERT_THAT(elsewhere_->Create("/records", ""), IsOk());
    PK_ASSERT_OK(watch_, elsewhere_->StartWatch("/head", WatchScope::kNode));
    writer_ = Open(follower_);
    ASSERT_NE(writer_, nullptr);
    ASSERT_THAT(writer_->Sync(), IsOk());
  }

  static Transaction Move(const std::string& who) {
    return Transaction().Set("/head", who, 0).Create("/records/1", who);
  }
  void SendIntoTheStoppedServer(const std::string& who) {
    Stop();
    ASSERT_THAT(writer_->Commit(Move(who)), IsErrorWith(ErrorCode::kOutcomeUnknown, "/head"));
  }
  void ExpectMovedOnceBy(const std::string& who) {
    ASSERT_THAT(elsewhere_->Sync(), IsOk());
    PK_ASSERT_OK(const auto head, elsewhere_->Get("/head"));
    EXPECT_EQ(head.value, who);
    EXPECT_EQ(head.stat.version, 1);
    EXPECT_THAT(elsewhere_->List("/records"), IsOkAnd(std::vector<std::string>{"1"}));
    PK_ASSERT_OK(const auto record, elsewhere_->Get("/records/1"));
    EXPECT_EQ(record.value, who);
  }

  std::unique_ptr<coordination::Watch> watch_;
  std::unique_ptr<Coordinator> writer_;
};

TEST_F(StoppedFollowerOfAHead, CarriesOutWhatWasSentAlthoughTheOldVersionWasReadElsewhere) {
  ASSERT_NO_FATAL_FAILURE(SendIntoTheStoppedServer("writer"));
  ASSERT_THAT(elsewhere_->Sync(), IsOk());
  PK_ASSERT_OK(const auto still_there, elsewhere_->Get("/head"));
  EXPECT_EQ(still_there.stat.version, 0) << "which proves nothing:";
  Wake();
  ASSERT_TRUE(watch_->Wait(Soon()));
  ExpectMovedOnceBy("writer");
  // Sent again it is refused, and the record says that it was done.
  PK_ASSERT_OK(const auto again, elsewhere_->Commit(Move("writer")));
  ASSERT_TRUE(std::holds_alternative<Refused>(again));
  EXPECT_EQ(std::get<Refused>(again).operation, 0u);
  EXPECT_EQ(std::get<Refused>(again).reason.code(), ErrorCode::kConflict);
  ExpectMovedOnceBy("writer");
}

TEST_F(StoppedFollowerOfAHead, RefusesWhatWasSentAgainElsewhereMeanwhile) {
  ASSERT_NO_FATAL_FAILURE(SendIntoTheStoppedServer("writer"));
  PK_ASSERT_OK(const auto again, elsewhere_->Commit(Move("writer")));
  EXPECT_TRUE(std::holds_alternative<Applied>(again));
  ASSERT_NO_FATAL_FAILURE(WakeAndWaitFor(*writer_));
  ExpectMovedOnceBy("writer");
}

TEST_F(StoppedFollowerOfAHead, RefusesWhatAnotherWriterWasFasterWith) {
  ASSERT_NO_FATAL_FAILURE(SendIntoTheStoppedServer("writer"));
  PK_ASSERT_OK(const auto other, elsewhere_->Commit(Move("other")));
  EXPECT_TRUE(std::holds_alternative<Applied>(other));
  ASSERT_NO_FATAL_FAILURE(WakeAndWaitFor(*writer_));
  ExpectMovedOnceBy("other");
}

}  // namespace
}  // namespace pk::coordination
