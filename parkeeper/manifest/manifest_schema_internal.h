#pragma once

// The Avro schemas that we write (table spec, "Manifest Entry Fields", "Manifest Lists", "Appendix
// A"), as JSON.

#include <cstdint>
#include <string>
#include <vector>

#include "parkeeper/iceberg/type.h"

namespace pk::manifest {

std::string ManifestListSchema(int32_t format_version);

// `partition`: primitive fields only.
std::string ManifestEntrySchema(int32_t format_version, const iceberg::StructType& partition);

// Bytes of the fixed that holds a decimal of this precision.
int32_t DecimalBytes(int32_t precision);

// `names` as Avro allows them, made as the reference implementation does ("a b" to "a_x20b"), each
// once.
std::vector<std::string> AvroNames(const std::vector<std::string>& names);

}  // namespace pk::manifest
