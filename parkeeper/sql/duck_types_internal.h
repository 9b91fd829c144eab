#pragma once

// Iceberg's types as DuckDB's. Pure.
//
//   boolean BOOLEAN    date        DATE                      string VARCHAR
//   int     INTEGER    time        TIME                      uuid   UUID
//   long    BIGINT     timestamp   TIMESTAMP                 fixed  BLOB
//   float   FLOAT      timestamptz TIMESTAMP WITH TIME ZONE  binary BLOB
//   double  DOUBLE     decimal     DECIMAL(p,s)
//   struct STRUCT(...), list T[], map MAP(K, V)

#include <string>
#include <string_view>

#include "parkeeper/iceberg/type.h"

namespace pk::sql {

// As SQL writes it.
std::string DuckTypeOf(const iceberg::Type& type);

// A file whose column DuckDB calls `stored` can be read by DuckDB as `type` with the very values
// that Iceberg's rules give: the same type, or one that is promotable to it.
bool ReadsAs(std::string_view stored, const iceberg::PrimitiveType& type);

}  // namespace pk::sql
