// The session: opening, attaching, losing and closing it. What is said on a connection is in
// client_traffic.cc.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "parkeeper/base/ids.h"
#include "parkeeper/coordination_zookeeper/client_internal.h"
#include "parkeeper/coordination_zookeeper/connection_internal.h"

namespace pk::coordination::zookeeper {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr Duration kCloseTime = std::chrono::seconds(2);
constexpr Duration kShortestAttempt = milliseconds(200);
// Upper ends of the random pause before an attempt.
constexpr Duration kFirstPause = milliseconds(50);
constexpr Duration kLongestPause = std::chrono::seconds(2);
// So that a wait on a real timer never overflows.
constexpr Duration kLongestTimer = std::chrono::hours(1);

int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

}  // namespace

Client::Client(ZooKeeperOptions options, ConnectString connect)
    : options_(std::move(options)),
      connect_(std::move(connect)),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock()),
      random_(options_.seed != 0 ? options_.seed : SystemIds().Random64()),
      hosts_(connect_.hosts) {
  std::shuffle(hosts_.begin(), hosts_.end(), random_);
}

Result<std::unique_ptr<Client>> Client::Open(ZooKeeperOptions options, ConnectString connect) {
  std::unique_ptr<Client> client(new Client(std::move(options), std::move(connect)));
  PK_TRY(client->Start());
  return client;
}

Result<> Client::Start() {
  if (options_.tls) tls_ = PK_TRY(MakeTlsContext(*options_.tls));
  io_ = std::make_unique<asio::io_context>(1);
  timer_.emplace(*io_);
  pause_.emplace(*io_);
  close_.emplace(*io_);
  asio::co_spawn(*io_, Run(), asio::detached);
  thread_ = std::thread([this] {
    const auto work = asio::make_work_guard(*io_);
    io_->run();
  });
  std::unique_lock lock(open_mutex_);
  open_changed_.wait_for(lock, options_.connect_timeout, [&] { return opened_.has_value(); });
  if (opened_) return *opened_;
  std::string errors;
  for (const auto& [host, error] : errors_) errors += fmt::format("; {}", error.message());
  if (errors.empty()) errors = fmt::format("; {}: no answer", connect_.hosts[0].ToString());
  return Unavailable(
      fmt::format("no ZooKeeper server within {} ms{}", options_.connect_timeout.count(), errors));
}

Client::~Client() {
  if (thread_.joinable()) {
    asio::post(*io_, [this] { BeginClose(); });
    thread_.join();
  }
  if (teller_.joinable()) teller_.join();
  // Sockets and timers go before the context that they are on, and it before all that its
  // coroutines look at.
  connection_.reset();
  timer_.reset();
  pause_.reset();
  close_.reset();
  io_.reset();
}

asio::awaitable<void> Client::Run() {
  while (over_.empty()) {
    const HostPort host = hosts_[next_host_++ % hosts_.size()];
    const bool verify = options_.tls && options_.tls->verify;
    const auto connection = std::make_shared<Connection>(*io_, tls_.get(), verify, host);
    connection_ = connection;
    const SteadyTime sent = clock_.Now();
    Result<ConnectReply> reply =
        co_await connection->Open(NextConnectRequest(), AttemptTime(), random_());
    if (!over_.empty()) break;
    if (!reply.ok()) {
      AttemptFailed(host, std::move(reply).error());
    } else if (Attached(*reply, sent)) {
      co_await Serve(connection);
    }
    connection->Close(Unavailable("closed"));
    if (over_.empty()) co_await Pause();
  }
}

asio::awaitable<void> Client::Pause() {
  // The hosts of a round follow each other at once.
  const size_t rounds = failures_ / hosts_.size();
  if (failures_ > 0 && failures_ % hosts_.size() != 0) co_return;
  Duration upper = kFirstPause;
  for (size_t i = 0; i < rounds && upper < kLongestPause; ++i) upper *= 2;
  upper = std::min(upper, kLongestPause);
  pause_->expires_after(Duration(random_() % static_cast<uint64_t>(upper.count())));
  co_await pause_->async_wait(asio::as_tuple(asio::use_awaitable));
}

ConnectRequest Client::NextConnectRequest() const {
  ConnectRequest request;
  request.last_zxid = last_zxid_;
  request.timeout_ms = static_cast<int32_t>(
      std::clamp<int64_t>(options_.session_timeout.count(), 1, 24 * 3'600'000));
  request.read_only = options_.allow_read_only;
  if (session_) {
    request.session = session_->id();
    request.password = password_;
  }
  return request;
}

Duration Client::AttemptTime() const {
  const auto hosts = static_cast<int64_t>(std::max<size_t>(hosts_.size(), 2));
  Duration time = Duration(options_.connect_timeout) / hosts;
  // All hosts in a third of the timeout: the time between a late answer and the loss.
  if (session_) time = std::min(time, timeout_ / 3 / static_cast<int64_t>(hosts_.size()));
  return std::max(time, kShortestAttempt);
}

void Client::AttemptFailed(const HostPort& host, Error why) {
  ++failures_;
  if (session_) return;
  std::lock_guard lock(open_mutex_);
  errors_.insert_or_assign(host.ToString(), std::move(why));
  std::string refusals;
  for (const auto& [name, error] : errors_) {
    if (error.code() != ErrorCode::kUnauthenticated) return;
    refusals += (refusals.empty() ? "" : "; ") + error.message();
  }
  if (errors_.size() < hosts_.size() || opened_) return;
  opened_ = Error(ErrorCode::kUnauthenticated, refusals);
  open_changed_.notify_all();
}

bool Client::Attached(const ConnectReply& reply, SteadyTime sent) {
  const std::string& server = *connection_->server();
  const bool is_over = reply.session == 0 || reply.timeout_ms <= 0;
  if (session_ && is_over) {
    LoseSession(fmt::format("{} says that it has expired", server));
    return false;
  }
  if (session_ && reply.session != session_->id()) {
    LoseSession(fmt::format("{} began session {:#x} instead", server, reply.session));
    return false;
  }
  if (is_over || (reply.read_only && !options_.allow_read_only)) {
    const HostPort& host = hosts_[(next_host_ - 1) % hosts_.size()];
    AttemptFailed(host, Unavailable(fmt::format(
                            "{}: {}", server,
                            is_over ? "gives no session" : "has lost its quorum and only reads")));
    return false;
  }
  timeout_ = milliseconds(reply.timeout_ms);
  if (!session_) {
    password_ = reply.password;
    session_ =
        std::make_unique<ZooKeeperSession>(reply.session, milliseconds(reply.timeout_ms), clock_);
    born_read_only_ = reply.read_only;
  } else if (session_->HasPassed(clock_.Now())) {
    LoseSession("its time has passed without an answer");
    return false;
  }
  attached_ = true;
  renews_ = !reply.read_only || born_read_only_;
  last_heard_ = last_sent_ = clock_.Now();
  if (renews_) {
    last_renewed_ = sent;
    session_->LostAt(last_renewed_ + timeout_ * 2 / 3);
  }
  session_->Become(reply.read_only ? SessionState::kSuspended : SessionState::kConnected);
  BeginConnection();
  std::lock_guard lock(open_mutex_);
  if (!opened_) opened_ = Result<>();
  open_changed_.notify_all();
  return true;
}

void Client::Disconnected() {
  attached_ = false;
  writing_ = false;
  unwritten_.clear();
  ping_sent_.reset();
  set_watches_sent_.clear();
  if (!over_.empty()) return;
  session_->Become(SessionState::kSuspended);
}

// What happens next by the clock alone.
std::optional<SteadyTime> Client::NextEvent() const {
  if (!session_) return std::nullopt;
  SteadyTime next = last_renewed_ + timeout_ * 2 / 3;
  if (const auto deadline = queue_.next_deadline()) next = std::min(next, *deadline);
  if (!attached_) return next;
  if (!ping_sent_) next = std::min(next, last_sent_ + timeout_ / 3);
  if (const auto mute = MuteAt()) next = std::min(next, *mute);
  return next;
}

// When to give the connection up, so that there is time to attach at another server.
std::optional<SteadyTime> Client::MuteAt() const {
  std::optional<SteadyTime> oldest = queue_.oldest_sent();
  if (ping_sent_ && (!oldest || *ping_sent_ < *oldest)) oldest = ping_sent_;
  if (!set_watches_sent_.empty() && (!oldest || set_watches_sent_.front() < *oldest)) {
    oldest = set_watches_sent_.front();
  }
  if (!oldest) return std::nullopt;
  return std::max(*oldest, last_heard_) + timeout_ / 6;
}

void Client::SetTimer(SteadyTime now) {
  const auto next = NextEvent();
  if (!next || !over_.empty() || timer_at_ <= *next) return;
  timer_at_ = *next;
  // Rounded up, or it would fire a moment too early again and again.
  const Duration wait = std::clamp<Duration>(*next - now, Duration(0), kLongestTimer);
  timer_->expires_after(wait + milliseconds(1));
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) OnTimer();
  });
}

void Client::OnTimer() {
  timer_at_ = SteadyTime::max();
  if (!over_.empty() || !session_) return;
  const SteadyTime now = clock_.Now();
  if (session_->HasPassed(now)) {
    return LoseSession(
        fmt::format("no answer to what was sent in the last {} ms, by the clock here",
                    Milliseconds(timeout_ * 2 / 3)));
  }
  queue_.Expire(now, Present());
  if (attached_) {
    if (!ping_sent_ && last_sent_ + timeout_ / 3 <= now) {
      ping_sent_ = now;
      SendInternal(EncodeEmpty(), kPingXid, OpCode::kPing);
      Flush();
    }
    // An answer that has come while this thread did not run counts.
    if (const auto mute = MuteAt(); mute && *mute <= now && !connection_->HasUnread()) {
      connection_->Close(Unavailable(fmt::format("{}: no answer for {} ms", *connection_->server(),
                                                 Milliseconds(timeout_ / 6))));
    }
  }
  SetTimer(now);
}

void Client::LookAtClock() {
  asio::post(*io_, [this] { OnTimer(); });
}

std::string Client::Present() const {
  if (attached_) return fmt::format("{} has not answered", *connection_->server());
  return "no server is reached";
}

void Client::LoseSession(std::string why) {
  if (!over_.empty()) return;
  over_ = fmt::format("session {:#x} is lost: {}", session_->id(), why);
  // In this order, so that whoever learns of the loss by an answer finds the state Lost.
  session_->Expire();
  teller_ = std::thread([this] { session_->Become(SessionState::kLost); });
  queue_.EndAll(over_);
  watches_.EndAll();
  if (connection_) connection_->Close(Unavailable(over_));
  pause_->cancel();
}

void Client::EndConnection(Error why) {
  asio::post(*io_, [this, why = std::move(why)] {
    if (attached_) connection_->Close(why);
  });
}

void Client::EndSession(std::string why) {
  asio::post(*io_, [this, why = std::move(why)] { LoseSession(why); });
}

void Client::BeginClose() {
  if (!over_.empty() || !session_) return Finish();
  close_->expires_after(kCloseTime);
  close_->async_wait([this](const boost::system::error_code& error) {
    if (!error) Finish();
  });
  queue_.Add(MakeRequest(OpCode::kCloseSession, EncodeEmpty(), true,
                         [this](const Result<Reply>&) { Finish(); }));
  pause_->cancel();
  Flush();
}

void Client::Finish() {
  if (over_.empty()) over_ = "closed";
  if (connection_) connection_->Close(Unavailable(over_));
  io_->stop();
}

}  // namespace pk::coordination::zookeeper
