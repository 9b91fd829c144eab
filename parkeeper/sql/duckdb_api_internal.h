#pragma once

// The part of DuckDB's C API that we call, found in a library at run time. Names, arguments and
// layouts are those that its documentation states for 1.4 and later; handles are pointers to what
// only the library knows.

#include <cstddef>
#include <cstdint>
#include <string>

#include "parkeeper/base/result.h"

struct ArrowSchema;  // Arrow C data interface
struct ArrowArray;
struct ArrowArrayStream;

namespace pk::sql {

using DuckDatabase = struct DuckDatabaseHandle*;
using DuckConnection = struct DuckConnectionHandle*;
using DuckConfig = struct DuckConfigHandle*;
using DuckPrepared = struct DuckPreparedHandle*;
using DuckChunk = struct DuckChunkHandle*;
using DuckVector = struct DuckVectorHandle*;
using DuckType = struct DuckTypeHandle*;
using DuckError = struct DuckErrorHandle*;
using DuckArrowOptions = struct DuckArrowOptionsHandle*;
using DuckTableFunction = struct DuckTableFunctionHandle*;
using DuckCall = struct DuckCallHandle*;  // of a table function, in each of its phases

// What the library returns; anything else is a failure.
inline constexpr int kDuckSuccess = 0;

// A result goes to some functions by value: only its size and the last member are of its contract.
struct DuckResult {
  uint64_t counts[3];
  void* former[2];
  void* internal;
};
static_assert(sizeof(DuckResult) == 48);

// A string in a vector: up to 12 bytes stand in place of prefix and pointer.
struct DuckString {
  uint32_t length;
  char prefix[4];
  const char* bytes;
};
static_assert(sizeof(DuckString) == 16);
inline constexpr uint32_t kDuckInlineBytes = 12;

struct DuckApi {
  const char* (*library_version)();
  void (*free)(void*);

  int (*create_config)(DuckConfig*);
  int (*set_config)(DuckConfig, const char* name, const char* value);
  void (*destroy_config)(DuckConfig*);
  int (*open_ext)(const char* path, DuckDatabase*, DuckConfig, char** error);
  void (*close)(DuckDatabase*);
  int (*connect)(DuckDatabase, DuckConnection*);
  void (*disconnect)(DuckConnection*);
  void (*interrupt)(DuckConnection);

  int (*query)(DuckConnection, const char* text, DuckResult*);
  void (*destroy_result)(DuckResult*);
  const char* (*result_error)(DuckResult*);
  uint64_t (*column_count)(DuckResult*);
  const char* (*column_name)(DuckResult*, uint64_t column);
  DuckType (*column_logical_type)(DuckResult*, uint64_t column);
  void (*destroy_logical_type)(DuckType*);
  DuckChunk (*fetch_chunk)(DuckResult);
  void (*destroy_data_chunk)(DuckChunk*);
  uint64_t (*data_chunk_get_size)(DuckChunk);
  void (*data_chunk_set_size)(DuckChunk, uint64_t size);
  DuckVector (*data_chunk_get_vector)(DuckChunk, uint64_t column);
  void* (*vector_get_data)(DuckVector);
  uint64_t* (*vector_get_validity)(DuckVector);

  int (*prepare)(DuckConnection, const char* text, DuckPrepared*);
  const char* (*prepare_error)(DuckPrepared);
  void (*destroy_prepare)(DuckPrepared*);
  uint64_t (*nparams)(DuckPrepared);
  uint64_t (*prepared_statement_column_count)(DuckPrepared);
  const char* (*prepared_statement_column_name)(DuckPrepared, uint64_t column);  // to be freed
  DuckType (*prepared_statement_column_logical_type)(DuckPrepared, uint64_t column);
  int (*execute_prepared_streaming)(DuckPrepared, DuckResult*);

  DuckArrowOptions (*result_get_arrow_options)(DuckResult*);
  void (*connection_get_arrow_options)(DuckConnection, DuckArrowOptions*);
  void (*destroy_arrow_options)(DuckArrowOptions*);
  DuckError (*to_arrow_schema)(DuckArrowOptions, DuckType* types, const char** names,
                               uint64_t columns, ArrowSchema* out);
  DuckError (*data_chunk_to_arrow)(DuckArrowOptions, DuckChunk, ArrowArray* out);
  bool (*error_data_has_error)(DuckError);
  const char* (*error_data_message)(DuckError);
  void (*destroy_error_data)(DuckError*);
  int (*arrow_scan)(DuckConnection, const char* view, ArrowArrayStream*);

  DuckTableFunction (*create_table_function)();
  void (*destroy_table_function)(DuckTableFunction*);
  void (*table_function_set_name)(DuckTableFunction, const char* name);
  void (*table_function_set_extra_info)(DuckTableFunction, void* extra, void (*destroy)(void*));
  void (*table_function_set_bind)(DuckTableFunction, void (*bind)(DuckCall));
  void (*table_function_set_init)(DuckTableFunction, void (*init)(DuckCall));
  void (*table_function_set_function)(DuckTableFunction, void (*function)(DuckCall, DuckChunk));
  void (*table_function_supports_projection_pushdown)(DuckTableFunction, bool);
  int (*register_table_function)(DuckConnection, DuckTableFunction);
  void* (*bind_get_extra_info)(DuckCall);
  void (*bind_add_result_column)(DuckCall, const char* name, DuckType);
  void (*bind_set_cardinality)(DuckCall, uint64_t rows, bool exact);

  std::string path;  // of the library
};

// As FindDuckDb (library.h). Lives as long as the process.
Result<const DuckApi*> LoadDuckDb(const std::string& path);
// What it loaded, for functions that DuckDB calls and that are told nothing. Only after it.
const DuckApi& LoadedDuckDb();

}  // namespace pk::sql
