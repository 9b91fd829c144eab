#pragma once

// What all fuzzers do when they start: PARKEEPER_FUZZ_SEEDS names a folder into which they write
// the first inputs, from samples of the tests.

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

// Of each fuzzer, in its own file.
void WriteSeeds(const std::string& folder);

inline void WriteSeed(const std::string& folder, const std::string& name, std::string_view bytes) {
  std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
}

// A file of the repository, in whose root the fuzzer runs.
inline std::string FileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

extern "C" [[gnu::used]] inline int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("PARKEEPER_FUZZ_SEEDS");
  if (folder != nullptr) WriteSeeds(folder);
  return 0;
}
