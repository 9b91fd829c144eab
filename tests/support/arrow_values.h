#pragma once

// Single values out of Arrow arrays, slowly and obviously: what tests compare against. Includes
// Arrow: only for tests of layers that link it.

#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_primitive.h>

#include <cstring>

#include "parkeeper/iceberg/value.h"

namespace pk::testing {

// Row `row` of a column of this type, in any form in which a Batch holds it.
inline iceberg::Value ValueAt(const arrow::Array& array, int64_t row,
                              const iceberg::PrimitiveType& type) {
  using T = arrow::Type;
  if (array.IsNull(row)) return {};
  switch (array.type_id()) {
    case T::DICTIONARY: {
      const auto& typed = static_cast<const arrow::DictionaryArray&>(array);
      return ValueAt(*typed.dictionary(), typed.GetValueIndex(row), type);
    }
    case T::BOOL:
      return static_cast<const arrow::BooleanArray&>(array).Value(row);
    case T::INT32:
    case T::DATE32:
      return array.data()->GetValues<int32_t>(1)[row];
    case T::INT64:
    case T::TIME64:
    case T::TIMESTAMP:
      return array.data()->GetValues<int64_t>(1)[row];
    case T::FLOAT:
      return array.data()->GetValues<float>(1)[row];
    case T::DOUBLE:
      return array.data()->GetValues<double>(1)[row];
    case T::DECIMAL128: {
      iceberg::Int128 value = 0;
      std::memcpy(&value, static_cast<const arrow::Decimal128Array&>(array).GetValue(row), 16);
      return value;
    }
    case T::FIXED_SIZE_BINARY:
      return std::string(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row));
    case T::STRING_VIEW:
    case T::BINARY_VIEW:
      return std::string(static_cast<const arrow::BinaryViewArray&>(array).GetView(row));
    default:
      return std::string(static_cast<const arrow::BinaryArray&>(array).GetView(row));
  }
}

}  // namespace pk::testing
