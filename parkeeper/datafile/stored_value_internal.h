#pragma once

// Single values as Parquet stores them in statistics, and back for bloom filters.

#include <parquet/bloom_filter.h>
#include <parquet/schema.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "parkeeper/iceberg/type.h"
#include "parkeeper/iceberg/value.h"

namespace pk::datafile {

// `bytes`, a plain-encoded value of `column`, as a value of `target`; nullopt when it is none or
// when the order of statistics is not that of the target's values.
std::optional<iceberg::Value> StoredValue(std::string_view bytes,
                                          const parquet::ColumnDescriptor& column,
                                          const iceberg::PrimitiveType& target);

// Whether `value` of type `target` may be among the values of `column` in the filter; true when the
// filter cannot tell.
bool MayContain(const parquet::BloomFilter& filter, const parquet::ColumnDescriptor& column,
                const iceberg::PrimitiveType& target, const iceberg::Value& value);

}  // namespace pk::datafile
