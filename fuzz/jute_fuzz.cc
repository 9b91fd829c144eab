// Fuzzes every decoder of replies of a ZooKeeper server. The first byte chooses the decoder.
//
// The next lines are read by `./dev fuzz jute`, which builds this with clang, outside of the build.
// sources: parkeeper/base/{clock,result}.cc parkeeper/coordination/{path,signal}.cc
// sources: parkeeper/coordination_zookeeper/{frame_buffer,jute,protocol}.cc
// libraries: fmt

#include <cstdint>

#include "fuzz/seeds.h"
#include "tests/support/zookeeper_replies.h"

void WriteSeeds(const std::string& folder) {
  using namespace pk::testing;
  for (uint8_t kind = 0; kind < kReplyKinds; ++kind) {
    WriteSeed(folder, std::to_string(kind), char(kind) + SampleReply(ReplyKind(kind)));
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pk::testing;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)Decodes(ReplyKind(data[0] % kReplyKinds), bytes);
  return 0;
}
