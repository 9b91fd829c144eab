#include "parkeeper/storage/local.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "parkeeper/storage/faulty.h"
#include "parkeeper/storage/local_internal.h"
#include "parkeeper/storage/memory.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::storage {
namespace {

namespace fs = std::filesystem;

using ::pk::testing::IsError;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using ::pk::testing::IsOkAnd;
using ::pk::testing::TempFolder;
using ::testing::Eq;
using ::testing::IsEmpty;

constexpr auto kDenied = ErrorCode::kPermissionDenied;

void Put(const std::string& path, std::string_view bytes) { std::ofstream(path) << bytes; }

std::string Get(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> List(Storage& storage) {
  std::vector<std::string> found;
  EXPECT_THAT(storage.List(storage.root(),
                           [&](const FileStatus& file) -> Result<> {
                             found.push_back(file.location.substr(storage.root().size() + 1));
                             return {};
                           }),
              IsOk());
  return found;
}

TEST(Local, CallsItsFilesByTheFoldersAbsolutePathWhateverNameItWasOpenedBy) {
  TempFolder folder;
  fs::create_directory_symlink("lake", folder / "link");
  PK_ASSERT_OK(const auto direct, OpenLocal(folder / "lake"));
  PK_ASSERT_OK(const auto linked, OpenLocal(folder / "link/"));
  PK_ASSERT_OK(const auto bent, OpenLocal(folder / "lake/../lake/."));
  EXPECT_EQ(direct->root(), "file://" + fs::canonical(folder / "lake").string());
  EXPECT_EQ(linked->root(), direct->root());
  EXPECT_EQ(bent->root(), direct->root());
}

TEST(Local, TakesRelativePaths) {
  TempFolder folder;
  const std::string relative = fs::relative(folder / "a/b");
  PK_ASSERT_OK(const auto storage, OpenLocal(relative));
  EXPECT_EQ(storage->root(), "file://" + fs::canonical(folder / "a/b").string());
}

TEST(Local, ReadsACopiedWarehouseUnderItsOldLocations) {
  TempFolder folder;
  PK_ASSERT_OK(const auto old, OpenLocal(folder / "old"));
  ASSERT_THAT(WriteIfAbsent(*old, old->root() + "/t/a", "bytes"), IsOk());
  fs::copy(folder / "old", folder / "new", fs::copy_options::recursive);
  fs::remove_all(folder / "old");
  PK_ASSERT_OK(const auto copy, OpenLocal(folder / "new", {.root_uri = old->root() + "/"}));
  EXPECT_EQ(copy->root(), old->root());
  EXPECT_THAT(ReadAll(*copy, old->root() + "/t/a"), IsOkAnd(Eq("bytes")));
  EXPECT_THAT(ReadAll(*copy, folder / "new/t/a"), IsError(kDenied));
}

TEST(Local, TellsItsFolderToThoseWhoOpenFilesByName) {
  TempFolder folder;
  PK_ASSERT_OK(const auto local, OpenLocal(folder / "a", {.root_uri = "s3://bucket/a"}));
  EXPECT_EQ(LocalFolder(*local), fs::canonical(folder / "a").string());
  EXPECT_EQ(LocalFolder(*MakeMemory("lake")), std::nullopt);
  EXPECT_EQ(LocalFolder(*MakeFaulty(*local, {})), std::nullopt);
}

TEST(Local, NamesTheFolderThatItCannotOpen) {
  TempFolder folder;
  Put(folder / "file", "x");
  for (const char* name : {"file", "file/below"})
    EXPECT_THAT(OpenLocal(folder / name), IsErrorWith(ErrorCode::kUnavailable, folder / name));
  EXPECT_THAT(OpenLocal(""), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(OpenLocal(folder / "x", {.root_uri = "no root"}),
              IsErrorWith(ErrorCode::kInvalidArgument, "no root"));
}

TEST(Local, HidesWhatBelongsToParkeeper) {
  TempFolder folder;
  PK_ASSERT_OK(const auto storage, OpenLocal(folder.path()));
  fs::create_directory(folder / ".parkeeper");
  Put(folder / ".parkeeper/coordinator.db", "x");
  Put(folder / "a", "x");
  EXPECT_THAT(List(*storage), ::testing::ElementsAre("a"));
}

TEST(Local, RefusesPipes) {
  TempFolder folder;
  PK_ASSERT_OK(const auto storage, OpenLocal(folder.path()));
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(storage->Open(folder / "pipe"), IsError(kDenied));
  EXPECT_THAT(storage->Stat(folder / "pipe"), IsError(kDenied));
  EXPECT_THAT(storage->Remove(folder / "pipe"), IsError(kDenied));
  EXPECT_THAT(List(*storage), IsEmpty());
}

TEST(Local, TellsThatAFileBecameShorterWhileItWasOpen) {
  TempFolder folder;
  PK_ASSERT_OK(const auto storage, OpenLocal(folder.path()));
  ASSERT_THAT(WriteIfAbsent(*storage, folder / "a", "0123456789"), IsOk());
  PK_ASSERT_OK(const auto file, storage->Open(folder / "a"));
  fs::resize_file(folder / "a", 4);
  std::string out(10, '?');
  EXPECT_THAT(file->Read(0, out), IsErrorWith(ErrorCode::kCorrupt, "shorter"));
}

TEST(Local, LetsOneOfTwoProcessesWin) {
  TempFolder folder;
  PK_ASSERT_OK(const auto one, OpenLocal(folder.path()));
  PK_ASSERT_OK(const auto two, OpenLocal(folder.path()));
  PK_ASSERT_OK(const auto slow, one->Create(folder / "a"));
  ASSERT_THAT(slow->Append("slow"), IsOk());
  EXPECT_THAT(WriteIfAbsent(*two, folder / "a", "fast"), IsOk());
  EXPECT_THAT(slow->Finish(), IsError(ErrorCode::kAlreadyExists));
  EXPECT_THAT(ReadAll(*one, folder / "a"), IsOkAnd(Eq("fast")));
}

TEST(Local, SaysThatAWriterWhoseFolderIsGoneCannotFinish) {
  TempFolder folder;
  for (const bool unnamed : {true, false}) {
    PK_ASSERT_OK(const auto storage, OpenLocalWith(folder.path(), {}, {.unnamed_files = unnamed}));
    PK_ASSERT_OK(const auto writer, storage->Create(folder / "t/a"));
    fs::remove_all(folder / "t");
    EXPECT_THAT(writer->Finish(), IsError(ErrorCode::kUnavailable));
    EXPECT_THAT(List(*storage), IsEmpty());
  }
}

// Symbolic links, by both ways of walking.
class LocalLinks : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "lake/t");
    fs::create_directories(folder_ / "outside");
    Put(folder_ / "outside/secret", "secret");
    Put(folder_ / "lake/t/a", "a");
    auto opened = OpenLocalWith(folder_ / "lake", {}, {.openat2 = GetParam()});
    ASSERT_THAT(opened, IsOk());
    storage_ = std::move(opened).value();
  }
  std::string At(const std::string& relative) { return storage_->root() + "/" + relative; }
  void ExpectDenied(const std::string& relative) {
    EXPECT_THAT(storage_->Open(At(relative)), IsErrorWith(kDenied, At(relative)));
    EXPECT_THAT(storage_->Stat(At(relative)), IsErrorWith(kDenied, At(relative)));
    EXPECT_THAT(storage_->Remove(At(relative)), IsErrorWith(kDenied, At(relative)));
  }

  TempFolder folder_;
  std::unique_ptr<Storage> storage_;
};

INSTANTIATE_TEST_SUITE_P(, LocalLinks, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "ByOpenat2" : "StepByStep"; });

TEST_P(LocalLinks, ToFilesAreNotFollowedWhereverTheyPoint) {
  fs::create_symlink(folder_ / "outside/secret", folder_ / "lake/absolute");
  fs::create_symlink("../../outside/secret", folder_ / "lake/t/relative");
  fs::create_symlink("a", folder_ / "lake/t/inside");
  fs::create_symlink("nowhere", folder_ / "lake/dangling");
  for (const char* name : {"absolute", "t/relative", "t/inside", "dangling"}) {
    ExpectDenied(name);
    EXPECT_THAT(WriteIfAbsent(*storage_, At(name), "x"), IsError(ErrorCode::kAlreadyExists));
  }
  EXPECT_FALSE(fs::exists(folder_ / "lake/nowhere"));
  EXPECT_EQ(Get(folder_ / "outside/secret"), "secret");
  EXPECT_THAT(List(*storage_), ::testing::ElementsAre("t/a"));
}

TEST_P(LocalLinks, ToFoldersAreNotFollowedWhereverTheyPoint) {
  fs::create_directory_symlink(folder_ / "outside", folder_ / "lake/absolute");
  fs::create_directory_symlink("../../outside", folder_ / "lake/t/relative");
  fs::create_directory_symlink("t", folder_ / "lake/inside");
  fs::create_directory_symlink("nowhere", folder_ / "lake/dangling");
  for (const std::string name : {"absolute", "t/relative", "inside", "dangling"}) {
    ExpectDenied(name + "/secret");
    ExpectDenied(name + "/deeper/secret");
    EXPECT_THAT(storage_->Create(At(name + "/new")), IsError(kDenied));
    EXPECT_THAT(storage_->Create(At(name + "/new/er")), IsError(kDenied));
    EXPECT_THAT(storage_->List(At(name), [](const FileStatus&) { return Result<>(); }),
                IsError(kDenied));
  }
  EXPECT_FALSE(fs::exists(folder_ / "lake/nowhere"));
  EXPECT_FALSE(fs::exists(folder_ / "outside/new"));
  EXPECT_EQ(Get(folder_ / "outside/secret"), "secret");
  EXPECT_THAT(List(*storage_), ::testing::ElementsAre("t/a"));
}

TEST_P(LocalLinks, ThatAppearInTheMiddleOfACallAreNotFollowed) {
  fs::create_directory(folder_ / "lake/d");
  Put(folder_ / "lake/d/secret", "inside");
  fs::create_directory_symlink("../outside", folder_ / "lake/link");
  std::atomic<bool> done = false;
  std::jthread swapper([&] {
    const std::string one = folder_ / "lake/d", other = folder_ / "lake/link";
    while (!done) renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
  });
  int read = 0;
  for (int i = 0; i < 3'000; ++i) {
    const Result<std::string> found = ReadAll(*storage_, At("d/secret"));
    if (!found.ok()) continue;
    ++read;
    ASSERT_EQ(*found, "inside");
  }
  for (int i = 0; i < 15; ++i)
    (void)WriteIfAbsent(*storage_, At("d/sub" + std::to_string(i) + "/new"), "x").ok();
  done = true;
  swapper.join();
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "outside"), {}), 1);
  EXPECT_EQ(Get(folder_ / "outside/secret"), "secret");
  EXPECT_GT(read, 0) << "the swapper never let a call through";
}

}  // namespace
}  // namespace pk::storage
