// Fuzzes the reader of table metadata. What it reads it writes again, and reads that as the same:
// so the writer meets every state that the reader lets in.
//
// The next lines are read by `./dev fuzz metadata`; see jute_fuzz.cc.
// sources: parkeeper/base/*.cc parkeeper/iceberg/*.cc
// libraries: fmt spdlog boost_json

#include <cstdint>
#include <cstdio>
#include <filesystem>

#include "fuzz/seeds.h"
#include "parkeeper/iceberg/table_metadata.h"

void WriteSeeds(const std::string& folder) {
  for (const auto& file : std::filesystem::directory_iterator("tests/golden/metadata")) {
    WriteSeed(folder, file.path().filename().string(), FileBytes(file.path().string()));
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pk::iceberg;
  const auto read = ParseTableMetadata({reinterpret_cast<const char*>(data), size});
  if (!read.ok()) return 0;
  const std::string written = ToJson(*read);
  const auto again = ParseTableMetadata(written);
  if (again.ok() && ToJson(*again) == written) return 0;
  std::fprintf(stderr, "not read as written: %s\n%s\n", written.c_str(),
               again.ok() ? ToJson(*again).c_str() : again.error().ToString().c_str());
  std::abort();
}
