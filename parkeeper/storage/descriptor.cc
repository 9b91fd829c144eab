#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "parkeeper/storage/descriptor_internal.h"

namespace pk::storage {
namespace {

struct Meaning {
  ErrorCode code;
  std::string_view why;
};

Meaning MeaningOf(int number) {
  switch (number) {
    case ENOENT:
      return {ErrorCode::kNotFound, "it does not exist"};
    case EEXIST:
      return {ErrorCode::kAlreadyExists, "the name is taken"};
    case ENOTDIR:
      return {ErrorCode::kFailedPrecondition, "a file stands where a folder must be"};
    case ELOOP:
    case EXDEV:
      return {ErrorCode::kPermissionDenied, "symbolic links are not followed"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermissionDenied, "the file system's permissions forbid it"};
    case EROFS:
      return {ErrorCode::kPermissionDenied, "the file system is read-only"};
    case ENOSPC:
      return {ErrorCode::kUnavailable, "the disk is full"};
    case EDQUOT:
      return {ErrorCode::kUnavailable, "the disk quota is used up"};
    case EFBIG:
      return {ErrorCode::kUnavailable, "the file would exceed the limit on file sizes"};
    case EMFILE:
      return {ErrorCode::kUnavailable, "this process has too many open files (ulimit -n)"};
    case ENFILE:
      return {ErrorCode::kUnavailable, "the machine has too many open files"};
    case ENOMEM:
    case EAGAIN:
    case EBUSY:
    case ESTALE:
    case ETIMEDOUT:
      return {ErrorCode::kUnavailable, "the file system cannot now"};
    case ENAMETOOLONG:
    case EINVAL:
    case EILSEQ:
      return {ErrorCode::kInvalidArgument, "the file system does not take the name"};
    case EIO:
    case EUCLEAN:
    case EBADMSG:
    case ENXIO:
      return {ErrorCode::kCorrupt, "the medium failed"};
    case EOPNOTSUPP:
    case ENOSYS:
      return {ErrorCode::kUnsupported, "the file system lacks the call"};
    default:
      return {ErrorCode::kInternal, "the system call failed"};
  }
}

}  // namespace

Error SystemError(int number, std::string_view doing, std::string_view location) {
  const Meaning meaning = MeaningOf(number);
  const char* text = strerrordesc_np(number);
  return {meaning.code, fmt::format("{}, {}: {} ({})", doing, meaning.why, location,
                                    text != nullptr ? text : "unknown error")};
}

}  // namespace pk::storage
