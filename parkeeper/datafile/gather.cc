#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include <cstring>
#include <limits>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/transform_codes_internal.h"

// Arrow's Take costs some microseconds per call, which is more than the work itself when a batch
// falls into many partitions. So the common forms are gathered here.

namespace pk::datafile {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using BufferPtr = std::shared_ptr<arrow::Buffer>;

Result<BufferPtr> Allocate(int64_t bytes) {
  std::unique_ptr<arrow::Buffer> buffer = PK_TRY(FromArrow(arrow::AllocateBuffer(bytes)));
  return BufferPtr(std::move(buffer));
}

struct GatheredValidity {
  BufferPtr bits;
  int64_t nulls = 0;
};

Result<GatheredValidity> GatherValidity(const arrow::Array& array, const int32_t* indices,
                                        int64_t count) {
  GatheredValidity result;
  const uint8_t* from = array.null_count() == 0 ? nullptr : array.null_bitmap_data();
  if (from == nullptr) return result;
  const int64_t bytes = arrow::bit_util::BytesForBits(count);
  result.bits = PK_TRY(Allocate(bytes));
  uint8_t* to = result.bits->mutable_data();
  std::memset(to, 0, static_cast<size_t>(bytes));
  for (int64_t i = 0; i < count; ++i) {
    const bool valid = arrow::bit_util::GetBit(from, array.offset() + indices[i]);
    arrow::bit_util::SetBitTo(to, i, valid);
    result.nulls += valid ? 0 : 1;
  }
  return result;
}

struct Wide {
  uint64_t words[2];
};

template <class Word>
Result<std::shared_ptr<arrow::ArrayData>> GatherWords(const arrow::Array& array,
                                                      const int32_t* indices, int64_t count) {
  const Word* from = array.data()->GetValues<Word>(1);
  BufferPtr buffer = PK_TRY(Allocate(count * static_cast<int64_t>(sizeof(Word))));
  Word* to = reinterpret_cast<Word*>(buffer->mutable_data());
  for (int64_t i = 0; i < count; ++i) to[i] = from[indices[i]];
  GatheredValidity validity = PK_TRY(GatherValidity(array, indices, count));
  return arrow::ArrayData::Make(array.type(), count, {validity.bits, buffer}, validity.nulls);
}

Result<std::shared_ptr<arrow::ArrayData>> GatherBytes(const arrow::BinaryArray& array,
                                                      const int32_t* indices, int64_t count) {
  const int32_t* from = array.raw_value_offsets();
  BufferPtr offsets = PK_TRY(Allocate((count + 1) * static_cast<int64_t>(sizeof(int32_t))));
  auto* to = reinterpret_cast<int32_t*>(offsets->mutable_data());
  // A batch's strings have less than 2 GiB together, and no row is gathered twice.
  int32_t total = 0;
  for (int64_t i = 0; i < count; ++i) {
    to[i] = total;
    total += from[indices[i] + 1] - from[indices[i]];
  }
  to[count] = total;
  BufferPtr bytes = PK_TRY(Allocate(total));
  uint8_t* next = bytes->mutable_data();
  const uint8_t* values = array.raw_data();
  for (int64_t i = 0; i < count; ++i) {
    const int32_t length = to[i + 1] - to[i];
    if (length > 0) std::memcpy(next, values + from[indices[i]], static_cast<size_t>(length));
    next += length;
  }
  GatheredValidity validity = PK_TRY(GatherValidity(array, indices, count));
  return arrow::ArrayData::Make(array.type(), count, {validity.bits, offsets, bytes},
                                validity.nulls);
}

Result<std::shared_ptr<arrow::ArrayData>> GatherByTake(const arrow::Array& array,
                                                       const int32_t* indices, int64_t count) {
  RegisterKernels();
  auto buffer = std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(indices),
                                                count * static_cast<int64_t>(sizeof(int32_t)));
  arrow::Int32Array positions(count, buffer);
  auto taken = PK_TRY(FromArrow(
      arrow::compute::Take(array, positions, arrow::compute::TakeOptions::NoBoundsCheck())));
  return taken->data();
}

}  // namespace

Result<ArrayPtr> Gather(const ArrayPtr& array, const int32_t* indices, int64_t count) {
  using T = arrow::Type;
  const T::type id = array->type_id();
  std::shared_ptr<arrow::ArrayData> data;
  if (id == T::STRING || id == T::BINARY) {
    data = PK_TRY(GatherBytes(static_cast<const arrow::BinaryArray&>(*array), indices, count));
  } else if (id == T::DICTIONARY) {
    data = PK_TRY(GatherWords<uint32_t>(*array, indices, count));
    data->dictionary = array->data()->dictionary;
  } else if (id == T::DECIMAL128) {
    data = PK_TRY(GatherWords<Wide>(*array, indices, count));
  } else if (arrow::is_primitive(id) && arrow::bit_width(id) == 32) {
    data = PK_TRY(GatherWords<uint32_t>(*array, indices, count));
  } else if (arrow::is_primitive(id) && arrow::bit_width(id) == 64) {
    data = PK_TRY(GatherWords<uint64_t>(*array, indices, count));
  } else {
    data = PK_TRY(GatherByTake(*array, indices, count));
  }
  return arrow::MakeArray(data);
}

}  // namespace pk::datafile
