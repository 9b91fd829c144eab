#include "parkeeper/coordination/validate.h"

#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/coordination/limits.h"
#include "parkeeper/coordination/path.h"

namespace pk::coordination {
namespace {

size_t Bytes(const CheckOperation& operation) { return operation.path.size(); }
size_t Bytes(const CreateOperation& operation) {
  return operation.path.size() + operation.value.size();
}
size_t Bytes(const SetOperation& operation) {
  return operation.path.size() + operation.value.size();
}
size_t Bytes(const RemoveOperation& operation) { return operation.path.size(); }

Result<> Validate(const CheckOperation& operation) { return ValidatePath(operation.path); }
Result<> Validate(const SetOperation& operation) { return ValidatePath(operation.path); }
Result<> Validate(const CreateOperation& operation) {
  PK_TRY(ValidatePath(operation.path));
  if (!IsSequential(operation.mode)) return {};
  PK_CHECK(operation.path != "/", InvalidArgument("a sequential node needs a name: '/'"));
  PK_CHECK(operation.path.size() + kSequenceDigits <= kMaxPathBytes,
           InvalidArgument(
               fmt::format("path with its sequence number has more than {} bytes", kMaxPathBytes)));
  return {};
}
Result<> Validate(const RemoveOperation& operation) {
  PK_TRY(ValidatePath(operation.path));
  PK_CHECK(operation.path != "/", InvalidArgument("the root cannot be removed"));
  return {};
}

// Of the operation that has most bytes.
const std::string& LargestPath(const Transaction& transaction) {
  const auto& operations = transaction.operations();
  const auto largest = std::ranges::max_element(operations, {}, [](const Operation& operation) {
    return std::visit([](const auto& o) { return Bytes(o); }, operation);
  });
  return std::visit([](const auto& o) -> const std::string& { return o.path; }, *largest);
}

Result<> ValidateNumberOfReads(size_t count) {
  PK_CHECK(
      count <= kMaxOperations,
      InvalidArgument(fmt::format("{} reads in one call, more than {}", count, kMaxOperations)));
  return {};
}

}  // namespace

bool IsSequential(CreateMode mode) {
  return mode == CreateMode::kPersistentSequential || mode == CreateMode::kEphemeralSequential;
}

bool IsEphemeral(CreateMode mode) {
  return mode == CreateMode::kEphemeral || mode == CreateMode::kEphemeralSequential;
}

size_t RequestBytes(const Transaction& transaction) {
  size_t bytes = transaction.operations().size() * kOperationOverheadBytes;
  for (const Operation& operation : transaction.operations()) {
    bytes += std::visit([](const auto& o) { return Bytes(o); }, operation);
  }
  return bytes;
}

Result<> ValidateTransaction(const Transaction& transaction) {
  const auto& operations = transaction.operations();
  PK_CHECK(operations.size() <= kMaxOperations,
           InvalidArgument(fmt::format("transaction has {} operations, more than {}",
                                       operations.size(), kMaxOperations)));
  const size_t bytes = RequestBytes(transaction);
  PK_CHECK(
      bytes <= kMaxRequestBytes,
      InvalidArgument(fmt::format("transaction has {} bytes, more than {}, most of them for {}",
                                  bytes, kMaxRequestBytes, LargestPath(transaction))));
  for (size_t i = 0; i < operations.size(); ++i) {
    auto valid = std::visit([](const auto& o) { return Validate(o); }, operations[i]);
    if (!valid.ok()) return std::move(valid).With(fmt::format("operation {}", i));
  }
  return {};
}

Result<> ValidateReads(const std::vector<ReadRequest>& requests) {
  PK_TRY(ValidateNumberOfReads(requests.size()));
  for (const ReadRequest& request : requests) PK_TRY(ValidatePath(request.path));
  return {};
}

Result<> ValidateStats(const std::vector<std::string>& paths) {
  PK_TRY(ValidateNumberOfReads(paths.size()));
  for (const std::string& path : paths) PK_TRY(ValidatePath(path));
  return {};
}

}  // namespace pk::coordination
