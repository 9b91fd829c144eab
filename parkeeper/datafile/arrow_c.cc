#include "parkeeper/datafile/arrow_c.h"

#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/c/helpers.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cerrno>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/convert_internal.h"

namespace pk::datafile {
namespace {

class FilledSource : public BatchSource {
 public:
  FilledSource(std::shared_ptr<arrow::Schema> from, iceberg::Schema schema, FillRows fill)
      : from_(std::move(from)), schema_(std::move(schema)), fill_(std::move(fill)) {}

  const iceberg::Schema& schema() const override { return schema_; }

  Result<std::optional<Batch>> Next() override {
    ArrowArray array{};
    const auto filled = fill_(&array);
    if (!filled.ok() || !*filled) {
      ArrowArrayRelease(&array);
      if (!filled.ok()) return filled.error();
      return std::optional<Batch>();
    }
    const auto rows = PK_TRY(FromArrow(arrow::ImportRecordBatch(&array, from_)));
    return std::optional<Batch>(Batch{PK_TRY(Normalise(rows, schema_))});
  }

 private:
  std::shared_ptr<arrow::Schema> from_;
  iceberg::Schema schema_;
  FillRows fill_;
};

// Between a source and the stream made of it: keeps what went wrong.
class WatchedSource : public BatchSource {
 public:
  WatchedSource(std::unique_ptr<BatchSource> source, std::optional<Error>& failure)
      : source_(std::move(source)), failure_(failure) {}
  const iceberg::Schema& schema() const override { return source_->schema(); }
  Result<std::optional<Batch>> Next() override {
    auto next = source_->Next();
    if (!next.ok()) failure_ = next.error();
    return next;
  }

 private:
  std::unique_ptr<BatchSource> source_;
  std::optional<Error>& failure_;
};

// A stream before another one, whose end is told once.
struct EndedOnce {
  ArrowArrayStream inner{};
  bool ended = false;
};

EndedOnce& Of(ArrowArrayStream* stream) { return *static_cast<EndedOnce*>(stream->private_data); }

int GetSchema(ArrowArrayStream* stream, ArrowSchema* out) {
  ArrowArrayStream& inner = Of(stream).inner;
  return inner.get_schema(&inner, out);
}

int GetNext(ArrowArrayStream* stream, ArrowArray* out) {
  EndedOnce& once = Of(stream);
  if (once.ended) return EINVAL;
  const int code = once.inner.get_next(&once.inner, out);
  once.ended = code == 0 && ArrowArrayIsReleased(out) != 0;
  return code;
}

const char* GetLastError(ArrowArrayStream* stream) {
  EndedOnce& once = Of(stream);
  return once.ended ? "the rows of a stream were asked for twice"
                    : once.inner.get_last_error(&once.inner);
}

void Release(ArrowArrayStream* stream) {
  EndedOnce* once = &Of(stream);
  ArrowArrayStreamRelease(&once->inner);
  delete once;
  stream->release = nullptr;
}

}  // namespace

Result<std::shared_ptr<ArrowArrayStream>> HoldStream(std::unique_ptr<BatchSource> source,
                                                     std::optional<Error>& failure) {
  auto once = std::make_unique<EndedOnce>();
  PK_TRY(ExportStream(std::make_unique<WatchedSource>(std::move(source), failure), &once->inner));
  std::shared_ptr<ArrowArrayStream> stream(new ArrowArrayStream{}, [](ArrowArrayStream* held) {
    ArrowArrayStreamRelease(held);
    delete held;
  });
  *stream = {.get_schema = GetSchema,
             .get_next = GetNext,
             .get_last_error = GetLastError,
             .release = Release,
             .private_data = once.release()};
  return stream;
}

Result<std::unique_ptr<BatchSource>> SourceOfRows(const FillSchema& fill_schema,
                                                  FillRows fill_rows) {
  ArrowSchema filled{};
  Result<> done = fill_schema(&filled);
  if (!done.ok()) {
    ArrowSchemaRelease(&filled);
    return std::move(done).error();
  }
  auto from = PK_TRY(FromArrow(arrow::ImportSchema(&filled), ErrorCode::kInvalidArgument));
  iceberg::Schema schema = PK_TRY(FromArrowSchema(*from));
  return std::make_unique<FilledSource>(std::move(from), std::move(schema), std::move(fill_rows));
}

}  // namespace pk::datafile
