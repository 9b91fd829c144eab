#include "parkeeper/coordination/coordinator.h"

#include <fmt/format.h>

#include "parkeeper/coordination/path.h"

namespace pk::coordination {
namespace {

// Rounds of reading and creating in EnsurePath; each one lost means that somebody else changed the
// path in between.
constexpr int kEnsureRounds = 100;

Result<Applied> CommitOrError(Coordinator& coordinator, const Transaction& transaction) {
  CommitOutcome outcome = PK_TRY(coordinator.Commit(transaction));
  if (auto* refused = std::get_if<Refused>(&outcome)) return std::move(refused->reason);
  return std::get<Applied>(std::move(outcome));
}

// "/a", "/a/b", "/a/b/c" of "/a/b/c".
std::vector<ReadRequest> PathAndAncestors(std::string_view path) {
  std::vector<ReadRequest> requests;
  for (size_t end = path.find('/', 1); end != std::string_view::npos;
       end = path.find('/', end + 1)) {
    requests.push_back({.path = std::string(path.substr(0, end))});
  }
  requests.push_back({.path = std::string(path)});
  return requests;
}

}  // namespace

Result<std::string> Coordinator::Create(std::string_view path, std::string_view value,
                                        CreateMode mode) {
  Transaction transaction;
  transaction.Create(std::string(path), std::string(value), mode);
  Applied applied = PK_TRY(CommitOrError(*this, transaction));
  return std::move(applied.paths.at(0));
}

Result<NodeStat> Coordinator::Set(std::string_view path, std::string_view value,
                                  int32_t expected_version) {
  Transaction transaction;
  transaction.Set(std::string(path), std::string(value), expected_version);
  return PK_TRY(CommitOrError(*this, transaction)).stats.at(0);
}

Result<> Coordinator::Remove(std::string_view path, int32_t expected_version) {
  Transaction transaction;
  transaction.Remove(std::string(path), expected_version);
  PK_TRY(CommitOrError(*this, transaction));
  return {};
}

Result<std::optional<Node>> Coordinator::Find(std::string_view path) {
  Result<Node> node = Get(path);
  if (node.ok()) return std::optional<Node>(std::move(node).value());
  if (node.error().code() == ErrorCode::kNotFound) return std::optional<Node>();
  return std::move(node).error();
}

Result<> EnsurePath(Coordinator& coordinator, std::string_view path) {
  PK_TRY(ValidatePath(path));
  if (path == "/") return {};
  const std::vector<ReadRequest> requests = PathAndAncestors(path);
  for (int round = 0; round < kEnsureRounds; ++round) {
    const auto replies = PK_TRY(coordinator.Read(requests));
    Transaction missing;
    for (size_t i = 0; i < requests.size(); ++i) {
      if (replies[i].ok()) continue;
      PK_CHECK(replies[i].error().code() == ErrorCode::kNotFound, replies[i].error());
      missing.Create(requests[i].path, "");
    }
    if (missing.operations().empty()) return {};
    const Result<Applied> made = CommitOrError(coordinator, missing);
    if (made.ok()) return {};
    const ErrorCode code = made.error().code();
    // Somebody else created or removed a part of the path in between; look again.
    if (code != ErrorCode::kAlreadyExists && code != ErrorCode::kNotFound) return made.error();
  }
  return Unavailable(
      fmt::format("nodes of the path are created and removed all the time: {}", path));
}

}  // namespace pk::coordination
