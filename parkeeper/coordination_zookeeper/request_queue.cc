#include "parkeeper/coordination_zookeeper/request_queue_internal.h"

#include <fmt/format.h>

#include <limits>

namespace pk::coordination::zookeeper {
namespace {

Error NotDone(const Request& request, bool sent, std::string_view why) {
  if (sent && request.modifies) {
    return OutcomeUnknown(fmt::format("no answer to a request that was sent: {}", why));
  }
  return Unavailable(std::string(why));
}

}  // namespace

int32_t RequestQueue::NextXid() {
  last_xid_ = last_xid_ == std::numeric_limits<int32_t>::max() ? 1 : last_xid_ + 1;
  return last_xid_;
}

void RequestQueue::Send(SteadyTime now, size_t most, std::string& out) {
  while (!unsent_.empty() && out.size() < most) {
    Sent sent{std::move(unsent_.front()), NextXid(), now};
    unsent_.pop_front();
    Seal(sent.request.frame, sent.xid, sent.request.code);
    out += sent.request.frame;
    if (sent.request.modifies) sent.request.frame = std::string();
    sent_.push_back(std::move(sent));
  }
}

Result<SteadyTime> RequestQueue::Answer(const ReplyHeader& header, std::string_view body,
                                        const std::shared_ptr<const std::string>& server) {
  PK_CHECK(!sent_.empty(), Corrupt(fmt::format("answer {} to no request", header.xid)));
  PK_CHECK(sent_.front().xid == header.xid,
           Corrupt(fmt::format("answer out of order: expected {}, found {}", sent_.front().xid,
                               header.xid)));
  Sent sent = std::move(sent_.front());
  sent_.pop_front();
  if (ended_ > 0) {
    --ended_;
  } else {
    sent.request.done(Reply{.zxid = static_cast<uint64_t>(header.zxid),
                            .error = header.error,
                            .body = std::string(body),
                            .server = server});
  }
  return sent.at;
}

bool RequestQueue::Fail(int32_t xid, const Error& why) {
  if (sent_.empty() || sent_.front().xid != xid) return false;
  Sent sent = std::move(sent_.front());
  sent_.pop_front();
  if (ended_ > 0) {
    --ended_;
  } else {
    sent.request.done(sent.request.modifies ? OutcomeUnknown(why.message()) : why);
  }
  return true;
}

void RequestQueue::Disconnected(std::string_view why) {
  std::deque<Sent> sent = std::move(sent_);
  sent_.clear();
  for (size_t i = sent.size(); i-- > ended_;) {
    if (!sent[i].request.modifies) unsent_.push_front(std::move(sent[i].request));
  }
  for (size_t i = ended_; i < sent.size(); ++i) {
    if (sent[i].request.done) sent[i].request.done(NotDone(sent[i].request, true, why));
  }
  ended_ = 0;
}

void RequestQueue::Expire(SteadyTime now, std::string_view why) {
  while (ended_ < sent_.size() && sent_[ended_].request.deadline <= now) {
    Request& request = sent_[ended_].request;
    ++ended_;
    const auto done = std::exchange(request.done, nullptr);
    request.frame = std::string();
    done(NotDone(request, true, fmt::format("deadline passed: {}", why)));
  }
  while (!unsent_.empty() && unsent_.front().deadline <= now) {
    const Request request = std::move(unsent_.front());
    unsent_.pop_front();
    request.done(NotDone(request, false, fmt::format("deadline passed: {}", why)));
  }
}

void RequestQueue::EndAll(std::string_view why) {
  Disconnected(why);
  std::deque<Request> unsent = std::move(unsent_);
  unsent_.clear();
  for (const Request& request : unsent) request.done(NotDone(request, false, why));
}

std::optional<SteadyTime> RequestQueue::oldest_sent() const {
  if (sent_.empty()) return std::nullopt;
  return sent_.front().at;
}

std::optional<SteadyTime> RequestQueue::next_deadline() const {
  std::optional<SteadyTime> next;
  if (ended_ < sent_.size()) next = sent_[ended_].request.deadline;
  if (!unsent_.empty() && (!next || unsent_.front().deadline < *next)) {
    next = unsent_.front().deadline;
  }
  return next;
}

}  // namespace pk::coordination::zookeeper
