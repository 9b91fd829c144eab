#include "parkeeper/coordination/memory.h"

#include <string>
#include <utility>
#include <vector>

#include "parkeeper/coordination/memory_tree_internal.h"
#include "parkeeper/coordination/path.h"
#include "parkeeper/coordination/validate.h"

namespace pk::coordination {
namespace {

class MemoryWatch final : public Watch {
 public:
  MemoryWatch(std::shared_ptr<MemoryTree> tree, std::shared_ptr<Watcher> watcher)
      : tree_(std::move(tree)), watcher_(std::move(watcher)) {}
  ~MemoryWatch() override { tree_->Stop(watcher_); }

  bool Wait(SteadyTime deadline, std::stop_token stop) override {
    return tree_->Wait(*watcher_, deadline, stop);
  }
  std::optional<std::vector<std::string>> TakeChanged() override {
    return tree_->TakeChanged(*watcher_);
  }

 private:
  std::shared_ptr<MemoryTree> tree_;
  std::shared_ptr<Watcher> watcher_;
};

class MemoryCoordinator final : public Coordinator {
 public:
  MemoryCoordinator(std::shared_ptr<MemoryTree> tree, std::chrono::milliseconds timeout)
      : tree_(std::move(tree)), session_(tree_->Open(timeout)) {}
  ~MemoryCoordinator() override { tree_->End(session_->id()); }

  Result<Node> Get(std::string_view path) override {
    PK_TRY(ValidatePath(path));
    return tree_->Look(session_->id(), [&](const Tree& tree) { return tree.Get(path); });
  }

  Result<std::vector<std::string>> List(std::string_view path) override {
    PK_TRY(ValidatePath(path));
    return tree_->Look(session_->id(), [&](const Tree& tree) { return tree.List(path); });
  }

  Result<std::vector<Result<ReadReply>>> Read(const std::vector<ReadRequest>& requests) override {
    using Replies = std::vector<Result<ReadReply>>;
    PK_TRY(ValidateReads(requests));
    return tree_->Look(session_->id(), [&](const Tree& tree) -> Result<Replies> {
      Replies replies;
      replies.reserve(requests.size());
      for (const ReadRequest& request : requests) replies.push_back(tree.Read(request));
      return replies;
    });
  }

  Result<std::vector<Result<NodeStat>>> Stats(const std::vector<std::string>& paths) override {
    using Stats = std::vector<Result<NodeStat>>;
    PK_TRY(ValidateStats(paths));
    return tree_->Look(session_->id(), [&](const Tree& tree) -> Result<Stats> {
      Stats stats;
      stats.reserve(paths.size());
      for (const std::string& path : paths) stats.push_back(tree.Stat(path));
      return stats;
    });
  }

  Result<CommitOutcome> Commit(const Transaction& transaction) override {
    PK_TRY(ValidateTransaction(transaction));
    return tree_->Commit(transaction, session_->id());
  }

  Result<std::unique_ptr<Watch>> StartWatch(std::string_view path, WatchScope scope) override {
    PK_TRY(ValidatePath(path));
    auto watcher = std::make_shared<Watcher>(Watcher{
        .path = std::string(path), .scope = scope, .session = session_->id(), .signal = {}});
    PK_TRY(tree_->Start(watcher));
    return std::make_unique<MemoryWatch>(tree_, std::move(watcher));
  }

  Result<> Sync() override {
    return tree_->Look(session_->id(), [](const Tree&) { return Result<>(); });
  }

  Session& session() override { return *session_; }

 private:
  std::shared_ptr<MemoryTree> tree_;
  std::shared_ptr<LocalSession> session_;
};

}  // namespace

std::shared_ptr<MemoryTree> MakeMemoryTree(Clock& clock) {
  return std::make_shared<MemoryTree>(clock);
}

std::unique_ptr<Coordinator> OpenMemory(std::shared_ptr<MemoryTree> tree,
                                        std::chrono::milliseconds session_timeout) {
  return std::make_unique<MemoryCoordinator>(std::move(tree), session_timeout);
}

void ExpireSession(MemoryTree& tree, uint64_t session_id) { tree.End(session_id); }

}  // namespace pk::coordination
