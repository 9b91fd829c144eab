#include <gmock/gmock.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "parkeeper/coordination_sqlite/folder_internal.h"
#include "parkeeper/coordination_sqlite/opened_internal.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::coordination::sqlite {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::TempFolder;

constexpr int kSkip = 77;

FilesystemProbe Facts(FilesystemFacts facts) {
  return [facts](const std::string&) -> Result<FilesystemFacts> { return facts; };
}

// The exit status of `body` in a forked process of one thread.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(SqliteFolder, RefusesNetworkFilesystemsBeforeItMakesAnything) {
  const TempFolder folder;
  for (const FilesystemFacts& facts :
       {FilesystemFacts{.magic = 0x6969, .type = "nfs4"},
        FilesystemFacts{.magic = 0xFE534D42, .type = "cifs"},
        FilesystemFacts{.magic = 0x01021997, .type = "9p"},
        FilesystemFacts{.magic = 0x0BD00BD0, .type = ""},
        FilesystemFacts{.magic = 0x65735546, .type = "fuse.sshfs"}}) {
    const auto prepared = PrepareFolder(folder / "lake", Facts(facts));
    EXPECT_THAT(prepared, IsErrorWith(ErrorCode::kFailedPrecondition, "network file system"));
    EXPECT_THAT(prepared, IsErrorWith(ErrorCode::kFailedPrecondition, "ZooKeeper"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SqliteFolder, TakesLocalFilesystems) {
  const TempFolder folder;
  for (const FilesystemFacts& facts :
       {FilesystemFacts{.magic = 0xEF53, .type = "ext4"},
        FilesystemFacts{.magic = 0x65735546, .type = "fuse.fuse-overlayfs"},
        FilesystemFacts{.magic = 0x794C7630, .type = "overlay"}}) {
    EXPECT_THAT(PrepareFolder(folder.path(), Facts(facts)), IsOk());
  }
}

TEST(SqliteFolder, LooksAtTheFilesystemOfTheNearestFolderThatExists) {
  const TempFolder folder;
  std::string asked;
  const FilesystemProbe probe = [&](const std::string& path) -> Result<FilesystemFacts> {
    asked = path;
    return FilesystemFacts{.magic = 0x6969, .type = "nfs"};
  };
  EXPECT_THAT(PrepareFolder(folder / "a/b/c", probe), IsError(ErrorCode::kFailedPrecondition));
  EXPECT_EQ(asked, folder.path());
}

TEST(SqliteFolder, MakesWhatIsMissingHoweverThePathIsWritten) {
  const TempFolder folder;
  PK_ASSERT_OK(const FolderFiles files, PrepareFolder(folder / "a/./b/../c/"));
  EXPECT_EQ(files.folder, folder / "a/c");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/c"));
  EXPECT_THAT(PrepareFolder(""), IsError(ErrorCode::kInvalidArgument));
}

TEST(SqliteFolder, TellsWhatTheMachineSaysOfTheTemporaryFolder) {
  const TempFolder folder;
  PK_ASSERT_OK(const FilesystemFacts facts, ProbeFilesystem(folder.path()));
  EXPECT_NE(facts.magic, 0);
  EXPECT_FALSE(IsNetworkFilesystem(facts));
  EXPECT_GT(facts.free_bytes, 0u);
  EXPECT_FALSE(facts.read_only);
}

TEST(SqliteFolder, RefusesAReadOnlyFilesystemBeforeItMakesAnything) {
  const TempFolder folder;
  const auto probe = Facts({.magic = 0xEF53, .type = "ext4", .read_only = true});
  EXPECT_THAT(PrepareFolder(folder / "lake", probe),
              IsErrorWith(ErrorCode::kPermissionDenied, "read-only"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// Root may write everywhere, so this is tried as another user where the test runs as root.
TEST(SqliteFolder, RefusesAFolderThatTheUserMayNotWrite) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "lake");
  ASSERT_EQ(chmod((folder / "lake").c_str(), 0555), 0);
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  const int status = InChild([&] {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 &&
        (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)) {
      return kSkip;
    }
    const auto opened = OpenSqlite(folder / "lake");
    const bool right = !opened.ok() && opened.error().code() == ErrorCode::kPermissionDenied &&
                       opened.error().message().find(folder / "lake") != std::string::npos;
    return right ? 0 : 1;
  });
  if (status == kSkip) GTEST_SKIP() << "no other user to become";
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder / "lake"));
}

TEST(SqliteFolder, NamesTheFileThatTheUserMayNotWrite) {
  const TempFolder folder;
  {
    const auto made = OpenOrDie(folder.path());
  }
  ASSERT_EQ(chmod(folder.path().c_str(), 0777), 0);
  const std::string database = FolderFiles(folder.path()).database;
  ASSERT_EQ(chmod(database.c_str(), 0444), 0);
  const int status = InChild([&] {
    if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || setuid(65534) != 0)) return kSkip;
    const auto prepared = PrepareFolder(folder.path());
    const bool right = !prepared.ok() && prepared.error().code() == ErrorCode::kPermissionDenied &&
                       prepared.error().message().find(database) != std::string::npos;
    return right ? 0 : 1;
  });
  if (status == kSkip) GTEST_SKIP() << "no other user to become";
  EXPECT_EQ(status, 0);
}

TEST(SqliteFolder, RefusesARequestThatTheDiskHasNoRoomFor) {
  const TempFolder folder;
  EXPECT_THAT(CheckFreeSpace(folder.path(), 1), IsOk());
  EXPECT_THAT(CheckFreeSpace(folder.path(), UINT64_MAX),
              IsErrorWith(ErrorCode::kUnavailable, "disk is full"));
}

// On a file system of its own; needs the right to mount one.
TEST(SqliteFolder, StaysWholeOnAFullDiskAndGoesOnWhenThereIsRoom) {
  const TempFolder folder;
  const std::string path = folder.path();
  const int status = InChild([&] {
    if (unshare(CLONE_NEWNS) != 0) return kSkip;
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kSkip;
    if (mount("tmpfs", path.c_str(), "tmpfs", 0, "size=3m") != 0) return kSkip;
    auto coordinator = OpenOrDie(path);
    if (!coordinator->Create("/a", "").ok()) return 1;
    std::ofstream(path + "/filler") << std::string(4'000'000, 'x');
    const auto set = coordinator->Set("/a", std::string(100'000, 'y'), 0);
    if (set.ok() || set.error().code() != ErrorCode::kUnavailable) return 2;
    if (set.error().message().find("disk is full") == std::string::npos) return 3;
    if (coordinator->Get("/a")->stat.version != 0) return 4;
    std::filesystem::remove(path + "/filler");
    if (!coordinator->Set("/a", std::string(100'000, 'y'), 0).ok()) return 5;
    coordinator.reset();
    return OpenOrDie(path)->Get("/a")->value.size() == 100'000 ? 0 : 6;
  });
  if (status == kSkip) GTEST_SKIP() << "may not mount a file system";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace pk::coordination::sqlite
