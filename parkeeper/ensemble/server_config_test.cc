#include "parkeeper/ensemble/server_config.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/support/matchers.h"

namespace pk::ensemble {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using ::testing::Not;

Settings Sample() {
  return {.size = 3,
          .port = 4'000,
          .heap_mb = 128,
          .tick_ms = 500,
          .tls = true,
          .super_digest = SuperDigest("secret"),
          .version = "3.9.5",
          .zookeeper_home = "/opt/zookeeper"};
}

TEST(Settings, SurviveJson) {
  EXPECT_THAT(ParseSettings(ToJson(Sample())), IsOkAnd(Sample()));
  EXPECT_THAT(ParseSettings(ToJson(Settings{})), IsOkAnd(Settings{}));
}

TEST(Settings, OfANewerFormatAreUnsupported) {
  EXPECT_THAT(ParseSettings(R"({"format": 2})"), IsError(ErrorCode::kUnsupported));
}

TEST(Settings, ThatAreDamagedAreRefused) {
  EXPECT_THAT(ParseSettings("{"), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(ParseSettings(R"({"format": 1})"), IsError(ErrorCode::kCorrupt));
  Settings wrong = Sample();
  wrong.size = 1'000'000'000;
  EXPECT_THAT(ParseSettings(ToJson(wrong)), IsError(ErrorCode::kCorrupt));
}

TEST(Settings, HaveBounds) {
  EXPECT_THAT(Validate(Sample()), IsOk());
  EXPECT_THAT(Validate({.size = 0}), IsErrorWith(ErrorCode::kInvalidArgument, "servers"));
  EXPECT_THAT(Validate({.size = 10}), IsErrorWith(ErrorCode::kInvalidArgument, "servers"));
  EXPECT_THAT(Validate({.port = 0}), IsErrorWith(ErrorCode::kInvalidArgument, "port"));
  EXPECT_THAT(Validate({.size = 3, .port = 65'528}),
              IsErrorWith(ErrorCode::kInvalidArgument, "port"));
  EXPECT_THAT(Validate({.size = 3, .port = 65'527}), IsOk());
  EXPECT_THAT(Validate({.heap_mb = 1}), IsErrorWith(ErrorCode::kInvalidArgument, "heap"));
  EXPECT_THAT(Validate({.tick_ms = 1}), IsErrorWith(ErrorCode::kInvalidArgument, "tick"));
}

TEST(Ports, AreOneBlockWithoutDoubles) {
  const Settings settings = Sample();
  std::set<int> ports;
  for (int id = 1; id <= settings.size; ++id) {
    const Ports own = PortsOf(settings, id);
    EXPECT_EQ(own.client, settings.port + id - 1);
    ports.insert({own.client, own.quorum, own.election, own.secure});
  }
  EXPECT_EQ(ports.size(), size_t(PortCount(settings)));
  EXPECT_EQ(*ports.begin(), settings.port);
  EXPECT_EQ(*ports.rbegin(), settings.port + PortCount(settings) - 1);
}

TEST(ConnectString, NamesEveryServer) {
  EXPECT_EQ(ConnectString(Sample()), "127.0.0.1:4000,127.0.0.1:4001,127.0.0.1:4002");
  EXPECT_EQ(SecureConnectString(Sample()), "127.0.0.1:4009,127.0.0.1:4010,127.0.0.1:4011");
  EXPECT_EQ(ConnectString({.size = 1}), "127.0.0.1:2181");
  EXPECT_EQ(SecureConnectString({.size = 1}), "");
}

TEST(Configuration, OfOneOfThreeNamesItsPeers) {
  EXPECT_THAT(
      ConfigurationText(Sample(), "/e", 2),
      AllOf(HasSubstr("\nclientPort=4001\n"), HasSubstr("\nclientPortAddress=127.0.0.1\n"),
            HasSubstr("\ndataDir=/e/server-2/data\n"), HasSubstr("\ndataLogDir=/e/server-2/log\n"),
            HasSubstr("\ntickTime=500\n"), HasSubstr("\nserver.1=127.0.0.1:4003:4006\n"),
            HasSubstr("\nserver.3=127.0.0.1:4005:4008\n")));
  EXPECT_THAT(ConfigurationText(Sample(), "/e", 2),
              AllOf(HasSubstr("\nextendedTypesEnabled=true\n"), HasSubstr("\nmaxClientCnxns=0\n"),
                    HasSubstr("\nserverCnxnFactory=org.apache.zookeeper.server.Netty"),
                    HasSubstr("\nadmin.enableServer=false\n"), HasSubstr("srvr"),
                    HasSubstr("\nautopurge.purgeInterval=1\n")));
}

TEST(Configuration, OfASingleServerHasNoPeers) {
  EXPECT_THAT(ConfigurationText({.size = 1}, "/e", 1), Not(HasSubstr("server.1=")));
}

TEST(Configuration, HasTlsAndSuperuserOnlyWhenAskedFor) {
  EXPECT_THAT(ConfigurationText(Sample(), "/e", 3),
              AllOf(HasSubstr("\nsecureClientPort=4011\n"),
                    HasSubstr("\nssl.keyStore.location=/e/tls/server.pem\n"),
                    HasSubstr("\nssl.trustStore.location=/e/tls/ca.pem\n"),
                    HasSubstr("superDigest=super:")));
  EXPECT_THAT(ConfigurationText(Settings{}, "/e", 3),
              AllOf(Not(HasSubstr("ssl")), Not(HasSubstr("superDigest"))));
}

TEST(ServerCommand, CarriesTheMarkAndTheHeap) {
  const auto command = ServerCommand(Sample(), "/e", 2, "/bin/java", "/jars/*");
  EXPECT_EQ(command.front(), "/bin/java");
  EXPECT_EQ(command.back(), "/e/server-2/zoo.cfg");
  EXPECT_THAT(command,
              AllOf(Contains(ProcessMark("/e", 2)), Contains("-Xmx128m"),
                    Contains("-Dio.netty.noUnsafe=true"), Not(Contains(ProcessMark("/e", 1)))));
}

TEST(SuperDigest, IsWhatZooKeeperComputes) {
  // From ZooKeeper's own DigestAuthenticationProvider.generateDigest.
  EXPECT_EQ(SuperDigest("secret"), "super:lK75jTNcA+U9vtVEw5vB51mj/w4=");
}

}  // namespace
}  // namespace pk::ensemble
