#pragma once

// Client: a session with an ensemble, kept over any number of connections, and the one I/O thread
// that serves it. Requests and watches in, replies and wake-ups out.
//
// Public members from any thread but the I/O thread; private ones belong to it once it runs.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "parkeeper/coordination_zookeeper/connect_string_internal.h"
#include "parkeeper/coordination_zookeeper/request_queue_internal.h"
#include "parkeeper/coordination_zookeeper/session_internal.h"
#include "parkeeper/coordination_zookeeper/watch_table_internal.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"

namespace boost::asio::ssl {
class context;
}

namespace pk::coordination::zookeeper {

class Connection;

// Where a caller waits for the answer to one request.
class Answer {
 public:
  void Take(Result<Reply> reply);
  // Once.
  Result<Reply> Wait();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Result<Reply>> reply_;
};

class Client {
 public:
  // Opens a session; errors as of OpenZooKeeper(), without the chroot.
  static Result<std::unique_ptr<Client>> Open(ZooKeeperOptions options, ConnectString connect);
  // Ends the session, within a bounded time.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The answer comes at the request's deadline at the latest.
  std::shared_ptr<Answer> Begin(OpCode code, std::string frame, bool modifies);
  Result<Reply> Call(OpCode code, std::string frame, bool modifies) {
    return Begin(code, std::move(frame), modifies)->Wait();
  }

  // Runs `done` on the I/O thread: it must not wait.
  void Submit(Request request);

  // Every event after it returned rings the watch. kChildren: kNotFound when there is no such node.
  // The path is absolute, `name` is for messages.
  Result<> StartWatch(const std::string& path, std::string_view name,
                      const std::shared_ptr<WatchState>& watch);
  void StopWatch(const std::string& path, const std::shared_ptr<WatchState>& watch);

  // The server has answered what no server should, or that the session is over.
  void EndConnection(Error why);
  void EndSession(std::string why);
  // Looks at the clock again: for a clock that has been moved by hand.
  void LookAtClock();

  ZooKeeperSession& session() { return *session_; }
  Clock& clock() { return clock_; }
  const std::string& password() const { return password_; }
  bool has_user() const { return options_.digest.has_value(); }

 private:
  Client(ZooKeeperOptions options, ConnectString connect);

  Result<> Start();
  Request MakeRequest(OpCode code, std::string frame, bool modifies,
                      std::function<void(Result<Reply>)> done);
  void TakeSubmitted();

  boost::asio::awaitable<void> Run();
  boost::asio::awaitable<void> Serve(std::shared_ptr<Connection> connection);
  boost::asio::awaitable<void> Pause();
  ConnectRequest NextConnectRequest() const;
  Duration AttemptTime() const;
  void AttemptFailed(const HostPort& host, Error why);
  // False when the connection is of no use.
  bool Attached(const ConnectReply& reply, SteadyTime sent);
  void BeginConnection();
  void Disconnected();

  Result<> TakeFrames();
  Result<> TakeFrame(std::string_view frame);
  Result<> TakeSetWatches(const ReplyHeader& header);
  void Answered(SteadyTime sent);
  void SendInternal(std::string frame, int32_t xid, OpCode code);
  void Flush();

  void OnTimer();
  void SetTimer(SteadyTime now);
  std::optional<SteadyTime> NextEvent() const;
  std::optional<SteadyTime> MuteAt() const;
  void LoseSession(std::string why);
  void BeginClose();
  void Finish();
  std::string Present() const;

  const ZooKeeperOptions options_;
  const ConnectString connect_;
  Clock& clock_;
  std::unique_ptr<boost::asio::ssl::context> tls_;
  std::mt19937_64 random_;
  std::vector<HostPort> hosts_;  // in the order in which they are tried
  size_t next_host_ = 0;
  size_t failures_ = 0;  // attempts since a server last answered a request

  // Requests on their way to the I/O thread.
  std::mutex submitted_mutex_;
  std::vector<Request> submitted_;

  RequestQueue queue_;
  WatchTable watches_;
  std::unique_ptr<ZooKeeperSession> session_;  // set before Open() returns, then constant
  std::string password_;                       // so too
  Duration timeout_{};                         // negotiated
  uint64_t last_zxid_ = 0;
  bool born_read_only_ = false;

  std::shared_ptr<Connection> connection_;
  bool attached_ = false;
  bool renews_ = false;  // answers of this server prove that the session lives
  bool writing_ = false;
  std::string unwritten_;
  SteadyTime last_sent_{}, last_heard_{}, last_renewed_{};
  std::optional<SteadyTime> ping_sent_;
  std::deque<SteadyTime> set_watches_sent_;

  // Why there is nothing more to do here; empty: there is.
  std::string over_;
  std::thread teller_;  // tells the loss of the session, which may run code of the user

  std::mutex open_mutex_;
  std::condition_variable open_changed_;
  std::optional<Result<>> opened_;
  std::map<std::string, Error> errors_;  // of each host, at opening

  std::unique_ptr<boost::asio::io_context> io_;
  std::optional<boost::asio::steady_timer> timer_, pause_, close_;
  SteadyTime timer_at_ = SteadyTime::max();
  std::thread thread_;
};

}  // namespace pk::coordination::zookeeper
