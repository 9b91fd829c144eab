#pragma once

// Between Arrow's errors and ours. Arrow returns Status and parquet throws; both end here, and
// nowhere else in this layer is anything caught.

#include <arrow/result.h>
#include <arrow/status.h>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "parkeeper/base/result.h"

namespace pk::datafile {

// `error` as a Status that FromArrow turns back into the very same error, however many layers of
// Arrow it passes: for our streams under Arrow's readers and writers.
arrow::Status ToArrow(Error error);

// The error that `status`, not ok, stands for. An error that ToArrow packed comes out as it was.
// Otherwise by kind: out of memory kUnavailable, not implemented kUnsupported, cancelled
// kCancelled, and all others `code`, which is what bad data means where it is called.
Error ErrorFrom(const arrow::Status& status, ErrorCode code = ErrorCode::kInternal);

inline Result<> FromArrow(const arrow::Status& status, ErrorCode code = ErrorCode::kInternal) {
  if (status.ok()) return {};
  return ErrorFrom(status, code);
}
template <class T>
Result<T> FromArrow(arrow::Result<T> result, ErrorCode code = ErrorCode::kInternal) {
  if (result.ok()) return std::move(result).ValueUnsafe();
  return ErrorFrom(result.status(), code);
}

// Calls `body`; what it throws becomes its Status.
arrow::Status Catching(const std::function<arrow::Status()>& body);

namespace adapter_internal {
template <class T>
struct Unwrapped {
  using type = T;
};
template <class T>
struct Unwrapped<arrow::Result<T>> {
  using type = T;
};
}  // namespace adapter_internal

// Calls `body`, which uses parquet and may throw; gives what it returns (void, a Status, an
// arrow::Result or a plain value) as a Result. `code` as in ErrorFrom, also for exceptions.
template <class Body>
auto Guarded(ErrorCode code, Body&& body) {
  using Returned = std::invoke_result_t<Body>;
  if constexpr (std::is_void_v<Returned>) {
    return FromArrow(Catching([&] {
                       body();
                       return arrow::Status::OK();
                     }),
                     code);
  } else if constexpr (std::is_same_v<Returned, arrow::Status>) {
    return FromArrow(Catching([&] { return body(); }), code);
  } else {
    using Value = typename adapter_internal::Unwrapped<Returned>::type;
    arrow::Result<Value> value = arrow::Status::UnknownError("not called");
    arrow::Status thrown = Catching([&] {
      value = body();
      return arrow::Status::OK();
    });
    if (!thrown.ok()) value = thrown;
    return FromArrow(std::move(value), code);
  }
}

// Registers Arrow's compute kernels, once per process. Call it before using arrow::compute.
void RegisterKernels();

}  // namespace pk::datafile
