// Damaged replies: every decoder says kCorrupt or finds other values, and stays within the bytes
// (which the sanitizers check).

#include <gtest/gtest.h>

#include <random>

#include "tests/support/matchers.h"
#include "tests/support/zookeeper_replies.h"

namespace pk::coordination::zookeeper {
namespace {

using ::pk::testing::Decodes;
using ::pk::testing::IsError;
using ::pk::testing::kReplyKinds;
using ::pk::testing::ReplyKind;
using ::pk::testing::SampleReply;

// In memory of its own, so that a read past the end is seen.
bool DecodesExactly(ReplyKind kind, const std::string& bytes) {
  const std::unique_ptr<char[]> copy(new char[bytes.size()]);
  bytes.copy(copy.get(), bytes.size());
  return Decodes(kind, {copy.get(), bytes.size()});
}

TEST(JuteDamage, WholeRepliesAreRead) {
  for (uint8_t kind = 0; kind < kReplyKinds; ++kind) {
    EXPECT_TRUE(DecodesExactly(ReplyKind(kind), SampleReply(ReplyKind(kind)))) << int{kind};
  }
}

TEST(JuteDamage, ATruncatedReplyIsCorrupt) {
  for (uint8_t i = 0; i < kReplyKinds; ++i) {
    const auto kind = ReplyKind(i);
    if (kind == ReplyKind::kFrames) continue;  // there it means: wait for more
    const std::string whole = SampleReply(kind);
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      // Old servers leave the last byte of a ConnectResponse out.
      if (kind == ReplyKind::kConnect && bytes + 1 == whole.size()) continue;
      EXPECT_FALSE(DecodesExactly(kind, whole.substr(0, bytes))) << int{i} << " at " << bytes;
    }
    if (kind == ReplyKind::kHeader) continue;  // the body follows it
    EXPECT_FALSE(DecodesExactly(kind, whole + '\0')) << int{i};
  }
}

TEST(JuteDamage, NoMutationOfARepliesBytesIsUndefined) {
  std::mt19937_64 random(20'261'122);
  const std::string_view nasty("\x00\x01\x7F\x80\xFF\xFE", 6);
  size_t read = 0, refused = 0;
  for (uint8_t i = 0; i < kReplyKinds; ++i) {
    const std::string whole = SampleReply(ReplyKind(i));
    for (int round = 0; round < 3'000; ++round) {
      std::string bytes = whole;
      for (uint64_t changes = 1 + random() % 4; changes > 0 && !bytes.empty(); --changes) {
        const size_t at = random() % bytes.size();
        switch (random() % 5) {
          case 0:
            bytes[at] = nasty[random() % nasty.size()];
            break;
          case 1:
            bytes.erase(at, random() % 8);
            break;
          case 2:
            bytes.insert(at, std::string(random() % 8, nasty[random() % nasty.size()]));
            break;
          default:
            bytes[at] = static_cast<char>(random());
        }
      }
      ++(DecodesExactly(ReplyKind(i), bytes) ? read : refused);
    }
  }
  EXPECT_GT(read, 100u);
  EXPECT_GT(refused, 100u);
}

TEST(JuteDamage, AClaimedLengthTakesNoMemory) {
  JuteWriter claim;
  claim.Int(0x7FFFFFFF);
  const std::string bytes = claim.Take();
  EXPECT_THAT(DecodeChildren(bytes), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(DecodeNode(bytes), IsError(ErrorCode::kCorrupt));
  JuteWriter negative;
  negative.Int(-2);
  EXPECT_THAT(DecodeChildren(negative.Take()), IsError(ErrorCode::kCorrupt));
}

TEST(JuteDamage, ResultsOfOtherOperationsThanAskedForAreCorrupt) {
  const std::string reply = SampleReply(ReplyKind::kTransaction);
  EXPECT_THAT(DecodeTransaction(reply, ::pk::testing::SampleTransaction()), ::pk::testing::IsOk());
  const auto corrupt = IsError(ErrorCode::kCorrupt);
  EXPECT_THAT(DecodeTransaction(reply, Transaction()), corrupt);
  EXPECT_THAT(DecodeTransaction(reply, Transaction().Check("/a")), corrupt);
  EXPECT_THAT(DecodeTransaction(reply, ::pk::testing::SampleTransaction().Check("/more")), corrupt);
  EXPECT_THAT(DecodeReads(SampleReply(ReplyKind::kReads), {{.path = "/a", .children = true}}),
              corrupt);
}

}  // namespace
}  // namespace pk::coordination::zookeeper
