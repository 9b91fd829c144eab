#pragma once

// Rows' values of some columns as bytes, and a table of such keys.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::datafile {

// The values of a row in some columns, as bytes that are equal exactly when the values are: null
// equals null, any NaN any other, and -0 is not 0.
class RowKeys {
 public:
  // Of the fields `ids` of `schema`, all primitive and none repeated.
  static Result<RowKeys> Of(const Batch& batch, const iceberg::Schema& schema,
                            const std::vector<int32_t>& ids);
  // Valid until the next call.
  std::string_view At(int64_t row);

 private:
  std::vector<std::shared_ptr<arrow::Array>> columns_;
  std::string key_;
};

// Which files hold which keys. At most 2^32 - 2 keys and as many pairs.
class KeyTable {
 public:
  KeyTable() : slots_(16, 0) {}

  // Pairs that are there already may be added again.
  void Add(std::string_view key, int32_t file);
  // Whether one of the files for which `applies` holds has the key.
  template <class Applies>
  bool Contains(std::string_view key, const Applies& applies) const {
    const uint32_t found = slots_[SlotOf(key, HashOf(key))];
    if (found == 0) return false;
    for (uint32_t at = keys_[found - 1].first; at != 0; at = more_[at - 1].next) {
      if (applies(more_[at - 1].file)) return true;
    }
    return false;
  }
  int64_t bytes() const;

 private:
  struct Key {
    uint64_t begin = 0;  // in bytes_
    uint32_t length = 0;
    uint32_t hash = 0;
    uint32_t first = 0;  // of its files: place in more_, from 1
  };
  struct File {
    int32_t file = 0;
    uint32_t next = 0;  // place in more_, from 1; 0: none
  };
  static uint32_t HashOf(std::string_view key);
  size_t SlotOf(std::string_view key, uint32_t hash) const;
  void Grow();

  std::string bytes_;
  std::vector<Key> keys_;
  std::vector<File> more_;
  std::vector<uint32_t> slots_;  // places in keys_, from 1; a power of two of them
};

}  // namespace pk::datafile
