#pragma once

// Rows that delete files hide (Iceberg spec, "Delete Formats"): by their position in a data file,
// or by their values of some columns. Which delete files apply to which data file is decided by
// whoever plans the scan.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/name_mapping.h"
#include "parkeeper/iceberg/schema.h"
#include "parkeeper/storage/storage.h"

namespace pk::datafile {

// The columns of a position delete file (spec, "Reserved Field IDs").
inline constexpr int32_t kDeletePathFieldId = 2147483546;
inline constexpr int32_t kDeletePositionFieldId = 2147483545;

// kUnsupported names a delete file that cannot be read: a deletion vector, which comes with format
// version 3, or another format than Parquet.
Result<> CheckDeleteFormat(const iceberg::DataFile& file);

// Told how many bytes more are held while a delete file is being read; its error ends the reading.
using MemoryCharge = std::function<Result<>(int64_t bytes)>;

// The positions that one position delete file lists, by data file: 8 bytes each. Immutable.
class PositionDeletes {
 public:
  using Locations = std::set<std::string, std::less<>>;

  // Keeps those of the data files `wanted` only. kUnsupported as of CheckDeleteFormat; kCorrupt
  // names a file whose rows are no positions.
  static Result<std::shared_ptr<const PositionDeletes>> Read(storage::Storage& storage,
                                                             const iceberg::DataFile& file,
                                                             const Locations& wanted,
                                                             const MemoryCharge& charge);

  // Ascending, each once; null when there are none. Locations are compared byte by byte.
  const std::vector<int64_t>* Of(std::string_view data_file) const;
  int64_t bytes() const { return bytes_; }

 private:
  Result<> Add(const Batch& batch, const Locations& wanted);
  void Sort();

  std::map<std::string, std::vector<int64_t>, std::less<>> by_file_;
  int64_t bytes_ = 0;
};

// The keys of equality delete files over the same columns, told apart by a number that the caller
// gives each file. Thread-safe: files may be added while others are looked for. Memory: the bytes
// of each key and about 60 more, and 8 bytes for each further file that holds it.
class EqualityDeletes {
 public:
  // `columns` holds the fields `ids`, as wide as data files are to be read: files written before a
  // promotion are widened. kUnsupported: one of the fields is nested in a list or a map, is not
  // primitive, or is not there.
  static Result<std::shared_ptr<EqualityDeletes>> Make(const iceberg::Schema& columns,
                                                       std::vector<int32_t> ids);
  ~EqualityDeletes();

  // The columns that Find wants, in order: those of `ids` and nothing else.
  const iceberg::Schema& keys() const;

  // kUnsupported as of CheckDeleteFormat; kCorrupt names a file that lacks a column.
  Result<> Read(storage::Storage& storage, const iceberg::DataFile& file, int32_t number,
                const std::optional<iceberg::NameMapping>& mapping, const MemoryCharge& charge);

  // Sets hidden[i] to 1 where the values of row i of `rows` are those of a row in one of `files`
  // (sorted numbers). Rows whose hidden[i] is 1 already are not looked at. Null equals null; floats
  // are equal when their bits are, and any NaN equals any other, as in partitions (spec, "Scan
  // Planning", note 3): -0 does not equal 0.
  Result<> Find(const Batch& rows, const std::vector<int32_t>& files,
                std::vector<uint8_t>& hidden) const;
  int64_t bytes() const;

 private:
  EqualityDeletes();

  struct State;
  std::unique_ptr<State> state_;
};

// What hides rows of one data file.
struct RowDeletes {
  struct ByKeys {
    std::shared_ptr<const EqualityDeletes> deletes;
    std::vector<int32_t> files;  // sorted numbers of those that apply to the data file
  };
  std::vector<std::shared_ptr<const PositionDeletes>> positions;
  std::vector<ByKeys> keys;
};

}  // namespace pk::datafile
