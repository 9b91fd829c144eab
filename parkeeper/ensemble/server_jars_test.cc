#include "parkeeper/ensemble/server_jars.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::ensemble {
namespace {

using ::testing::HasSubstr;
using testing::IsError;
using testing::IsErrorWith;
using ::testing::StartsWith;

void Touch(const std::string& file) {
  std::filesystem::create_directories(std::filesystem::path(file).parent_path());
  std::ofstream(file) << "jar";
}

TEST(PomText, NamesThePinnedVersion) {
  EXPECT_THAT(PomText("3.9.5"), HasSubstr("<version>3.9.5</version>"));
}

TEST(ServerJars, OfAReleaseAreItsLibFolder) {
  const testing::TempFolder home;
  Touch(home / "lib/zookeeper-3.9.5.jar");
  Touch(home / "lib/zookeeper-jute-3.9.5.jar");
  PK_ASSERT_OK(const ServerJars jars, FindServerJars({.zookeeper_home = home.path()}));
  EXPECT_EQ(jars.classpath, home / "lib/*");
  EXPECT_EQ(jars.version, "3.9.5");
  EXPECT_EQ(jars.zookeeper_home, home.path());
}

TEST(ServerJars, OfDebianAreOneJarALoggerAndWhatNettyNeeds) {
  const testing::TempFolder home;
  Touch(home / "zookeeper.jar");
  Touch(home / "zookeeper-3.8.0.jar");
  Touch(home / "zookeeper-contrib-loggraph-3.8.0.jar");
  PK_ASSERT_OK(const ServerJars jars, FindServerJars({.zookeeper_home = home.path()}));
  EXPECT_THAT(jars.classpath, StartsWith(home / "zookeeper.jar" + ":" +
                                         home / "slf4j-simple.jar:" + home / "netty-codec.jar:"));
  EXPECT_EQ(jars.version, "3.8.0");
}

TEST(ServerJars, ThatAreNotThereAreNotFound) {
  const testing::TempFolder home;
  EXPECT_THAT(FindServerJars({.zookeeper_home = home.path()}),
              IsErrorWith(ErrorCode::kNotFound, home.path()));
}

TEST(ServerJars, OfTheCacheAreNotFetchedAgain) {
  const testing::TempFolder cache;
  Touch(cache / "zookeeper-3.9.9/zookeeper-3.9.9.jar");
  PK_ASSERT_OK(const ServerJars jars, FindServerJars({.version = "3.9.9", .cache = cache.path()}));
  EXPECT_EQ(jars.classpath, cache / "zookeeper-3.9.9/*");
}

TEST(ServerJars, OfADamagedCacheSayWhatToRemove) {
  const testing::TempFolder cache;
  Touch(cache / "zookeeper-3.9.9/other.jar");
  EXPECT_THAT(FindServerJars({.version = "3.9.9", .cache = cache.path()}),
              IsErrorWith(ErrorCode::kNotFound, "zookeeper-3.9.9"));
}

TEST(ServerJars, OfAVersionThatIsNoneAreRefused) {
  for (const char* version : {"", "../x", "3.9.5</version>", "3 9"}) {
    EXPECT_THAT(FindServerJars({.version = version, .cache = "/nowhere"}),
                IsError(ErrorCode::kInvalidArgument))
        << version;
  }
}

}  // namespace
}  // namespace pk::ensemble
