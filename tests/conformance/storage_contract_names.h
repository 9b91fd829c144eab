#pragma once

// The second half of StorageContract: listing, removal, and which names are refused.

#include "tests/conformance/storage_contract.h"

namespace pk::testing {

// Names that a careless encoding would bend.
inline std::vector<std::string> AwkwardNames() {
  return {"two words",
          "100%",
          "p=a%2Fb",
          "%2e%2e",
          "a#b",
          "a?b=c",
          "a&b+c",
          "\xF0\x9F\x9A\x80 rocket",
          "stra\xC3\x9F"
          "e",
          "back\\slash",
          "semi;colon",
          "new\nline",
          "tab\there",
          "quote'\"",
          "a:b",
          "...",
          "..a",
          ".hidden",
          "-rf",
          "*",
          "file:",
          "not utf-8 \xFF\xFE",
          std::string(255, 'n')};
}

TEST_P(StorageContract, TakesEveryByteOfANameAsItself) {
  std::vector<std::string> written;
  for (const std::string& name : AwkwardNames()) {
    const std::string path = "folder " + name.substr(0, 200) + "/" + name;
    ASSERT_THAT(WriteIfAbsent(storage(), At(path), name), IsOk()) << name;
    written.push_back(path);
  }
  for (size_t i = 0; i < written.size(); ++i) {
    EXPECT_THAT(ReadAll(storage(), At(written[i])), IsOkAnd(AwkwardNames()[i]));
    PK_ASSERT_OK(const auto status, storage().Stat(At(written[i])));
    EXPECT_EQ(status.location, At(written[i]));
  }
  EXPECT_THAT(AllNames(), ::testing::UnorderedElementsAreArray(written));
  for (const std::string& path : written) EXPECT_THAT(storage().Remove(At(path)), IsOk());
  EXPECT_THAT(AllNames(), IsEmpty());
}

TEST_P(StorageContract, ListsAFolderWithAllBelowItAndNothingBeside) {
  for (const char* path : {"t/a", "t/b/c", "t/b/d/e", "t2/x", "t.a", "s"})
    ASSERT_THAT(WriteIfAbsent(storage(), At(path), path), IsOk());
  EXPECT_THAT(Names(At("t")), UnorderedElementsAre("t/a", "t/b/c", "t/b/d/e"));
  EXPECT_THAT(Names(At("t/")), UnorderedElementsAre("t/a", "t/b/c", "t/b/d/e"));
  EXPECT_THAT(Names(At("t/b")), UnorderedElementsAre("t/b/c", "t/b/d/e"));
  EXPECT_THAT(AllNames(), UnorderedElementsAre("t/a", "t/b/c", "t/b/d/e", "t2/x", "t.a", "s"));
  EXPECT_THAT(Names(storage().root() + "/"), ::testing::SizeIs(6));
}

TEST_P(StorageContract, ListsAFolderThatDoesNotExistAsEmpty) {
  EXPECT_THAT(AllNames(), IsEmpty());
  EXPECT_THAT(Names(At("no/such")), IsEmpty());
  ASSERT_THAT(WriteIfAbsent(storage(), At("file"), "x"), IsOk());
  EXPECT_THAT(Names(At("file")), IsEmpty());
  EXPECT_THAT(Names(At("file/below")), IsEmpty());
}

TEST_P(StorageContract, StopsListingAtTheFirstErrorOfTheVisitor) {
  for (const char* path : {"a", "b", "c/d", "c/e"})
    ASSERT_THAT(WriteIfAbsent(storage(), At(path), path), IsOk());
  int visits = 0;
  EXPECT_THAT(storage().List(storage().root(),
                             [&](const storage::FileStatus&) -> Result<> {
                               if (++visits == 2) return Cancelled("enough");
                               return {};
                             }),
              IsErrorWith(ErrorCode::kCancelled, "enough"));
  EXPECT_EQ(visits, 2);
}

TEST_P(StorageContract, LetsTheVisitorRemoveWhatItSees) {
  for (int i = 0; i < 20; ++i)
    ASSERT_THAT(WriteIfAbsent(storage(), At("t/" + std::to_string(i)), "x"), IsOk());
  EXPECT_THAT(storage().List(
                  At("t"),
                  [&](const storage::FileStatus& file) { return storage().Remove(file.location); }),
              IsOk());
  EXPECT_THAT(AllNames(), IsEmpty());
}

TEST_P(StorageContract, RemovesAFileOnce) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("t/a"), "x"), IsOk());
  EXPECT_THAT(storage().Remove(At("t/a")), IsOk());
  EXPECT_THAT(storage().Remove(At("t/a")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(storage().Open(At("t/a")), IsError(ErrorCode::kNotFound));
  EXPECT_THAT(AllNames(), IsEmpty());
  EXPECT_THAT(WriteIfAbsent(storage(), At("t/a"), "again"), IsOk());
}

TEST_P(StorageContract, RefusesForbiddenLocationsInEveryCallAndNamesThem) {
  ASSERT_THAT(WriteIfAbsent(storage(), At("t/a"), "x"), IsOk());
  const std::string root = storage().root();
  const auto denied = ErrorCode::kPermissionDenied;
  const auto invalid = ErrorCode::kInvalidArgument;
  const std::vector<std::pair<std::string, ErrorCode>> cases = {
      {At("t/../t/a"), denied},
      {At(".."), denied},
      {At("../x"), denied},
      {root + "2/x", denied},
      {"gopher://lake/t/a", denied},
      {"/etc/passwd", denied},
      {"file:///etc/passwd", denied},
      {At(".parkeeper/coordinator"), denied},
      {At("t/.parkeeper-0.tmp"), denied},
      {At("t//a"), invalid},
      {At("/t/a"), invalid},
      {At("t/./a"), invalid},
      {At(std::string("t/a\0b", 5)), invalid},
      {"t/a", invalid},
      {"", invalid},
      {At("deep/" +
          [] {
            std::string path;
            for (int i = 0; i < storage::kMaxSegments; ++i) path += "d/";
            return path;
          }() +
          "f"),
       invalid}};
  const auto none = [](const storage::FileStatus&) -> Result<> { return Internal("visited"); };
  for (const auto& [location, code] : cases) {
    EXPECT_THAT(storage().Open(location), IsErrorWith(code, location)) << location;
    EXPECT_THAT(storage().Create(location), IsErrorWith(code, location)) << location;
    EXPECT_THAT(storage().Stat(location), IsErrorWith(code, location)) << location;
    EXPECT_THAT(storage().Remove(location), IsErrorWith(code, location)) << location;
    EXPECT_THAT(storage().List(location, none), IsErrorWith(code, location)) << location;
  }
  for (const std::string& folder : {root, root + "/", At("t/")}) {
    EXPECT_THAT(storage().Open(folder), IsErrorWith(invalid, folder));
    EXPECT_THAT(storage().Create(folder), IsErrorWith(invalid, folder));
    EXPECT_THAT(storage().Stat(folder), IsErrorWith(invalid, folder));
    EXPECT_THAT(storage().Remove(folder), IsErrorWith(invalid, folder));
  }
  EXPECT_THAT(AllNames(), ElementsAre("t/a"));
}

TEST_P(StorageContract, WritesManyFilesFromManyThreads) {
  std::atomic<int> failed = 0;
  std::vector<std::jthread> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&, i] {
      for (int j = 0; j < 12; ++j) {
        const std::string name = std::to_string(j % 3) + "/" + std::to_string(i * 100 + j);
        if (!WriteIfAbsent(storage(), At(name), name).ok()) ++failed;
        if (!ReadAll(storage(), At(name)).ok()) ++failed;
      }
    });
  writers.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_THAT(AllNames(), ::testing::SizeIs(48));
}

}  // namespace pk::testing
