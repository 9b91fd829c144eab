// Fuzzes the readers of manifests and manifest lists, and with them Avro and its codecs. The first
// byte chooses the reader.
//
// The next lines are read by `./dev fuzz manifest`; see jute_fuzz.cc.
// sources: parkeeper/base/*.cc parkeeper/iceberg/*.cc parkeeper/manifest/*.cc
// libraries: fmt spdlog boost_json z zstd snappy

#include <cstdint>
#include <filesystem>

#include "fuzz/seeds.h"
#include "parkeeper/manifest/manifest_list.h"
#include "parkeeper/manifest/manifest_reader.h"
#include "parkeeper/manifest/manifest_writer.h"
#include "tests/support/manifest_samples.h"

namespace {

constexpr char kColumns = 0, kEntries = 1, kList = 2;

}  // namespace

void WriteSeeds(const std::string& folder) {
  for (const auto& file : std::filesystem::directory_iterator("tests/golden/manifests")) {
    if (file.path().extension() != ".avro") continue;
    const std::string name = file.path().filename().string();
    const std::string bytes = FileBytes(file.path().string());
    if (name.starts_with("list-")) {
      WriteSeed(folder, name, kList + bytes);
    } else {
      WriteSeed(folder, "columns-" + name, kColumns + bytes);
      WriteSeed(folder, "entries-" + name, kEntries + bytes);
    }
  }
  using namespace pk::testing;
  for (const auto codec : {pk::manifest::Codec::kNull, pk::manifest::Codec::kZstd}) {
    pk::manifest::ManifestWriter writer(SampleSchema(), SampleSpec(), {.codec = codec});
    for (int i = 0; i < 3; ++i) {
      if (!writer.Add(SampleEntry(i, SampleSpec())).ok()) std::abort();
    }
    auto written = std::move(writer).Finish();
    if (!written.ok()) std::abort();
    const std::string name = "ours-" + std::to_string(int(codec));
    WriteSeed(folder, "columns-" + name, kColumns + written->bytes);
    WriteSeed(folder, "entries-" + name, kEntries + written->bytes);
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pk::manifest;
  static const auto schema = pk::testing::SampleSchema();
  static const auto spec = pk::testing::SampleSpec();
  static const pk::iceberg::ManifestFile line;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case kColumns: {
      const ReadOptions options{.metrics_of = {1, 2, 3, 12}, .split_offsets = true};
      const auto columns = ReadColumns(bytes, line, spec, *schema, options);
      for (size_t row = 0; columns.ok() && row < columns->size(); ++row) {
        for (const int32_t id : options.metrics_of) (void)columns->Statistics(row, id);
      }
      break;
    }
    case kEntries:
      (void)ReadEntries(bytes, line, spec, *schema);
      break;
    default:
      (void)ReadManifestList(bytes);
  }
  return 0;
}
