#include "parkeeper/ensemble/server_jars.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "parkeeper/base/cache_folder.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/ensemble/process_internal.h"

namespace pk::ensemble {
namespace {

namespace fs = std::filesystem;

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> JarsIn(const fs::path& folder) {
  std::vector<std::string> jars;
  std::error_code failure;
  for (fs::directory_iterator i(folder, failure), end; !failure && i != end; i.increment(failure)) {
    if (i->path().extension() == ".jar") jars.push_back(i->path().string());
  }
  std::ranges::sort(jars);
  return jars;
}

// "3.9.5" of ".../zookeeper-3.9.5.jar"; "" for any other file.
std::string VersionOfJar(const std::string& jar) {
  const std::string name = fs::path(jar).stem().string();
  constexpr std::string_view kPrefix = "zookeeper-";
  if (!name.starts_with(kPrefix) || name.size() == kPrefix.size()) return "";
  return name[kPrefix.size()] >= '0' && name[kPrefix.size()] <= '9' ? name.substr(kPrefix.size())
                                                                    : "";
}

std::string ServerVersionOf(const std::vector<std::string>& jars) {
  for (const std::string& jar : jars) {
    if (std::string version = VersionOfJar(jar); !version.empty()) return version;
  }
  return "";
}

Result<ServerJars> Installed(const std::string& home) {
  std::error_code failure;
  const std::string folder = fs::absolute(home, failure).lexically_normal().string();
  ServerJars found{.classpath = {}, .version = {}, .zookeeper_home = folder};
  if (fs::exists(folder + "/zookeeper.jar", failure)) {
    // Debian's: the jar's manifest names what it needs, but for these.
    for (const std::string_view jar : {"zookeeper", "slf4j-simple", "netty-codec", "netty-resolver",
                                       "netty-transport-native-unix-common"}) {
      found.classpath +=
          fmt::format("{}{}/{}.jar", found.classpath.empty() ? "" : ":", folder, jar);
    }
    found.version = ServerVersionOf(JarsIn(folder));
    return found;
  }
  for (const std::string& jars : {folder + "/lib", folder}) {
    found.version = ServerVersionOf(JarsIn(jars));
    found.classpath = jars + "/*";
    if (!found.version.empty()) return found;
  }
  return NotFound(
      fmt::format("no ZooKeeper in {}: neither lib/zookeeper-*.jar nor zookeeper.jar", folder));
}

Result<std::string> OnPath(const std::string& program) {
  std::string path = Environment("PATH");
  while (!path.empty()) {
    const size_t end = std::min(path.find(':'), path.size());
    std::string file = path.substr(0, end) + "/" + program;
    if (access(file.c_str(), X_OK) == 0) return file;
    path.erase(0, std::min(end + 1, path.size()));
  }
  return NotFound(program + " is not on the PATH");
}

bool IsVersion(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '-';
  });
}

// mvn puts the jars into `folder`, which appears whole or not at all.
Result<> Fetch(const std::string& version, const std::string& folder, std::stop_token stop) {
  const auto mvn = OnPath("mvn");
  PK_CHECK(mvn.ok(), NotFound("fetching the ZooKeeper server needs mvn: install it, as in 'apt-get "
                              "install maven', or name an installed server by --zookeeper-home"));
  const std::string part = fmt::format("{}.{:016x}.part", folder, SystemIds().Random64());
  std::error_code failure;
  fs::create_directories(part, failure);
  PK_CHECK(!failure, Unavailable(fmt::format("make folder {}: {}", part, failure.message())));
  std::ofstream(part + "/pom.xml") << PomText(version);
  const Result<> done =
      RunToEnd({.arguments = {*mvn, "-B", "-q", "--strict-checksums", "-f", part + "/pom.xml",
                              "dependency:copy-dependencies", "-DincludeScope=runtime",
                              "-DoutputDirectory=" + part},
                .output_file = part + "/mvn.log"},
               stop);
  if (done.ok()) fs::rename(part, folder, failure);
  fs::remove_all(part, failure);
  return Result<>(done).With(fmt::format("fetch ZooKeeper {} with mvn", version));
}

Result<ServerJars> Fetched(const JarOptions& options) {
  PK_CHECK(IsVersion(options.version),
           InvalidArgument(fmt::format("'{}' is no version of ZooKeeper", options.version)));
  const std::string cache = CacheFolder(options.cache, Environment("PARKEEPER_CACHE"),
                                        Environment("XDG_CACHE_HOME"), Environment("HOME"));
  PK_CHECK(!cache.empty(), NotFound("nowhere to keep the ZooKeeper server: set PARKEEPER_CACHE"));
  std::error_code failure;
  const std::string folder =
      fs::absolute(cache, failure).string() + "/zookeeper-" + options.version;
  if (!fs::exists(folder, failure)) {
    const Result<> done = Fetch(options.version, folder, options.stop);
    // Somebody else may have been faster.
    if (!done.ok() && !fs::exists(folder, failure)) return done.error();
  }
  const std::vector<std::string> jars = JarsIn(folder);
  PK_CHECK(ServerVersionOf(jars) == options.version,
           NotFound(fmt::format("no ZooKeeper {} in {}: remove this folder, it is fetched again",
                                options.version, folder)));
  return ServerJars{.classpath = folder + "/*", .version = options.version, .zookeeper_home = {}};
}

}  // namespace

Result<ServerJars> FindServerJars(const JarOptions& options) {
  const std::string home = options.zookeeper_home.empty() ? Environment("PARKEEPER_ZOOKEEPER_HOME")
                                                          : options.zookeeper_home;
  return home.empty() ? Fetched(options) : Installed(home);
}

Result<std::string> FindJava() {
  if (const std::string home = Environment("JAVA_HOME"); !home.empty()) {
    std::string java = home + "/bin/java";
    PK_CHECK(access(java.c_str(), X_OK) == 0,
             NotFound(fmt::format("JAVA_HOME has no java: there is no program {}", java)));
    return java;
  }
  const auto java = OnPath("java");
  PK_CHECK(java.ok(), NotFound("a ZooKeeper server needs Java: install it, as in 'apt-get install "
                               "default-jre-headless', or set JAVA_HOME"));
  return *java;
}

std::string PomText(std::string_view version) {
  const auto dependency = [](std::string_view group, std::string_view artifact,
                             std::string_view its_version) {
    return fmt::format(
        "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId>"
        "<version>{}</version></dependency>\n",
        group, artifact, its_version);
  };
  // 3.8 brings the older of two interfaces to log with, and loggers of its own, which must go.
  const bool is_old = version.starts_with("3.8.") || version.starts_with("3.7.");
  std::string text =
      "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n"
      "  <modelVersion>4.0.0</modelVersion>\n"
      "  <groupId>parkeeper</groupId><artifactId>zookeeper-server</artifactId>\n"
      "  <version>1</version><packaging>pom</packaging>\n"
      "  <dependencies>\n";
  text += fmt::format(
      "    <dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId>"
      "<version>{}</version><exclusions><exclusion><groupId>ch.qos.logback</groupId>"
      "<artifactId>*</artifactId></exclusion></exclusions></dependency>\n",
      version);
  text += dependency("io.dropwizard.metrics", "metrics-core", "4.1.12.1");
  text += dependency("org.xerial.snappy", "snappy-java", "1.1.10.5");
  text += dependency("org.slf4j", "slf4j-simple", is_old ? "1.7.36" : "2.0.13");
  return text + "  </dependencies>\n</project>\n";
}

}  // namespace pk::ensemble
