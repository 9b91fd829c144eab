// What a local folder does when the disk, the limits or the writer itself fail.

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include "parkeeper/storage/local_internal.h"
#include "tests/support/child_process.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace {

std::atomic<int> data_syncs = 0;
std::atomic<int> folder_syncs = 0;
// The errno that the next calls fail with; zero lets them through.
std::atomic<int> data_sync_error = 0;
std::atomic<int> folder_sync_error = 0;

int Sync(long call, int fd, std::atomic<int>& count, int failure) {
  ++count;
  if (failure == 0) return int(syscall(call, fd));
  errno = failure;
  return -1;
}

}  // namespace

// In place of the C library's: the storage syncs files by fdatasync and folders by fsync.
extern "C" int fdatasync(int fd) { return Sync(SYS_fdatasync, fd, data_syncs, data_sync_error); }
extern "C" int fsync(int fd) { return Sync(SYS_fsync, fd, folder_syncs, folder_sync_error); }

namespace pk::storage {
namespace {

namespace fs = std::filesystem;

using ::pk::testing::ChildProcess;
using ::pk::testing::InChild;
using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::TempFolder;
using ::testing::IsEmpty;

// Every name below a folder, of whatever kind.
std::vector<std::string> Names(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_directory()) names.push_back(entry.path().filename());
  return names;
}

// "" when `done` failed with `code` and said `text`.
std::string Expect(const Result<>& done, ErrorCode code, std::string_view text) {
  if (!done.ok() && done.error().code() == code &&
      done.error().message().find(text) != std::string::npos)
    return "";
  return done.ok() ? "unexpected success" : "unexpected: " + done.error().ToString();
}

std::string Expect(const Result<>& done) { return done.ok() ? "" : done.error().ToString(); }

TEST(LocalDurability, CostsTwoSyncsPerFileAndOneOnceForEachFolderAbove) {
  TempFolder folder;
  PK_ASSERT_OK(const auto storage, OpenLocal(folder.path()));
  data_syncs = folder_syncs = 0;
  ASSERT_THAT(WriteIfAbsent(*storage, folder / "ns/t/data/1", "x"), IsOk());
  EXPECT_EQ(data_syncs, 1);
  EXPECT_EQ(folder_syncs, 3 + 1);
  ASSERT_THAT(WriteIfAbsent(*storage, folder / "ns/t/metadata/1", "x"), IsOk());
  EXPECT_EQ(folder_syncs, 4 + 1 + 1);
  data_syncs = folder_syncs = 0;
  for (int i = 2; i < 12; ++i)
    ASSERT_THAT(WriteIfAbsent(*storage, folder / ("ns/t/data/" + std::to_string(i)), "x"), IsOk());
  EXPECT_EQ(data_syncs, 10);
  EXPECT_EQ(folder_syncs, 10);
}

TEST(LocalDurability, MakesTheNamesOfANewRootDurable) {
  TempFolder folder;
  folder_syncs = 0;
  PK_ASSERT_OK(const auto storage, OpenLocal(folder / "a/b/c"));
  EXPECT_EQ(folder_syncs, 3);
}

TEST(LocalDurability, ShowsNothingWhenASyncFails) {
  TempFolder folder;
  for (const bool unnamed : {true, false}) {
    PK_ASSERT_OK(const auto storage, OpenLocalWith(folder.path(), {}, {.unnamed_files = unnamed}));
    for (const auto& [number, code] :
         {std::pair(EIO, ErrorCode::kCorrupt), std::pair(ENOSPC, ErrorCode::kUnavailable)}) {
      for (std::atomic<int>* error : {&data_sync_error, &folder_sync_error}) {
        *error = number;
        const Result<> done = WriteIfAbsent(*storage, folder / "a", "x");
        *error = 0;
        EXPECT_THAT(done, IsErrorWith(code, folder / "a"));
        EXPECT_THAT(Names(folder.path()), IsEmpty());
      }
    }
  }
}

TEST(LocalDurability, FailsAgainAfterAFailureRatherThanShowAFileWithAHole) {
  TempFolder folder;
  PK_ASSERT_OK(const auto storage, OpenLocal(folder.path()));
  PK_ASSERT_OK(const auto writer, storage->Create(folder / "a"));
  data_sync_error = EIO;
  EXPECT_THAT(writer->Finish(), IsError(ErrorCode::kCorrupt));
  data_sync_error = 0;
  EXPECT_THAT(writer->Append("x"), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(writer->Finish(), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(Names(folder.path()), IsEmpty());
}

// A child that has written 3 MB of a file and not finished it.
std::string WriteHalf(const std::string& folder, LocalMeans means) {
  static std::unique_ptr<Storage> storage;
  static std::unique_ptr<FileWriter> writer;
  auto opened = OpenLocalWith(folder, {}, means);
  if (!opened.ok()) return opened.error().ToString();
  storage = std::move(opened).value();
  auto created = storage->Create(folder + "/t/a");
  if (!created.ok()) return created.error().ToString();
  writer = std::move(created).value();
  return Expect(writer->Append(std::string(3'000'000, 'x')));
}

TEST(LocalDurability, LeavesNothingOfAKilledWriter) {
  TempFolder folder;
  ChildProcess writer([&] { return WriteHalf(folder.path(), {}); });
  ASSERT_EQ(writer.said(), "");
  writer.Kill();
  EXPECT_THAT(Names(folder.path()), IsEmpty());
}

TEST(LocalDurability, RemovesTheTemporariesOfKilledWritersAndNoOthers) {
  TempFolder folder;
  ChildProcess writer([&] { return WriteHalf(folder.path(), {.unnamed_files = false}); });
  ASSERT_EQ(writer.said(), "");
  ASSERT_THAT(Names(folder.path()), ::testing::SizeIs(1));
  EXPECT_THAT(RemoveTemporaries(folder.path()), ::pk::testing::IsOkAnd(0)) << "its writer lives";
  writer.Kill();
  PK_ASSERT_OK(const auto storage, OpenLocal(folder.path()));
  ASSERT_THAT(WriteIfAbsent(*storage, folder / "t/b.tmp", "x"), IsOk());
  EXPECT_THAT(storage->Stat(folder / "t/a"), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(storage->List(folder.path(),
                            [](const FileStatus& file) -> Result<> {
                              if (file.location.ends_with("/t/b.tmp")) return {};
                              return Internal("listed " + file.location);
                            }),
              IsOk());
  EXPECT_THAT(RemoveTemporaries(folder.path()), ::pk::testing::IsOkAnd(1));
  EXPECT_THAT(Names(folder.path()), ::testing::ElementsAre("b.tmp"));
}

// Writes 4 MB where they do not fit, then a little that does.
std::string OverflowThenFit(Storage& storage, std::string_view why) {
  const std::string root = storage.root();
  std::string wrong = Expect(WriteIfAbsent(storage, root + "/t/big", std::string(4 << 20, 'x')),
                             ErrorCode::kUnavailable, why);
  if (wrong.empty()) wrong = Expect(WriteIfAbsent(storage, root + "/t/small", "x"));
  if (wrong.empty() && Names(root.substr(7)).size() != 1) wrong = "something was left behind";
  return wrong;
}

TEST(LocalDurability, SurvivesAFullDisk) {
  TempFolder folder;
  const std::string said = InChild([&]() -> std::string {
    // A mount of the child's own, gone with it.
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") != 0 ||
        mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0)
      return "not permitted";
    std::string wrong;
    for (const bool unnamed : {true, false}) {
      const std::string path = folder / (unnamed ? "1" : "2");
      const auto storage = OpenLocalWith(path, {}, {.unnamed_files = unnamed});
      if (!storage.ok()) return storage.error().ToString();
      wrong += OverflowThenFit(**storage, "disk is full");
    }
    return wrong;
  });
  if (said == "not permitted") GTEST_SKIP() << "mounting a small file system is not permitted";
  EXPECT_EQ(said, "");
}

TEST(LocalDurability, SurvivesALimitOnFileSizes) {
  TempFolder folder;
  const std::string said = InChild([&]() -> std::string {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto storage = OpenLocal(folder.path());
    if (!storage.ok()) return storage.error().ToString();
    return OverflowThenFit(**storage, "limit on file sizes");
  });
  EXPECT_EQ(said, "");
}

TEST(LocalDurability, SurvivesTooManyOpenFiles) {
  TempFolder folder;
  const std::string said = InChild([&]() -> std::string {
    const rlimit limit{40, 40};
    setrlimit(RLIMIT_NOFILE, &limit);
    const auto storage = OpenLocal(folder.path());
    if (!storage.ok()) return storage.error().ToString();
    std::vector<std::unique_ptr<FileWriter>> writers;
    for (int i = 0; i < 40; ++i) {
      auto writer = (*storage)->Create(folder / ("t/" + std::to_string(i)));
      if (!writer.ok()) {
        writers.resize(writers.size() / 2);
        std::string wrong = Expect(Result<>(std::move(writer).error()), ErrorCode::kUnavailable,
                                   "too many open files");
        return wrong.empty() ? Expect(WriteIfAbsent(**storage, folder / "t/a", "x")) : wrong;
      }
      writers.push_back(std::move(writer).value());
    }
    return "the limit was never met";
  });
  EXPECT_EQ(said, "");
}

TEST(LocalDurability, TellsOfAFolderThatItMayNotWrite) {
  TempFolder folder;
  PK_ASSERT_OK(const auto storage, OpenLocal(folder / "lake"));
  ASSERT_THAT(WriteIfAbsent(*storage, folder / "lake/t/a", "x"), IsOk());
  fs::permissions(folder / "lake/t", fs::perms(0555));
  fs::permissions(folder / "lake", fs::perms(0555));
  const std::string said = InChild([&]() -> std::string {
    // The superuser may write everywhere.
    if (geteuid() == 0 && setuid(65534) != 0) return "cannot become nobody";
    std::string wrong;
    for (const char* name : {"lake/t/b", "lake/u/b"})
      wrong += Expect(WriteIfAbsent(*storage, folder / name, "x"), ErrorCode::kPermissionDenied,
                      "permissions");
    wrong +=
        Expect(storage->Remove(folder / "lake/t/a"), ErrorCode::kPermissionDenied, "permissions");
    const auto found = ReadAll(*storage, folder / "lake/t/a");
    return wrong + (found.ok() ? "" : found.error().ToString());
  });
  EXPECT_EQ(said, "");
  fs::permissions(folder / "lake/t", fs::perms(0755));
  fs::permissions(folder / "lake", fs::perms(0755));
}

}  // namespace
}  // namespace pk::storage
