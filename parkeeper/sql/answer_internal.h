#pragma once

// A query on its way, as a source of batches.

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/datafile/batch.h"
#include "parkeeper/sql/engine_internal.h"

namespace pk::sql {

// Runs `text`, a query, and gives its rows as they come. They end with the engine's next query.
Result<std::unique_ptr<datafile::BatchSource>> RunQuery(Engine& engine, const std::string& text,
                                                        std::stop_token stop);

// The columns of those rows; nothing is run.
Result<iceberg::Schema> ColumnsOf(Engine& engine, const std::string& text);

// "id", "id" and "" as "id", "id_1" and "column_2": names that a file can hold. Pure.
std::vector<std::string> UniqueNames(std::vector<std::string> names);

}  // namespace pk::sql
