#include <fmt/format.h>
#include <openssl/sha.h>

#include <cstdint>

#include "parkeeper/jobs/digest_internal.h"

namespace pk::jobs {

std::string Digest(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string HexDigest(std::string_view bytes) {
  std::string text;
  for (const char c : Digest(bytes)) text += fmt::format("{:02x}", uint8_t(c));
  return text;
}

}  // namespace pk::jobs
