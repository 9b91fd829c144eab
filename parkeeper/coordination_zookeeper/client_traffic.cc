// What is said on a connection: requests out, replies, pings and events in.

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "parkeeper/coordination_zookeeper/client_internal.h"
#include "parkeeper/coordination_zookeeper/connection_internal.h"

namespace pk::coordination::zookeeper {
namespace {

namespace asio = boost::asio;

// The server's limit is 1 MB a request; a chunk may be over this by one path.
constexpr size_t kSetWatchesBytes = 120'000;
// Of one write. More waits, so that frames are not copied ahead of a slow connection.
constexpr size_t kWriteBytes = size_t{1} << 20;

}  // namespace

void Answer::Take(Result<Reply> reply) {
  // Told under the lock: the waiter cannot be gone before the lock is.
  std::lock_guard lock(mutex_);
  reply_ = std::move(reply);
  changed_.notify_one();
}

Result<Reply> Answer::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return reply_.has_value(); });
  return std::move(*reply_);
}

Request Client::MakeRequest(OpCode code, std::string frame, bool modifies,
                            std::function<void(Result<Reply>)> done) {
  return Request{.code = code,
                 .frame = std::move(frame),
                 .modifies = modifies,
                 .deadline = clock_.Now() + options_.request_deadline,
                 .done = std::move(done)};
}

std::shared_ptr<Answer> Client::Begin(OpCode code, std::string frame, bool modifies) {
  auto answer = std::make_shared<Answer>();
  Submit(MakeRequest(code, std::move(frame), modifies,
                     [answer](Result<Reply> reply) { answer->Take(std::move(reply)); }));
  return answer;
}

void Client::Submit(Request request) {
  bool first = false;
  {
    std::lock_guard lock(submitted_mutex_);
    first = submitted_.empty();
    submitted_.push_back(std::move(request));
  }
  // One wake-up takes all that have come until it runs.
  if (first) asio::post(*io_, [this] { TakeSubmitted(); });
}

void Client::TakeSubmitted() {
  std::vector<Request> requests;
  {
    std::lock_guard lock(submitted_mutex_);
    requests.swap(submitted_);
  }
  for (Request& request : requests) {
    if (over_.empty()) {
      queue_.Add(std::move(request));
    } else {
      request.done(Unavailable(over_));
    }
  }
  Flush();
}

Result<> Client::StartWatch(const std::string& path, std::string_view name,
                            const std::shared_ptr<WatchState>& watch) {
  Answer watched, exists;
  const bool must_exist = watch->scope() == WatchScope::kChildren;
  asio::post(*io_, [&, this] {
    if (!over_.empty()) {
      watched.Take(Unavailable(over_));
      if (must_exist) exists.Take(Unavailable(over_));
      return;
    }
    const WatchMode mode = watches_.Add(path, watch);
    queue_.Add(MakeRequest(OpCode::kAddWatch, EncodeAddWatch(path, mode), false,
                           [&watched](Result<Reply> reply) { watched.Take(std::move(reply)); }));
    if (must_exist) {
      queue_.Add(MakeRequest(OpCode::kExists, EncodeRead(path), false,
                             [&exists](Result<Reply> reply) { exists.Take(std::move(reply)); }));
    }
    Flush();
  });
  Result<Reply> reply = watched.Wait();
  if (must_exist) {
    Result<Reply> found = exists.Wait();
    if (reply.ok() && (!found.ok() || reply->error == kServerOk)) reply = std::move(found);
  }
  if (!reply.ok()) return std::move(reply).error().With(fmt::format("watch {}", name));
  PK_CHECK(reply->error == kServerOk,
           FromServer(reply->error, fmt::format("{} at {}", name, *reply->server)));
  return {};
}

void Client::StopWatch(const std::string& path, const std::shared_ptr<WatchState>& watch) {
  asio::post(*io_, [this, path, watch] {
    if (!watches_.Remove(path, watch) || !over_.empty()) return;
    // When it fails, events come that concern nobody.
    queue_.Add(MakeRequest(OpCode::kRemoveWatches, EncodeRemoveWatches(path), false,
                           [](const Result<Reply>&) {}));
    Flush();
  });
}

void Client::BeginConnection() {
  if (options_.digest) {
    SendInternal(EncodeAuth("digest",
                            fmt::format("{}:{}", options_.digest->user, options_.digest->password)),
                 kAuthXid, OpCode::kAuth);
  }
  for (const WatchChunk& chunk : watches_.Chunks(kSetWatchesBytes)) {
    set_watches_sent_.push_back(last_sent_);
    SendInternal(EncodeSetWatches(last_zxid_, chunk.persistent, chunk.recursive), kSetWatchesXid,
                 OpCode::kSetWatches2);
  }
  Flush();
}

void Client::SendInternal(std::string frame, int32_t xid, OpCode code) {
  Seal(frame, xid, code);
  unwritten_ += frame;
}

void Client::Flush() {
  const SteadyTime now = clock_.Now();
  SetTimer(now);
  if (!attached_ || writing_ || !connection_->is_open()) return;
  queue_.Send(now, kWriteBytes, unwritten_);
  if (unwritten_.empty()) return;
  last_sent_ = now;
  writing_ = true;
  connection_->Write(std::exchange(unwritten_, std::string()), [this, of = connection_.get()] {
    if (of != connection_.get()) return;
    writing_ = false;
    Flush();
  });
  SetTimer(now);
}

asio::awaitable<void> Client::Serve(std::shared_ptr<Connection> connection) {
  while (true) {
    Result<> taken = TakeFrames();
    if (!taken.ok()) connection->Close(std::move(taken).error().With(*connection->server()));
    Result<> read = co_await connection->ReadSome();
    if (read.ok()) continue;
    ++failures_;
    Disconnected();
    queue_.Disconnected(read.error().message());
    co_return;
  }
}

Result<> Client::TakeFrames() {
  FrameBuffer& frames = connection_->frames();
  const SteadyTime now = clock_.Now();
  bool heard = false;
  while (over_.empty()) {
    if (session_->HasPassed(now)) break;  // too late for any answer
    auto frame = frames.Next();
    if (!frame.ok() && !frames.too_large().empty()) {
      const auto header = PK_TRY(DecodeHeader(frames.too_large()));
      queue_.Fail(
          header.xid,
          Error(ErrorCode::kUnsupported, frame.error().message()).With(*connection_->server()));
    }
    const std::optional<std::string_view> next = PK_TRY(std::move(frame));
    if (!next) break;
    heard = true;
    PK_TRY(TakeFrame(*next));
  }
  if (heard) last_heard_ = now;
  if (session_->HasPassed(now)) {
    OnTimer();
  } else {
    SetTimer(now);
  }
  return {};
}

Result<> Client::TakeFrame(std::string_view frame) {
  const ReplyHeader header = PK_TRY(DecodeHeader(frame));
  const std::string_view body = frame.substr(kReplyHeaderBytes);
  switch (header.xid) {
    case kEventXid:
      watches_.Dispatch(PK_TRY(DecodeEvent(body)));
      return {};
    case kPingXid:
      PK_CHECK(ping_sent_, Corrupt("answer to a ping that was not sent"));
      Answered(*std::exchange(ping_sent_, std::nullopt));
      return {};
    case kAuthXid:
      if (header.error != kServerOk) {
        LoseSession(FromServer(header.error, *connection_->server()).message());
      }
      return {};
    case kSetWatchesXid:
      return TakeSetWatches(header);
    default:
      break;
  }
  const SteadyTime sent = PK_TRY(queue_.Answer(header, body, connection_->server()));
  if (header.zxid > 0) last_zxid_ = std::max(last_zxid_, static_cast<uint64_t>(header.zxid));
  Answered(sent);
  if (header.error == kSessionExpired) {
    LoseSession(fmt::format("{} says that it has expired", *connection_->server()));
  }
  return {};
}

Result<> Client::TakeSetWatches(const ReplyHeader& header) {
  PK_CHECK(!set_watches_sent_.empty(), Corrupt("answer to watches that were not set"));
  PK_CHECK(header.error == kServerOk,
           Unavailable(fmt::format("watches cannot be set again: error {}", header.error)));
  Answered(set_watches_sent_.front());
  set_watches_sent_.pop_front();
  // What changed while we were away is not reported by the server.
  if (set_watches_sent_.empty()) watches_.RingAll();
  return {};
}

void Client::Answered(SteadyTime sent) {
  failures_ = 0;
  if (!renews_ || sent <= last_renewed_) return;
  last_renewed_ = sent;
  session_->LostAt(last_renewed_ + timeout_ * 2 / 3);
}

}  // namespace pk::coordination::zookeeper
