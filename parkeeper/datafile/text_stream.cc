#include "parkeeper/datafile/text_stream_internal.h"

#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/util/compression.h>
#include <fmt/format.h>

#include "parkeeper/datafile/arrow_adapter_internal.h"

namespace pk::datafile {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
// A record longer than this is a mistake, an unclosed quote most likely.
constexpr size_t kMaxRecordBytes = size_t{256} << 20;

}  // namespace

Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenLocalFile(const std::string& path) {
  auto opened = arrow::io::ReadableFile::Open(path);
  if (opened.ok()) return std::shared_ptr<arrow::io::RandomAccessFile>(*opened);
  return ErrorFrom(opened.status(), ErrorCode::kNotFound);
}

Result<TextStream> TextStream::Open(const std::string& path) {
  TextStream stream;
  stream.path_ = path;
  stream.input_ = PK_TRY(OpenLocalFile(path));
  auto codec = arrow::Compression::UNCOMPRESSED;
  if (path.ends_with(".gz")) codec = arrow::Compression::GZIP;
  if (path.ends_with(".zst")) codec = arrow::Compression::ZSTD;
  if (codec != arrow::Compression::UNCOMPRESSED) {
    auto made = PK_TRY(FromArrow(arrow::util::Codec::Create(codec)));
    stream.input_ =
        PK_TRY(FromArrow(arrow::io::CompressedInputStream::Make(made.get(), stream.input_)));
  }
  return stream;
}

Result<bool> TextStream::Grow() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  PK_CHECK(buffer_.size() < kMaxRecordBytes,
           InvalidArgument(fmt::format("{}: a record is longer than {} bytes; is a quote missing?",
                                       path_, kMaxRecordBytes)));
  const size_t before = buffer_.size();
  // As much again, so that a long record is looked at a few times only.
  const size_t wanted = std::max(kReadBytes, before);
  buffer_.resize(before + wanted);
  auto got = input_->Read(static_cast<int64_t>(wanted), buffer_.data() + before);
  if (!got.ok()) return ErrorFrom(got.status(), ErrorCode::kInvalidArgument).With("read " + path_);
  buffer_.resize(before + static_cast<size_t>(*got));
  return *got > 0;
}

}  // namespace pk::datafile
