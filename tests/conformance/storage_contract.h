#pragma once

// What every Storage must do: each sentence of parkeeper/storage/storage.h as a test. A program
// includes this in one source file and instantiates StorageContract for its implementations.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "parkeeper/storage/location.h"
#include "parkeeper/storage/storage.h"
#include "tests/support/matchers.h"

namespace pk::testing {

// An empty storage, and whatever it stands on.
class StorageFixture {
 public:
  virtual ~StorageFixture() = default;
  virtual storage::Storage& storage() = 0;
};

struct StorageMaker {
  std::string name;
  std::function<std::unique_ptr<StorageFixture>()> make;
};

inline void PrintTo(const StorageMaker& maker, std::ostream* out) { *out << maker.name; }

class StorageContract : public ::testing::TestWithParam<StorageMaker> {
 protected:
  storage::Storage& storage() { return fixture_->storage(); }
  std::string At(std::string_view relative) {
    return storage::LocationOf(storage().root(), relative);
  }
  std::vector<std::string> Names(std::string_view folder) {
    std::vector<std::string> names;
    EXPECT_THAT(storage().List(folder,
                               [&](const storage::FileStatus& file) -> Result<> {
                                 names.push_back(file.location.substr(storage().root().size() + 1));
                                 return {};
                               }),
                IsOk());
    return names;
  }
  std::vector<std::string> AllNames() { return Names(storage().root()); }

 private:
  std::unique_ptr<StorageFixture> fixture_ = GetParam().make();
};

// Longer than any buffer, of bytes that tell their place.
inline std::string PatternedBytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = char((i * 2654435761u) >> 13);
  return bytes;
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_P(StorageContract, GivesBackWhatWasWritten) {
  const std::string bytes = PatternedBytes(3'500'001);
  PK_ASSERT_OK(auto writer, storage().Create(At("sales/t/data/a.parquet")));
  for (size_t at = 0, step = 1; at < bytes.size(); step = step * 3 + 1) {
    const std::string_view part = std::string_view(bytes).substr(at, step);
    ASSERT_THAT(writer->Append(part), IsOk());
    at += part.size();
    ASSERT_EQ(writer->size(), int64_t(at));
  }
  ASSERT_THAT(writer->Finish(), IsOk());
  ASSERT_EQ(writer->size(), int64_t(bytes.size()));
  PK_ASSERT_OK(const std::string found, ReadAll(storage(), At("sales/t/data/a.parquet")));
  EXPECT_TRUE(found == bytes);
}

TEST_P(StorageContract, HoldsEmptyFiles) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("empty"), ""), IsOk());
  EXPECT_THAT(ReadAll(storage(), At("empty")), IsOkAnd(std::string()));
  PK_ASSERT_OK(const auto status, storage().Stat(At("empty")));
  EXPECT_EQ(status.size, 0);
}

TEST_P(StorageContract, ShowsAFileOnlyWhenItIsFinished) {
  PK_ASSERT_OK(auto writer, storage().Create(At("t/a")));
  ASSERT_THAT(writer->Append(PatternedBytes(2'000'000)), IsOk());
  EXPECT_THAT(storage().Open(At("t/a")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(storage().Stat(At("t/a")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(AllNames(), IsEmpty());
  ASSERT_THAT(writer->Finish(), IsOk());
  EXPECT_THAT(AllNames(), ElementsAre("t/a"));
}

TEST_P(StorageContract, LeavesNothingOfAnAbandonedWriter) {
  {
    PK_ASSERT_OK(auto writer, storage().Create(At("t/a")));
    ASSERT_THAT(writer->Append(PatternedBytes(2'000'000)), IsOk());
  }
  EXPECT_THAT(AllNames(), IsEmpty());
  EXPECT_THAT(WriteIfAbsent(storage(), At("t/a"), "later"), IsOk());
}

TEST_P(StorageContract, TakesNoCallAfterFinish) {
  PK_ASSERT_OK(auto writer, storage().Create(At("a")));
  ASSERT_THAT(writer->Append("bytes"), IsOk());
  ASSERT_THAT(writer->Finish(), IsOk());
  EXPECT_FALSE(writer->Append("more").ok());
  EXPECT_FALSE(writer->Finish().ok());
  EXPECT_THAT(ReadAll(storage(), At("a")), IsOkAnd(std::string("bytes")));
}

TEST_P(StorageContract, NeverOverwrites) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("t/a"), "first"), IsOk());
  EXPECT_THAT(WriteIfAbsent(storage(), At("t/a"), "second"),
              IsErrorWith(ErrorCode::kAlreadyExists, At("t/a")));
  EXPECT_THAT(ReadAll(storage(), At("t/a")), IsOkAnd(std::string("first")));
  EXPECT_THAT(AllNames(), ElementsAre("t/a"));
}

TEST_P(StorageContract, PutsNoFileWhereAFolderIsNorBelowAFile) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("t/a"), "bytes"), IsOk());
  EXPECT_THAT(WriteIfAbsent(storage(), At("t"), "x"), IsError(ErrorCode::kAlreadyExists));
  EXPECT_THAT(WriteIfAbsent(storage(), At("t/a/b"), "x"), IsError(ErrorCode::kFailedPrecondition));
  EXPECT_THAT(storage().Open(At("t/a/b")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(storage().Stat(At("t/a/b")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(storage().Remove(At("t/a/b")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(AllNames(), ElementsAre("t/a"));
}

TEST_P(StorageContract, LetsExactlyOneOfManyCreatorsWin) {
  constexpr int kCreators = 6;
  for (int round = 0; round < 3; ++round) {
    const std::string location = At("race/" + std::to_string(round) + "/file");
    std::latch ready(kCreators);
    std::atomic<int> winners = 0, losers = 0, winner = -1;
    {
      std::vector<std::jthread> creators;
      for (int i = 0; i < kCreators; ++i)
        creators.emplace_back([&, i] {
          ready.arrive_and_wait();
          const Result<> done =
              WriteIfAbsent(storage(), location, std::string(100'000, char('a' + i)));
          if (done.ok()) ++winners, winner = i;
          if (!done.ok() && done.error().code() == ErrorCode::kAlreadyExists) ++losers;
        });
    }
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(losers, kCreators - 1);
    EXPECT_THAT(ReadAll(storage(), location), IsOkAnd(std::string(100'000, char('a' + winner))));
  }
}

TEST_P(StorageContract, ReadsRangesAndNotBeyondTheEnd) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("a"), "0123456789"), IsOk());
  PK_ASSERT_OK(const auto file, storage().Open(At("a")));
  EXPECT_EQ(file->size(), 10);
  EXPECT_EQ(file->location(), At("a"));
  std::string out(4, '?');
  EXPECT_THAT(file->Read(6, out), IsOk());
  EXPECT_EQ(out, "6789");
  EXPECT_THAT(file->Read(7, out), IsErrorWith(ErrorCode::kCorrupt, At("a")));
  EXPECT_THAT(file->Read(11, std::span<char>()), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(file->Read(INT64_MAX, out), IsError(ErrorCode::kCorrupt));
  EXPECT_THAT(file->Read(-1, out), IsError(ErrorCode::kInvalidArgument));
  EXPECT_THAT(file->Read(10, std::span<char>()), IsOk());
}

TEST_P(StorageContract, ServesManyReadersOfOneFile) {
  const std::string bytes = PatternedBytes(200'000);
  ASSERT_THAT(WriteIfAbsent(storage(), At("a"), bytes), IsOk());
  PK_ASSERT_OK(const auto file, storage().Open(At("a")));
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> readers;
  for (size_t i = 0; i < 4; ++i)
    readers.emplace_back([&, i] {
      std::string out(1000, '\0');
      for (size_t at = i * 37; at + out.size() <= bytes.size(); at += 1511)
        if (!file->Read(int64_t(at), out).ok() || out != bytes.substr(at, out.size())) ++wrong;
    });
  readers.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_P(StorageContract, KeepsAnOpenFileReadableWhenItIsRemoved) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("a"), "bytes"), IsOk());
  PK_ASSERT_OK(const auto file, storage().Open(At("a")));
  ASSERT_THAT(storage().Remove(At("a")), IsOk());
  std::string out(5, '?');
  EXPECT_THAT(file->Read(0, out), IsOk());
  EXPECT_EQ(out, "bytes");
}

TEST_P(StorageContract, RefusesToReadAllOfAFileAboveTheLimit) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("a"), "12345"), IsOk());
  EXPECT_THAT(ReadAll(storage(), At("a"), 5), IsOkAnd(std::string("12345")));
  EXPECT_THAT(ReadAll(storage(), At("a"), 4), IsErrorWith(ErrorCode::kUnsupported, "5 bytes"));
}

TEST_P(StorageContract, TellsSizeAndTime) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("t/a"), "12345"), IsOk());
  PK_ASSERT_OK(const auto status, storage().Stat(At("t/a")));
  EXPECT_EQ(status.location, At("t/a"));
  EXPECT_EQ(status.size, 5);
  EXPECT_GT(status.modified_ms, 1'600'000'000'000);
  EXPECT_LT(status.modified_ms, 16'000'000'000'000);
  std::vector<storage::FileStatus> listed;
  ASSERT_THAT(storage().List(At("t"),
                             [&](const storage::FileStatus& file) -> Result<> {
                               listed.push_back(file);
                               return {};
                             }),
              IsOk());
  EXPECT_THAT(listed, ElementsAre(status));
}

TEST_P(StorageContract, NamesTheMissingFile) {
  EXPECT_THAT(storage().Open(At("no/such")), IsErrorWith(ErrorCode::kNotFound, At("no/such")));
  EXPECT_THAT(storage().Stat(At("no/such")), IsErrorWith(ErrorCode::kNotFound, At("no/such")));
  EXPECT_THAT(storage().Remove(At("no/such")), IsErrorWith(ErrorCode::kNotFound, At("no/such")));
}

TEST_P(StorageContract, TakesAFolderForNoFile) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("t/a"), "x"), IsOk());
  EXPECT_THAT(storage().Open(At("t")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(storage().Stat(At("t")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(storage().Remove(At("t")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(AllNames(), ElementsAre("t/a"));
}

}  // namespace pk::testing
