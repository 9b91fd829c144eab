#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/coordination_zookeeper/frame_buffer_internal.h"
#include "parkeeper/coordination_zookeeper/jute_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"

namespace pk::coordination::zookeeper {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kFirstBytes = size_t{64} << 10;
constexpr size_t kKeptBytes = size_t{1} << 20;  // a larger buffer is given back after its frame

}  // namespace

std::span<char> FrameBuffer::Space() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (bytes_.size() > kKeptBytes) bytes_ = std::string();
  }
  if (bytes_.size() - end_ < kFirstBytes / 4) {
    bytes_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
    // What is still full is one frame in parts: double.
    bytes_.resize(std::max(kFirstBytes, end_ * 2));
  }
  return {bytes_.data() + end_, bytes_.size() - end_};
}

Result<std::optional<std::string_view>> FrameBuffer::Next() {
  const std::string_view here(bytes_.data() + begin_, end_ - begin_);
  if (here.size() < kLengthBytes) return std::optional<std::string_view>();
  JuteReader reader(here);
  const int32_t length = PK_TRY(reader.Int());
  PK_CHECK(length >= 0, Corrupt(fmt::format("frame of {} bytes", length)));
  const auto bytes = static_cast<size_t>(length);
  if (bytes > kMaxReplyBytes) {
    if (here.size() < kLengthBytes + kReplyHeaderBytes) return std::optional<std::string_view>();
    too_large_ = here.substr(kLengthBytes, kReplyHeaderBytes);
    return Corrupt(fmt::format("reply of {} bytes, more than {}", bytes, kMaxReplyBytes));
  }
  if (here.size() < kLengthBytes + bytes) return std::optional<std::string_view>();
  begin_ += kLengthBytes + bytes;
  return std::optional(here.substr(kLengthBytes, bytes));
}

}  // namespace pk::coordination::zookeeper
