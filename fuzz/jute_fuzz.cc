// Fuzzes every decoder of replies of a ZooKeeper server. The first byte chooses the decoder. Not
// part of the build; with clang, in the root of the repository:
//
//   mkdir -p build/fuzz/corpus
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. fuzz/jute_fuzz.cc \
//     parkeeper/base/{clock,result}.cc parkeeper/coordination/{path,signal}.cc \
//     parkeeper/coordination_zookeeper/{frame_buffer,jute,protocol}.cc \
//     -lfmt -o build/fuzz/jute_fuzz
//   PARKEEPER_FUZZ_SEEDS=build/fuzz/corpus build/fuzz/jute_fuzz -runs=0
//   build/fuzz/jute_fuzz build/fuzz/corpus -max_len=4096 -max_total_time=600
//
// The third line writes the samples of tests/support/zookeeper_replies.h as the first corpus.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>

#include "tests/support/zookeeper_replies.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  using namespace pk::testing;
  const char* folder = std::getenv("PARKEEPER_FUZZ_SEEDS");
  if (folder == nullptr) return 0;
  for (uint8_t kind = 0; kind < kReplyKinds; ++kind) {
    std::ofstream file(std::string(folder) + "/" + std::to_string(kind), std::ios::binary);
    file << static_cast<char>(kind) << SampleReply(ReplyKind(kind));
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pk::testing;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)Decodes(ReplyKind(data[0] % kReplyKinds), bytes);
  return 0;
}
