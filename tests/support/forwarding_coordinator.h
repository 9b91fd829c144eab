#pragma once

// A coordinator that passes every call on to another one: what a test wants to see, count or break
// it overrides, and leaves the rest.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "parkeeper/coordination/coordinator.h"

namespace pk::testing {

class ForwardingCoordinator : public coordination::Coordinator {
 public:
  explicit ForwardingCoordinator(std::unique_ptr<Coordinator> inner) : inner_(std::move(inner)) {}

  Result<coordination::Node> Get(std::string_view path) override {
    return Pass([&] { return inner_->Get(path); });
  }
  Result<std::vector<std::string>> List(std::string_view path) override {
    return Pass([&] { return inner_->List(path); });
  }
  Result<std::vector<Result<coordination::ReadReply>>> Read(
      const std::vector<coordination::ReadRequest>& requests) override {
    return Pass([&] { return inner_->Read(requests); });
  }
  Result<std::vector<Result<coordination::NodeStat>>> Stats(
      const std::vector<std::string>& paths) override {
    return Pass([&] { return inner_->Stats(paths); });
  }
  Result<coordination::CommitOutcome> Commit(
      const coordination::Transaction& transaction) override {
    return Pass([&] { return inner_->Commit(transaction); });
  }
  Result<std::unique_ptr<coordination::Watch>> StartWatch(std::string_view path,
                                                          coordination::WatchScope scope) override {
    return Pass([&] { return inner_->StartWatch(path, scope); });
  }
  Result<> Sync() override { return inner_->Sync(); }
  coordination::Session& session() override { return inner_->session(); }

 protected:
  Coordinator& inner() { return *inner_; }
  // Makes `call`, one that reads, modifies or watches.
  virtual void Around(const std::function<void()>& call) { call(); }

 private:
  template <class Body>
  std::invoke_result_t<const Body&> Pass(const Body& body) {
    std::optional<std::invoke_result_t<const Body&>> result;
    Around([&] { result.emplace(body()); });
    return *std::move(result);
  }

  const std::unique_ptr<Coordinator> inner_;
};

}  // namespace pk::testing
