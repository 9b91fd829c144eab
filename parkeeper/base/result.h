#pragma once

// Result<T>: a value or an Error. Every fallible function of Parkeeper returns one; nothing throws
// across a function boundary, and a programmer's error is an assertion, never an Error.
//
// The code of an error says what the caller does next, nothing else; the message says what
// happened, as a sentence with a trail ("commit to sales.orders: head moved: expected version 7,
// found 9"). A layer adds only what it knows, by With().
//
// Thread safety: values; as safe as any other value.

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace pk {

// What the caller does next.
enum class ErrorCode {
  kInvalidArgument,     // mend the request; repeating it is useless
  kUnauthenticated,     // say who you are
  kPermissionDenied,    // ask for the right
  kNotFound,            // the named thing is not there
  kAlreadyExists,       // the named thing is there already
  kFailedPrecondition,  // bring the system into another state first (a namespace is not empty, a
                        // layout too new)
  kConflict,            // somebody else was faster: read again, redo the transaction
  kUnavailable,         // definitely not done; repeat the call later
  kOutcomeUnknown,      // done or not done, nobody knows: read before repeating, delete nothing
  kCorrupt,             // stored bytes are not what they must be; a person has to look
  kUnsupported,         // this build or version cannot do it
  kCancelled,           // the caller asked to stop
  kInternal,            // our bug
};

// The code's name in snake_case, as printed and as used in JSON: "not_found".
std::string_view ErrorCodeName(ErrorCode code);

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // Puts `what`, the thing that failed, before the message: "read manifest a.avro: " + message.
  Error& With(std::string_view what) & {
    message_.insert(0, std::string(what) + ": ");
    return *this;
  }
  Error With(std::string_view what) && {
    With(what);
    return std::move(*this);
  }

  // "not_found: table sales.orders does not exist"
  std::string ToString() const;

  bool operator==(const Error&) const = default;

 private:
  ErrorCode code_;
  std::string message_;
};

// Shorthands: `return NotFound(fmt::format("table {} does not exist", name));`
inline Error InvalidArgument(std::string m) { return {ErrorCode::kInvalidArgument, std::move(m)}; }
inline Error NotFound(std::string m) { return {ErrorCode::kNotFound, std::move(m)}; }
inline Error AlreadyExists(std::string m) { return {ErrorCode::kAlreadyExists, std::move(m)}; }
inline Error FailedPrecondition(std::string m) {
  return {ErrorCode::kFailedPrecondition, std::move(m)};
}
inline Error Conflict(std::string m) { return {ErrorCode::kConflict, std::move(m)}; }
inline Error Unavailable(std::string m) { return {ErrorCode::kUnavailable, std::move(m)}; }
inline Error OutcomeUnknown(std::string m) { return {ErrorCode::kOutcomeUnknown, std::move(m)}; }
inline Error Corrupt(std::string m) { return {ErrorCode::kCorrupt, std::move(m)}; }
inline Error Unsupported(std::string m) { return {ErrorCode::kUnsupported, std::move(m)}; }
inline Error Cancelled(std::string m) { return {ErrorCode::kCancelled, std::move(m)}; }
inline Error Internal(std::string m) { return {ErrorCode::kInternal, std::move(m)}; }

struct Unit {
  bool operator==(const Unit&) const = default;
};

template <class T = Unit>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result()
    requires std::is_same_v<T, Unit>
      : state_(std::in_place_index<0>) {}
  // Anything that converts to T implicitly: `return std::make_unique<Derived>();` for a
  // unique_ptr<Base>.
  template <class U = T>
    requires(!std::is_same_v<std::remove_cvref_t<U>, Result> && std::is_convertible_v<U, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return assert(ok()), *std::get_if<0>(&state_); }
  const T& value() const& { return assert(ok()), *std::get_if<0>(&state_); }
  T value() && { return assert(ok()), std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return assert(!ok()), *std::get_if<1>(&state_); }
  Error&& error() && { return assert(!ok()), std::move(*std::get_if<1>(&state_)); }

  // The same result with `what` before the message of an error.
  Result With(std::string_view what) && {
    if (!ok()) std::get_if<1>(&state_)->With(what);
    return std::move(*this);
  }

 private:
  std::variant<T, Error> state_;
};

}  // namespace pk

// The value of `expr`, a Result; returns its error from the enclosing function when it holds one.
// So calls nest: f(PK_TRY(g())). Never as in `A{x, PK_TRY(y)}`: nothing would destroy x (test
// `tidy`).
#define PK_TRY(...) PK_TRY_AS(PK_TRY_NAME(__COUNTER__), __VA_ARGS__)
// Each use has a variable of its own, so that nested ones do not shadow each other.
#define PK_TRY_AS(name, ...)          \
  __extension__({                     \
    auto&& name = (__VA_ARGS__);      \
    if (!name.ok()) [[unlikely]]      \
      return std::move(name).error(); \
    std::move(name).value();          \
  })
#define PK_TRY_NAME(counter) PK_TRY_NAME_OF(counter)
#define PK_TRY_NAME_OF(counter) pk_try_##counter

// Returns the given Error from the enclosing function unless `condition` holds.
#define PK_CHECK(condition, error) \
  do {                             \
    if (!(condition)) [[unlikely]] \
      return (error);              \
  } while (false)
