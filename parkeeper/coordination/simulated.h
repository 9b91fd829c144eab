#pragma once

// The faults that a simulated client meets; see simulation.h for how to run one.
//
// A call is a request that travels to the coordinator, is carried out in one step, and a reply that
// travels back; both take a random time up to `latency`, in which other actors run. At most one
// fault is drawn for each call, by these probabilities:

#include <chrono>

#include "parkeeper/base/clock.h"

namespace pk::coordination {

struct Faults {
  // Before the coordinator gets it: the request never arrives. kOutcomeUnknown for a modification,
  // kUnavailable for a read; the connection breaks.
  double lost_request = 0;
  // The request arrives, the reply does not. The caller sees the same as above.
  double lost_reply = 0;
  // A modification lies in a stopped server: its caller gets kOutcomeUnknown at once, and it is
  // carried out up to `latest` later, if the session lives then. Reads are not concerned.
  double late_request = 0;
  // The session expires at the coordinator, right before the request is carried out or right after.
  // The client learns it from this call; from a read answered by a server that is behind it does
  // not, and believes in its session for up to the session timeout more.
  double session_loss = 0;
  // The connection breaks before the request leaves: kUnavailable, state kSuspended for up to
  // `longest_suspension`. When that is over two thirds of the session timeout the client counts
  // itself as kLost; the coordinator follows when the timeout is over.
  double suspension = 0;
  // The request or the reply travels for up to `longest_delay`.
  double delay = 0;
  // All watches of the client say "look again" for no reason.
  double duplicate_watch = 0;
  // The process dies before the request is carried out or right after. The call gives
  // kOutcomeUnknown (a read: kUnavailable), all later calls kUnavailable; the session is kLost for
  // what is left of the client and lives at the coordinator until its timeout.
  double crash = 0;

  Duration latency = std::chrono::milliseconds(2);
  Duration latest = std::chrono::seconds(60);
  Duration longest_suspension = std::chrono::seconds(12);
  Duration longest_delay = std::chrono::seconds(30);
  std::chrono::milliseconds session_timeout = std::chrono::seconds(10);

  // Each of the faults with this probability, but a crash and a session loss with a fifth of it.
  static Faults All(double probability) {
    return {.lost_request = probability,
            .lost_reply = probability,
            .late_request = probability,
            .session_loss = probability / 5,
            .suspension = probability,
            .delay = probability,
            .duplicate_watch = probability,
            .crash = probability / 5};
  }
};

}  // namespace pk::coordination
