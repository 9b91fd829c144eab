// What lies in the folder when it is opened: nothing, ours, not ours, damaged, too new.

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "parkeeper/coordination_sqlite/folder_internal.h"
#include "parkeeper/coordination_sqlite/opened_internal.h"
#include "parkeeper/coordination_sqlite/tree_internal.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::coordination {
namespace {

using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::TempFolder;
using sqlite::FolderFiles;

// Runs SQL on a file as another program would; false when it fails.
bool RunSql(const std::string& file, const std::string& sql) {
  sqlite3* db = nullptr;
  const bool done = sqlite3_open(file.c_str(), &db) == SQLITE_OK &&
                    sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  sqlite3_close(db);
  return done;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A folder that was used, with all in the file and nothing in the log.
void MakeUsedFolder(const FolderFiles& files) {
  auto coordinator = OpenOrDie(files.folder);
  for (int i = 0; i < 50; ++i) {
    const std::string path = "/" + std::to_string(i);
    ASSERT_THAT(coordinator->Create(path, std::string(5'000, 'x')), IsOk());
  }
  coordinator.reset();
  ASSERT_TRUE(RunSql(files.database, "PRAGMA wal_checkpoint(TRUNCATE)"));
}

TEST(SqliteLayout, IsMarkedAndInWriteAheadMode) {
  const TempFolder folder;
  const FolderFiles files(folder.path());
  MakeUsedFolder(files);
  const std::string header = ReadFile(files.database).substr(0, 100);
  EXPECT_EQ(header.substr(68, 4), "PKEP");
  EXPECT_EQ(header.substr(60, 4), std::string("\0\0\0\1", 4));
  EXPECT_EQ(header[18], 2) << "write-ahead log";
}

TEST(SqliteLayout, RefusesANewerOneAndNamesBothVersions) {
  const TempFolder folder;
  const FolderFiles files(folder.path());
  MakeUsedFolder(files);
  ASSERT_TRUE(RunSql(files.database, "PRAGMA user_version=7"));
  const auto opened = OpenSqlite(folder.path());
  EXPECT_THAT(opened, IsErrorWith(ErrorCode::kFailedPrecondition, "has layout version 7"));
  EXPECT_THAT(opened, IsErrorWith(ErrorCode::kFailedPrecondition, "knows up to 1"));
}

TEST(SqliteLayout, RefusesAnotherProgramsDatabase) {
  const TempFolder folder;
  const FolderFiles files(folder.path());
  ASSERT_TRUE(RunSql(files.database, "CREATE TABLE theirs(x)"));
  const std::string before = ReadFile(files.database);
  EXPECT_THAT(OpenSqlite(folder.path()),
              IsErrorWith(ErrorCode::kCorrupt, "not a coordinator file"));
  EXPECT_EQ(ReadFile(files.database), before);
}

TEST(SqliteLayout, RefusesAFileThatIsNoDatabase) {
  const TempFolder folder;
  const FolderFiles files(folder.path());
  std::ofstream(files.database) << std::string(10'000, 'x');
  EXPECT_THAT(OpenSqlite(folder.path()), IsErrorWith(ErrorCode::kCorrupt, files.database));
}

TEST(SqliteLayout, RefusesATruncatedFile) {
  const TempFolder folder;
  const FolderFiles files(folder.path());
  MakeUsedFolder(files);
  const auto size = std::filesystem::file_size(files.database);
  for (const auto kept : {size - 4096, size / 2, uintmax_t{4096}, uintmax_t{1000}}) {
    std::filesystem::resize_file(files.database, kept);
    EXPECT_THAT(OpenSqlite(folder.path()), IsErrorWith(ErrorCode::kCorrupt, files.database))
        << kept << " bytes of " << size;
  }
}

TEST(SqliteLayout, NeverBeginsAnewInAFolderThatWasInUse) {
  const TempFolder folder;
  const FolderFiles files(folder.path());
  MakeUsedFolder(files);
  std::filesystem::resize_file(files.database, 0);
  EXPECT_THAT(OpenSqlite(folder.path()), IsErrorWith(ErrorCode::kCorrupt, "empty but was in use"));
  std::filesystem::remove(files.database);
  EXPECT_THAT(OpenSqlite(folder.path()),
              IsErrorWith(ErrorCode::kCorrupt, "missing but was in use"));
}

TEST(SqliteLayout, GoesOnFromAFirstStartThatDiedBeforeItWasDone) {
  const TempFolder folder;
  const FolderFiles files(folder.path());
  ASSERT_TRUE(RunSql(files.database, "PRAGMA journal_mode=WAL"));
  EXPECT_THAT(OpenSqlite(folder.path()), IsOk());
}

TEST(SqliteLayout, KeepsTheLogSmall) {
  const TempFolder folder;
  const FolderFiles files(folder.path());
  auto coordinator = OpenOrDie(folder.path());
  ASSERT_THAT(coordinator->Create("/n", ""), IsOk());
  const std::string value(200'000, 'x');
  for (int i = 0; i < 100; ++i) ASSERT_THAT(coordinator->Set("/n", value, i), IsOk());
  EXPECT_LT(std::filesystem::file_size(files.database + "-wal"), 8'000'000u);
}

TEST(SqliteLayout, ForgetsOldChangesAndTellsWhoHasNotSeenThem) {
  const TempFolder folder;
  auto coordinator = OpenOrDie(folder.path());
  auto connection = std::move(sqlite::Connection::Open(FolderFiles(folder.path()).database, false,
                                                       std::chrono::seconds(1)))
                        .value();
  Transaction many;
  for (int i = 0; i < 9'000; ++i) many.Set("/", "", kAnyVersion);
  for (int i = 0; i < 3; ++i) ASSERT_THAT(coordinator->Commit(many), IsOk());
  PK_ASSERT_OK(const int64_t last, sqlite::LastChange(*connection));
  EXPECT_EQ(last, 27'000);
  PK_ASSERT_OK(const sqlite::Changes all, sqlite::ReadChanges(*connection, 0));
  EXPECT_FALSE(all.complete);
  EXPECT_EQ(all.changes.size(), size_t(sqlite::kKeptChanges));
  PK_ASSERT_OK(const sqlite::Changes later, sqlite::ReadChanges(*connection, last - 5));
  EXPECT_TRUE(later.complete);
  EXPECT_EQ(later.changes.size(), 5u);
}

}  // namespace
}  // namespace pk::coordination
