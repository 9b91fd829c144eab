#include <parquet/metadata.h>
#include <parquet/schema.h>
#include <parquet/types.h>

#include <algorithm>

#include "parkeeper/datafile/column_decoder_internal.h"

namespace pk::datafile {
namespace {

using iceberg::PrimitiveKind;
using iceberg::PrimitiveType;
using parquet::LogicalType;

Conversion FromTimeUnit(LogicalType::TimeUnit::unit unit) {
  switch (unit) {
    case LogicalType::TimeUnit::MILLIS:
      return Conversion::kMillisToMicros;
    case LogicalType::TimeUnit::MICROS:
      return Conversion::kNone;
    case LogicalType::TimeUnit::NANOS:
      return Conversion::kNanosToMicros;
    default:
      return Conversion::kUnsupported;
  }
}

// int, long: from integers of any width that fits.
Conversion ToInteger(const parquet::ColumnDescriptor& column, bool wide) {
  const LogicalType& logical = *column.logical_type();
  if (!logical.is_none() && !logical.is_int()) return Conversion::kUnsupported;
  bool is_unsigned = false;
  int width = column.physical_type() == parquet::Type::INT32 ? 32 : 64;
  if (logical.is_int()) {
    const auto& integer = static_cast<const parquet::IntLogicalType&>(logical);
    is_unsigned = !integer.is_signed();
    width = integer.bit_width();
  }
  if (column.physical_type() == parquet::Type::INT64) {
    if (!wide) return Conversion::kUnsupported;
    return is_unsigned ? Conversion::kUnsigned64 : Conversion::kNone;
  }
  if (column.physical_type() != parquet::Type::INT32) return Conversion::kUnsupported;
  if (wide) return is_unsigned ? Conversion::kWidenUnsigned : Conversion::kWiden;
  return is_unsigned && width == 32 ? Conversion::kUnsupported : Conversion::kNone;
}

Conversion ToDecimal(const parquet::ColumnDescriptor& column, const PrimitiveType& target) {
  const LogicalType& logical = *column.logical_type();
  if (!logical.is_decimal()) return Conversion::kUnsupported;
  const auto& decimal = static_cast<const parquet::DecimalLogicalType&>(logical);
  const bool fits = decimal.scale() == target.scale && decimal.precision() <= target.precision;
  const bool short_enough =
      column.physical_type() != parquet::Type::FIXED_LEN_BYTE_ARRAY || column.type_length() <= 16;
  return fits && short_enough ? Conversion::kDecimal : Conversion::kUnsupported;
}

Conversion ToTime(const parquet::ColumnDescriptor& column) {
  const LogicalType& logical = *column.logical_type();
  if (!logical.is_time()) return Conversion::kUnsupported;
  return FromTimeUnit(static_cast<const parquet::TimeLogicalType&>(logical).time_unit());
}

// Zones are not compared: older writers do not state them, and both kinds count from 1970 alike.
Conversion ToTimestamp(const parquet::ColumnDescriptor& column) {
  if (column.physical_type() == parquet::Type::INT96) return Conversion::kInt96ToMicros;
  const LogicalType& logical = *column.logical_type();
  if (!logical.is_timestamp()) return Conversion::kUnsupported;
  return FromTimeUnit(static_cast<const parquet::TimestampLogicalType&>(logical).time_unit());
}

Conversion ToFixed(const parquet::ColumnDescriptor& column, int32_t length) {
  const LogicalType& logical = *column.logical_type();
  const bool fits = column.physical_type() == parquet::Type::FIXED_LEN_BYTE_ARRAY &&
                    column.type_length() == length && (logical.is_none() || logical.is_UUID());
  return fits ? Conversion::kFixedBytes : Conversion::kUnsupported;
}

Conversion ToBytes(const parquet::ColumnDescriptor& column) {
  const LogicalType& logical = *column.logical_type();
  const bool bytes = column.physical_type() == parquet::Type::BYTE_ARRAY && !logical.is_decimal();
  return bytes ? Conversion::kBytes : Conversion::kUnsupported;
}

Conversion If(bool condition, Conversion conversion) {
  return condition ? conversion : Conversion::kUnsupported;
}

}  // namespace

Conversion FindConversion(const parquet::ColumnDescriptor& column, const PrimitiveType& target) {
  const LogicalType& logical = *column.logical_type();
  const parquet::Type::type stored = column.physical_type();
  switch (target.kind) {
    case PrimitiveKind::kBoolean:
      return If(stored == parquet::Type::BOOLEAN, Conversion::kNone);
    case PrimitiveKind::kInt:
      return ToInteger(column, false);
    case PrimitiveKind::kLong:
      return ToInteger(column, true);
    case PrimitiveKind::kFloat:
      return If(stored == parquet::Type::FLOAT, Conversion::kNone);
    case PrimitiveKind::kDouble:
      if (stored == parquet::Type::FLOAT) return Conversion::kFloatToDouble;
      return If(stored == parquet::Type::DOUBLE, Conversion::kNone);
    case PrimitiveKind::kDecimal:
      return ToDecimal(column, target);
    case PrimitiveKind::kDate:
      return If(stored == parquet::Type::INT32 && logical.is_date(), Conversion::kNone);
    case PrimitiveKind::kTime:
      return ToTime(column);
    case PrimitiveKind::kTimestamp:
    case PrimitiveKind::kTimestamptz:
      return ToTimestamp(column);
    case PrimitiveKind::kString:
    case PrimitiveKind::kBinary:
      return ToBytes(column);
    case PrimitiveKind::kUuid:
      return ToFixed(column, 16);
    case PrimitiveKind::kFixed:
      return ToFixed(column, target.length);
  }
  return Conversion::kUnsupported;
}

bool IsDictionaryEncoded(const parquet::RowGroupMetaData& group, int column) {
  auto chunk = group.ColumnChunk(column);
  if (!chunk->has_dictionary_page()) return false;
  // The statistics must tell of all pages, the dictionary first, or they prove nothing.
  const auto& stats = chunk->encoding_stats();
  if (stats.size() < 2 || stats[0].page_type != parquet::PageType::DICTIONARY_PAGE) return false;
  return std::all_of(stats.begin() + 1, stats.end(), [](const parquet::PageEncodingStats& pages) {
    return pages.page_type != parquet::PageType::DICTIONARY_PAGE &&
           (pages.encoding == parquet::Encoding::RLE_DICTIONARY ||
            pages.encoding == parquet::Encoding::PLAIN_DICTIONARY);
  });
}

}  // namespace pk::datafile
