#pragma once

// What a commit that takes data files away says of them and of the delete files that go with them.

#include <vector>

#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/table/planning_internal.h"
#include "parkeeper/table/scan.h"

namespace pk::table {

iceberg::FileRef RefTo(const iceberg::DataFile& file);

// False when it is certain that the delete file, which the plan gives to the task, hides no row of
// it: position deletes name files that were there when they were written, and what a rewrite made
// of older rows was not.
bool MayHide(const DeleteFile& deletes, const FileTask& task);

// The data files of the tasks `chosen`, one truth value for each task of the plan, each file once;
// then the delete files of the plan that hide rows of these and, which is certain, of no other.
std::vector<iceberg::FileRef> ReplacedFiles(const WholePlan& plan, const std::vector<bool>& chosen,
                                            const iceberg::TableMetadata& metadata);

}  // namespace pk::table
