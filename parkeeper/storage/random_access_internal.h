#pragma once

#include <fmt/format.h>

#include "parkeeper/storage/storage.h"

namespace pk::storage {

// Every implementation's check of Read(): the range lies in the file.
inline Result<> CheckRange(const RandomAccessFile& file, int64_t offset, size_t length) {
  PK_CHECK(offset >= 0, InvalidArgument(fmt::format("offset {} is negative, reading {}", offset,
                                                    file.location())));
  const int64_t size = file.size();
  PK_CHECK(offset <= size && length <= size_t(size - offset),
           Corrupt(fmt::format("file ends at byte {}, {} bytes from {} on were wanted: {}", size,
                               length, offset, file.location())));
  return {};
}

}  // namespace pk::storage
