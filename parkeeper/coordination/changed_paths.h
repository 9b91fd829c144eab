#pragma once

// ChangedPaths: what a watch saw change, for Watch::TakeChanged(). Holds a bounded number of paths;
// after that, "anything". Not thread-safe.

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pk::coordination {

class ChangedPaths {
 public:
  static constexpr size_t kMost = 1'000;

  void Add(std::string_view path) {
    if (everything_) return;
    if (paths_.size() < kMost || paths_.contains(path)) {
      paths_.emplace(path);
    } else {
      AddEverything();
    }
  }
  void AddEverything() {
    everything_ = true;
    paths_.clear();
  }

  // In byte order; nullopt: anything.
  std::optional<std::vector<std::string>> Take() {
    const auto paths = std::exchange(paths_, {});
    if (std::exchange(everything_, false)) return std::nullopt;
    return std::vector<std::string>(paths.begin(), paths.end());
  }

 private:
  std::set<std::string, std::less<>> paths_;
  bool everything_ = false;
};

}  // namespace pk::coordination
