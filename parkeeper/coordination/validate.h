#pragma once

// Whether a back end takes a request at all: paths (path.h) and limits (limits.h). Every back end
// calls these first, so that all of them refuse the same things with the same words. Pure.

#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/coordination/coordinator.h"
#include "parkeeper/coordination/transaction.h"

namespace pk::coordination {

// What a transaction counts against kMaxRequestBytes: its paths, its values, and
// kOperationOverheadBytes for each operation.
size_t RequestBytes(const Transaction& transaction);

// kInvalidArgument: a bad path, over a limit, removal of the root, or a sequential node whose name
// before the digits is the root's. The message names the operation by its index.
Result<> ValidateTransaction(const Transaction& transaction);

// kInvalidArgument: a bad path, or more than kMaxOperations requests.
Result<> ValidateReads(const std::vector<ReadRequest>& requests);
Result<> ValidateStats(const std::vector<std::string>& paths);

bool IsSequential(CreateMode mode);
bool IsEphemeral(CreateMode mode);

}  // namespace pk::coordination
