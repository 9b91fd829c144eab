#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "parkeeper/datafile/parquet_writer.h"

namespace pk::datafile {
namespace {

using Properties = std::map<std::string, std::string>;

constexpr std::string_view kMetricsDefault = "write.metadata.metrics.default";
constexpr std::string_view kMetricsColumn = "write.metadata.metrics.column.";
constexpr std::string_view kBloomEnabled = "write.parquet.bloom-filter-enabled.column.";
constexpr std::string_view kBloomRate = "write.parquet.bloom-filter-fpp.column.";

Error Bad(std::string_view property, std::string_view value, std::string_view wanted) {
  return InvalidArgument(fmt::format("table property {}: '{}' is not {}", property, value, wanted));
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

const std::string* Find(const Properties& properties, std::string_view name) {
  const auto found = properties.find(std::string(name));
  return found == properties.end() ? nullptr : &found->second;
}

template <class T>
Result<> ReadNumber(const Properties& properties, std::string_view name, T low, T high, T& out) {
  const std::string* text = Find(properties, name);
  if (text == nullptr) return {};
  T value{};
  const char* end = text->data() + text->size();
  const auto [rest, code] = std::from_chars(text->data(), end, value);
  PK_CHECK(code == std::errc() && rest == end && value >= low && value <= high,
           Bad(name, *text, fmt::format("a number from {} to {}", low, high)));
  out = value;
  return {};
}

Result<bool> ReadBool(std::string_view name, const std::string& text) {
  const std::string lower = Lower(text);
  if (lower == "true") return true;
  if (lower == "false") return false;
  return Bad(name, text, "true or false");
}

Result<> ReadCompression(const Properties& properties, WriterOptions& options) {
  constexpr std::string_view kCodec = "write.parquet.compression-codec";
  constexpr std::string_view kLevel = "write.parquet.compression-level";
  static constexpr std::pair<std::string_view, Compression> kCodecs[] = {
      {"zstd", Compression::kZstd},
      {"snappy", Compression::kSnappy},
      {"gzip", Compression::kGzip},
      {"brotli", Compression::kBrotli},
      {"lz4", Compression::kLz4},
      {"lz4_raw", Compression::kLz4},
      {"uncompressed", Compression::kUncompressed},
      {"none", Compression::kUncompressed}};
  if (const std::string* text = Find(properties, kCodec)) {
    const auto* codec =
        std::find_if(std::begin(kCodecs), std::end(kCodecs),
                     [lower = Lower(*text)](const auto& known) { return known.first == lower; });
    PK_CHECK(codec != std::end(kCodecs),
             Bad(kCodec, *text, "one of zstd, snappy, gzip, brotli, lz4, uncompressed"));
    options.compression = codec->second;
  }
  int32_t low = 0;
  int32_t high = 0;
  if (options.compression == Compression::kZstd) {
    low = -131'072;
    high = 22;
  } else if (options.compression == Compression::kGzip) {
    low = 1;
    high = 9;
  } else if (options.compression == Compression::kBrotli) {
    high = 11;
  } else {
    return {};  // no levels: the property is of no effect, as in the reference implementation
  }
  if (Find(properties, kLevel) == nullptr) return {};
  int32_t level = 0;
  PK_TRY(ReadNumber(properties, kLevel, low, high, level));
  options.level = level;
  return {};
}

Result<> ReadSizes(const Properties& properties, WriterOptions& options) {
  constexpr int64_t kGiB = int64_t{1} << 30;
  PK_TRY(ReadNumber<int64_t>(properties, "write.parquet.row-group-size-bytes", 1, 1024 * kGiB,
                             options.row_group_bytes));
  PK_TRY(ReadNumber<int64_t>(properties, "write.parquet.row-group-limit", 1,
                             std::numeric_limits<int32_t>::max(), options.row_group_rows));
  PK_TRY(ReadNumber<int64_t>(properties, "write.parquet.page-size-bytes", 1, kGiB,
                             options.page_bytes));
  PK_TRY(ReadNumber<int64_t>(properties, "write.parquet.page-row-limit", 1,
                             std::numeric_limits<int32_t>::max(), options.page_rows));
  PK_TRY(ReadNumber<int64_t>(properties, "write.parquet.dict-size-bytes", 0, kGiB,
                             options.dictionary_bytes));
  PK_TRY(ReadNumber<int64_t>(properties, "write.parquet.bloom-filter-max-bytes", 32, kGiB,
                             options.bloom_filter_max_bytes));
  constexpr std::string_view kVersion = "write.parquet.page-version";
  if (const std::string* text = Find(properties, kVersion)) {
    PK_CHECK(*text == "v1" || *text == "v2", Bad(kVersion, *text, "v1 or v2"));
    options.encodings = *text == "v1" ? Encodings::kCompatible : Encodings::kAll;
  }
  return {};
}

Result<> ReadBloomFilters(const Properties& properties, const iceberg::Schema& schema,
                          WriterOptions& options) {
  for (auto it = properties.lower_bound(std::string(kBloomEnabled));
       it != properties.end() && it->first.starts_with(kBloomEnabled); ++it) {
    if (!PK_TRY(ReadBool(it->first, it->second))) continue;
    const std::string column = it->first.substr(kBloomEnabled.size());
    const iceberg::Field* field = schema.FindByName(column);
    if (field == nullptr || !field->type.is_primitive()) continue;  // dropped since
    PK_CHECK(field->type.primitive()->kind != iceberg::PrimitiveKind::kBoolean,
             InvalidArgument(
                 fmt::format("table property {}: a boolean has no bloom filter", it->first)));
    double rate = 0.01;
    const std::string name = std::string(kBloomRate) + column;
    PK_TRY(ReadNumber<double>(properties, name, 1e-9, 0.999, rate));
    options.bloom_filters[field->id] = rate;
  }
  return {};
}

Result<ColumnMetrics> ParseMetrics(std::string_view property, const std::string& text) {
  const std::string mode = Lower(text);
  if (mode == "none") return ColumnMetrics{.mode = MetricsMode::kNone};
  if (mode == "counts") return ColumnMetrics{.mode = MetricsMode::kCounts};
  if (mode == "full") return ColumnMetrics{.mode = MetricsMode::kFull};
  constexpr std::string_view kTruncate = "truncate(";
  if (mode.starts_with(kTruncate) && mode.ends_with(")")) {
    int32_t length = 0;
    const char* end = mode.data() + mode.size() - 1;
    const auto [rest, code] = std::from_chars(mode.data() + kTruncate.size(), end, length);
    if (code == std::errc() && rest == end && length > 0)
      return ColumnMetrics{.mode = MetricsMode::kTruncate, .length = length};
  }
  return Bad(property, text, "one of none, counts, truncate(LENGTH), full");
}

Result<> ReadMetrics(const Properties& properties, const iceberg::Schema& schema,
                     WriterOptions& options) {
  PK_TRY(ReadNumber<int32_t>(properties, "write.metadata.metrics.max-inferred-column-defaults", 0,
                             std::numeric_limits<int32_t>::max(), options.max_metrics_columns));
  if (const std::string* text = Find(properties, kMetricsDefault)) {
    options.metrics = PK_TRY(ParseMetrics(kMetricsDefault, *text));
    // A mode that somebody asked for is no inferred one.
    options.max_metrics_columns = std::numeric_limits<int32_t>::max();
  }
  for (auto it = properties.lower_bound(std::string(kMetricsColumn));
       it != properties.end() && it->first.starts_with(kMetricsColumn); ++it) {
    const ColumnMetrics metrics = PK_TRY(ParseMetrics(it->first, it->second));
    // Without a column when it was dropped since.
    if (const auto* field = schema.FindByName(it->first.substr(kMetricsColumn.size())))
      options.column_metrics[field->id] = metrics;
  }
  return {};
}

}  // namespace

Result<WriterOptions> WriterOptionsFrom(const Properties& properties,
                                        const iceberg::Schema& schema) {
  WriterOptions options;
  PK_TRY(ReadCompression(properties, options));
  PK_TRY(ReadSizes(properties, options));
  PK_TRY(ReadBloomFilters(properties, schema, options));
  PK_TRY(ReadMetrics(properties, schema, options));
  return options;
}

}  // namespace pk::datafile
