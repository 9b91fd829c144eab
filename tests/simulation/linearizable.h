#pragma once

// Is there an order of these operations, true to who ended before whom began, in which each gives
// the answer that it gave? Searches all of them, and remembers dead ends.

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "parkeeper/base/clock.h"

namespace pk::testing {

// `State` is a small value with an order.
template <class State>
struct Operation {
  std::string what;  // for people
  SteadyTime begin{};
  std::optional<SteadyTime> end;  // none: no answer, so it takes effect at any later time or never
  // The state after it; nullopt: in this state it would have given another answer.
  std::function<std::optional<State>(const State&)> apply;
};

template <class State>
class Linearization {
 public:
  // At most 64 operations.
  Linearization(const std::vector<Operation<State>>& history, State last)
      : history_(history), last_(std::move(last)) {}

  // Whether the history leads from `first` to the last state.
  bool Exists(const State& first) { return Search(0, first); }

 private:
  bool IsDone(uint64_t done, size_t i) const { return (done >> i & 1) != 0; }

  // No operation that is not done ended before this one began.
  bool MayBeNext(uint64_t done, size_t next) const {
    for (size_t i = 0; i < history_.size(); ++i) {
      if (i != next && !IsDone(done, i) && history_[i].end &&
          *history_[i].end < history_[next].begin) {
        return false;
      }
    }
    return true;
  }

  bool Search(uint64_t done, const State& state) {
    bool all = true;
    for (size_t i = 0; i < history_.size(); ++i) all = all && (IsDone(done, i) || !history_[i].end);
    if (all && state == last_) return true;
    if (!seen_.emplace(done, state).second) return false;
    for (size_t i = 0; i < history_.size(); ++i) {
      if (IsDone(done, i) || !MayBeNext(done, i)) continue;
      const std::optional<State> after = history_[i].apply(state);
      if (after && Search(done | uint64_t{1} << i, *after)) return true;
    }
    return false;
  }

  const std::vector<Operation<State>>& history_;
  const State last_;
  std::set<std::pair<uint64_t, State>> seen_;
};

}  // namespace pk::testing
