#include "parkeeper/datafile/row_keys_internal.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "parkeeper/datafile/row_mask_internal.h"

namespace pk::datafile {
namespace {

template <class T>
void AppendFixed(const T& value, std::string& key) {
  key.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <class T>
void AppendNumber(const arrow::Array& array, int64_t row, std::string& key) {
  T value = array.data()->GetValues<T>(1)[row];
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) value = std::numeric_limits<T>::quiet_NaN();
  }
  AppendFixed(value, key);
}

// With its length, so that no two keys of several strings run into one.
void AppendBytes(std::string_view bytes, std::string& key) {
  AppendFixed(static_cast<uint32_t>(bytes.size()), key);
  key += bytes;
}

template <class ArrayType>
void AppendView(const arrow::Array& array, int64_t row, std::string& key) {
  AppendBytes(static_cast<const ArrayType&>(array).GetView(row), key);
}

void AppendValue(const arrow::Array& array, int64_t row, std::string& key) {
  using T = arrow::Type;
  if (array.type_id() == T::DICTIONARY) {
    const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
    // A null may stand in the dictionary as well.
    if (coded.IsValid(row)) return AppendValue(*coded.dictionary(), coded.GetValueIndex(row), key);
    key += '\0';
    return;
  }
  if (array.IsNull(row)) {
    key += '\0';
    return;
  }
  key += '\1';
  switch (array.type_id()) {
    case T::BOOL:
      key += static_cast<const arrow::BooleanArray&>(array).Value(row) ? '\1' : '\0';
      return;
    case T::FLOAT:
      return AppendNumber<float>(array, row, key);
    case T::DOUBLE:
      return AppendNumber<double>(array, row, key);
    case T::INT32:
    case T::DATE32:
      return AppendNumber<int32_t>(array, row, key);
    case T::INT64:
    case T::TIME64:
    case T::TIMESTAMP:
      return AppendNumber<int64_t>(array, row, key);
    case T::DECIMAL128:
    case T::FIXED_SIZE_BINARY:
      return AppendView<arrow::FixedSizeBinaryArray>(array, row, key);
    case T::STRING_VIEW:
    case T::BINARY_VIEW:
      return AppendView<arrow::BinaryViewArray>(array, row, key);
    default:
      return AppendView<arrow::BinaryArray>(array, row, key);
  }
}

bool IsKeyType(const arrow::DataType& type) {
  using T = arrow::Type;
  switch (type.id()) {
    case T::DICTIONARY:
      return IsKeyType(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case T::BOOL:
    case T::FLOAT:
    case T::DOUBLE:
    case T::INT32:
    case T::DATE32:
    case T::INT64:
    case T::TIME64:
    case T::TIMESTAMP:
    case T::DECIMAL128:
    case T::FIXED_SIZE_BINARY:
    case T::STRING:
    case T::BINARY:
    case T::STRING_VIEW:
    case T::BINARY_VIEW:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<RowKeys> RowKeys::Of(const Batch& batch, const iceberg::Schema& schema,
                            const std::vector<int32_t>& ids) {
  RowKeys keys;
  for (const int32_t id : ids) {
    keys.columns_.push_back(PK_TRY(ColumnById(*batch.rows, schema, id)));
    const arrow::DataType& type = *keys.columns_.back()->type();
    PK_CHECK(IsKeyType(type), Internal(fmt::format("a key of Arrow type {}", type.ToString())));
  }
  return keys;
}

std::string_view RowKeys::At(int64_t row) {
  key_.clear();
  for (const auto& column : columns_) AppendValue(*column, row, key_);
  return key_;
}

uint32_t KeyTable::HashOf(std::string_view key) {
  const uint64_t hash = std::hash<std::string_view>()(key);
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

// The slot that holds the key, or the free one where it belongs.
size_t KeyTable::SlotOf(std::string_view key, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    if (slots_[slot] == 0) return slot;
    const Key& held = keys_[slots_[slot] - 1];
    if (held.hash == hash && held.length == key.size() &&
        std::memcmp(bytes_.data() + held.begin, key.data(), key.size()) == 0) {
      return slot;
    }
  }
}

void KeyTable::Grow() {
  const size_t mask = slots_.size() * 2 - 1;
  slots_.assign(mask + 1, 0);
  for (size_t i = 0; i < keys_.size(); ++i) {
    size_t slot = keys_[i].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

void KeyTable::Add(std::string_view key, int32_t file) {
  const uint32_t hash = HashOf(key);
  size_t slot = SlotOf(key, hash);
  if (slots_[slot] == 0) {
    if ((keys_.size() + 1) * 2 > slots_.size()) {
      Grow();
      slot = SlotOf(key, hash);
    }
    keys_.push_back({.begin = bytes_.size(),
                     .length = static_cast<uint32_t>(key.size()),
                     .hash = hash,
                     .first = 0});
    bytes_ += key;
    slots_[slot] = static_cast<uint32_t>(keys_.size());
  }
  Key& held = keys_[slots_[slot] - 1];
  if (held.first != 0 && more_[held.first - 1].file == file) return;
  more_.push_back({.file = file, .next = held.first});
  held.first = static_cast<uint32_t>(more_.size());
}

int64_t KeyTable::bytes() const {
  return static_cast<int64_t>(bytes_.capacity() + keys_.capacity() * sizeof(Key) +
                              more_.capacity() * sizeof(File) +
                              slots_.capacity() * sizeof(uint32_t));
}

}  // namespace pk::datafile
