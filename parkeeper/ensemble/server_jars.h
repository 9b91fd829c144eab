#pragma once

// Where the ZooKeeper server comes from: an installed one, or its jars fetched once from Maven
// Central by `mvn` into a cache of the user's. Fetched with a pinned version; the second time
// nothing but the cache is looked at.

#include <stop_token>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"

namespace pk::ensemble {

inline constexpr std::string_view kServerVersion = "3.9.5";

struct JarOptions {
  // The folder of an installed ZooKeeper: an unpacked release (its lib/*.jar), or /usr/share/java
  // with Debian's package libzookeeper-java. Empty: $PARKEEPER_ZOOKEEPER_HOME; empty too: fetch.
  std::string zookeeper_home{};
  std::string version = std::string(kServerVersion);  // to fetch
  // Empty: $PARKEEPER_CACHE, else $XDG_CACHE_HOME/parkeeper, else ~/.cache/parkeeper.
  std::string cache{};
  std::stop_token stop{};
};

struct ServerJars {
  std::string classpath;
  std::string version;         // "3.9.5"
  std::string zookeeper_home;  // the installed one; empty when fetched
};

// kNotFound: no jars in zookeeper_home, no mvn to fetch them with, or no cache folder can be named;
// kInvalidArgument: no version; kUnavailable: mvn failed (the message has the end of what it said).
Result<ServerJars> FindServerJars(const JarOptions& options);

// The program: $JAVA_HOME/bin/java, else java on the PATH. kNotFound says what to install.
Result<std::string> FindJava();

// What mvn is given to fetch `version` and what it needs at run time. Pure.
std::string PomText(std::string_view version);

}  // namespace pk::ensemble
