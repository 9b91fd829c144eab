#include "parkeeper/lake/zookeeper_url.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace pk::lake {
namespace {

using testing::IsErrorWith;

TEST(ZooKeeperUrl, NamesHostsChrootAndWarehouse) {
  PK_ASSERT_OK(const ZooKeeperUrl url,
               ParseZooKeeperUrl("zk://a:2181,b:2182/lakes/main?warehouse=file:///data", ""));
  EXPECT_EQ(url.coordinator.connect, "a:2181,b:2182/lakes/main");
  EXPECT_EQ(url.warehouse, "file:///data");
  EXPECT_FALSE(url.coordinator.tls.has_value());
  EXPECT_FALSE(url.coordinator.digest.has_value());
}

TEST(ZooKeeperUrl, MayEndWithASlash) {
  PK_ASSERT_OK(const ZooKeeperUrl url, ParseZooKeeperUrl("zk://a/", ""));
  EXPECT_EQ(url.coordinator.connect, "a");
  EXPECT_EQ(url.warehouse, "");
}

TEST(ZooKeeperUrl, DecodesItsParameters) {
  PK_ASSERT_OK(const ZooKeeperUrl url,
               ParseZooKeeperUrl("zk://a?warehouse=file:///a%26b%25&session-timeout-ms=4000", ""));
  EXPECT_EQ(url.warehouse, "file:///a&b%");
  EXPECT_EQ(url.coordinator.session_timeout, std::chrono::seconds(4));
}

TEST(ZooKeeperUrl, OfTlsTakesCertificates) {
  PK_ASSERT_OK(
      const ZooKeeperUrl url,
      ParseZooKeeperUrl("zks://a?ca=/ca.pem&certificate=/c.pem&key=/k.pem&verify=false", ""));
  ASSERT_TRUE(url.coordinator.tls.has_value());
  EXPECT_EQ(url.coordinator.tls->ca_file, "/ca.pem");
  EXPECT_EQ(url.coordinator.tls->certificate_file, "/c.pem");
  EXPECT_EQ(url.coordinator.tls->key_file, "/k.pem");
  EXPECT_FALSE(url.coordinator.tls->verify);
  PK_ASSERT_OK(const ZooKeeperUrl plain, ParseZooKeeperUrl("zks://a", ""));
  EXPECT_TRUE(plain.coordinator.tls->verify);
}

TEST(ZooKeeperUrl, TakesUserAndPasswordFromOutside) {
  PK_ASSERT_OK(const ZooKeeperUrl url, ParseZooKeeperUrl("zk://a", "ann:top:secret"));
  ASSERT_TRUE(url.coordinator.digest.has_value());
  EXPECT_EQ(url.coordinator.digest->user, "ann");
  EXPECT_EQ(url.coordinator.digest->password, "top:secret");
  const auto wrong = ParseZooKeeperUrl("zk://a", "secret");
  EXPECT_THAT(wrong, IsErrorWith(ErrorCode::kInvalidArgument, kDigestVariable));
  EXPECT_EQ(wrong.error().message().find("secret"), std::string::npos);
}

TEST(ZooKeeperUrl, KeepsWhatItDoesNotSay) {
  PK_ASSERT_OK(const ZooKeeperUrl url,
               ParseZooKeeperUrl("zk://a", "", {.session_timeout = std::chrono::seconds(7)}));
  EXPECT_EQ(url.coordinator.session_timeout, std::chrono::seconds(7));
}

TEST(ZooKeeperUrl, ThatIsWrongSaysWhere) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"zk://", "names no host"},
      {"zk:///chroot", "zk:///chroot"},
      {"zk://a?colour=blue", "colour"},
      {"zk://a?warehouse", "name=value"},
      {"zk://a?=x", "name=value"},
      {"zk://a?warehouse=%4", "%4"},
      {"zk://a?warehouse=%zz", "%zz"},
      {"zk://a?ca=/ca.pem", "zks://"},
      {"zks://a?verify=maybe", "maybe"},
      {"zk://a?session-timeout-ms=10s", "10s"},
      {"zk://a?session-timeout-ms=-1", "-1"},
  };
  for (const auto& [url, text] : kWrong) {
    EXPECT_THAT(ParseZooKeeperUrl(url, ""), IsErrorWith(ErrorCode::kInvalidArgument, text)) << url;
  }
}

}  // namespace
}  // namespace pk::lake
