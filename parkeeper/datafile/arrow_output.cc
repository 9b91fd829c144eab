#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_output_internal.h"

namespace pk::datafile {
namespace {

constexpr size_t kBufferBytes = 256 << 10;

}  // namespace

arrow::Status StorageOutput::Write(const void* data, int64_t bytes) {
  if (abandoned_ || closed_) return arrow::Status::Invalid("the file is closed");
  const std::string_view view(static_cast<const char*>(data), static_cast<size_t>(bytes));
  if (buffer_.size() + view.size() > kBufferBytes) ARROW_RETURN_NOT_OK(Flush());
  if (view.size() > kBufferBytes) {
    if (auto appended = file_->Append(view); !appended.ok())
      return ToArrow(std::move(appended).error());
  } else {
    buffer_ += view;
  }
  position_ += bytes;
  return arrow::Status::OK();
}

arrow::Status StorageOutput::Flush() {
  if (buffer_.empty() || abandoned_) return arrow::Status::OK();
  auto appended = file_->Append(buffer_);
  buffer_.clear();
  return appended.ok() ? arrow::Status::OK() : ToArrow(std::move(appended).error());
}

arrow::Status StorageOutput::Close() {
  if (closed_) return arrow::Status::OK();
  closed_ = true;
  return Flush();
}

}  // namespace pk::datafile
