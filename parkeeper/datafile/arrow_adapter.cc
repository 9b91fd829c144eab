#include <arrow/compute/initialize.h>
#include <parquet/exception.h>

#include <memory>

#include "parkeeper/datafile/arrow_adapter_internal.h"

namespace pk::datafile {
namespace {

constexpr char kDetailTypeId[] = "parkeeper::Error";

class ErrorDetail : public arrow::StatusDetail {
 public:
  explicit ErrorDetail(Error error) : error_(std::move(error)) {}
  const char* type_id() const override { return kDetailTypeId; }
  std::string ToString() const override { return error_.ToString(); }
  const Error& error() const { return error_; }

 private:
  Error error_;
};

}  // namespace

arrow::Status ToArrow(Error error) {
  std::string message = error.message();
  return arrow::Status(arrow::StatusCode::IOError, std::move(message),
                       std::make_shared<ErrorDetail>(std::move(error)));
}

Error ErrorFrom(const arrow::Status& status, ErrorCode code) {
  if (status.detail() != nullptr && status.detail()->type_id() == kDetailTypeId)
    return static_cast<const ErrorDetail&>(*status.detail()).error();
  if (status.IsOutOfMemory()) code = ErrorCode::kUnavailable;
  if (status.IsNotImplemented()) code = ErrorCode::kUnsupported;
  if (status.IsCancelled()) code = ErrorCode::kCancelled;
  // Debug builds of Arrow append source lines after a line break.
  std::string message = status.message();
  if (size_t line = message.find('\n'); line != std::string::npos) message.resize(line);
  return Error(code, std::move(message));
}

arrow::Status Catching(const std::function<arrow::Status()>& body) {
  try {
    return body();
  } catch (const parquet::ParquetStatusException& exception) {
    return exception.status();
  } catch (const std::bad_alloc&) {
    return arrow::Status::OutOfMemory("not enough memory");
  } catch (const std::exception& exception) {
    return arrow::Status::Invalid(exception.what());
  }
}

void RegisterKernels() {
  static const arrow::Status registered = arrow::compute::Initialize();
  if (!registered.ok()) registered.Abort("compute kernels cannot be registered");
}

}  // namespace pk::datafile
