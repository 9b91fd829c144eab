#pragma once

// Transaction: a list of operations that a Coordinator carries out all or not at all. A value:
// layers append their own operations to one Transaction, and that is how a table commit and the end
// of a task become one step.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace pk::coordination {

inline constexpr int32_t kAnyVersion = -1;

enum class CreateMode { kPersistent, kEphemeral, kPersistentSequential, kEphemeralSequential };

// The node exists, with this version unless kAnyVersion. Never guard ownership by the version of a
// path that can be created again: a new node is at version 0 again. Use a name that is never used
// twice.
struct CheckOperation {
  std::string path;
  int32_t version = kAnyVersion;
  bool operator==(const CheckOperation&) const = default;
};
// The parent must exist.
struct CreateOperation {
  std::string path;
  std::string value;
  CreateMode mode = CreateMode::kPersistent;
  bool operator==(const CreateOperation&) const = default;
};
struct SetOperation {
  std::string path;
  std::string value;
  int32_t version = kAnyVersion;
  bool operator==(const SetOperation&) const = default;
};
// The node must have no children.
struct RemoveOperation {
  std::string path;
  int32_t version = kAnyVersion;
  bool operator==(const RemoveOperation&) const = default;
};
using Operation = std::variant<CheckOperation, CreateOperation, SetOperation, RemoveOperation>;

class Transaction {
 public:
  Transaction& Check(std::string path, int32_t version = kAnyVersion) {
    operations_.emplace_back(CheckOperation{std::move(path), version});
    return *this;
  }
  Transaction& Create(std::string path, std::string value,
                      CreateMode mode = CreateMode::kPersistent) {
    operations_.emplace_back(CreateOperation{std::move(path), std::move(value), mode});
    return *this;
  }
  Transaction& Set(std::string path, std::string value, int32_t version) {
    operations_.emplace_back(SetOperation{std::move(path), std::move(value), version});
    return *this;
  }
  Transaction& Remove(std::string path, int32_t version) {
    operations_.emplace_back(RemoveOperation{std::move(path), version});
    return *this;
  }
  Transaction& Append(const Transaction& other) {
    operations_.insert(operations_.end(), other.operations_.begin(), other.operations_.end());
    return *this;
  }

  const std::vector<Operation>& operations() const { return operations_; }
  bool operator==(const Transaction&) const = default;

 private:
  std::vector<Operation> operations_;
};

}  // namespace pk::coordination
