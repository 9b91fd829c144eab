#include "parkeeper/datafile/row_ranges_internal.h"

#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/stored_value_internal.h"

namespace pk::datafile {
namespace {

using iceberg::BoundExpression;
using iceberg::BoundPredicate;
using iceberg::ColumnStatistics;
using iceberg::PrimitiveType;
using iceberg::Value;

// More literals than this are not looked up in a bloom filter, one by one.
constexpr size_t kMaxBloomLiterals = 256;

// Bounds that hold also for the zeros of both signs and say nothing of NaN.
void SetBounds(std::optional<Value> lower, std::optional<Value> upper,
               ColumnStatistics& statistics) {
  auto usable = [](std::optional<Value>& bound, bool is_lower) {
    if (!bound || iceberg::IsNan(*bound)) return false;
    if (auto* f = std::get_if<float>(&*bound); f != nullptr && *f == 0) *f = is_lower ? -0.F : 0.F;
    if (auto* d = std::get_if<double>(&*bound); d != nullptr && *d == 0) *d = is_lower ? -0. : 0.;
    return true;
  };
  if (!usable(lower, true) || !usable(upper, false)) return;
  if (iceberg::Compare(*lower, *upper) > 0) return;  // cannot be trusted
  statistics.lower = std::move(lower);
  statistics.upper = std::move(upper);
}

struct PredicateColumn {
  int leaf = -1;  // -1: the file lacks it
  const parquet::ColumnDescriptor* descriptor = nullptr;
};

// One row group, asked about one predicate at a time.
class GroupJudge {
 public:
  GroupJudge(const ParquetFile& file, int group, const iceberg::Schema& schema,
             const PruningOptions& options)
      : file_(file),
        group_(group),
        schema_(schema),
        options_(options),
        metadata_(file.metadata->RowGroup(group)) {}

  int64_t rows() const { return metadata_->num_rows(); }

  ColumnStatistics Statistics(int32_t field_id) const {
    const auto column = Find(field_id);
    if (!column) return {};
    if (column->leaf < 0) return OfConstant(field_id, rows());
    ColumnStatistics out;
    out.value_count = rows();
    const auto chunk = metadata_->ColumnChunk(column->leaf);
    const auto stored = chunk->is_stats_set() ? chunk->statistics() : nullptr;
    if (stored == nullptr) return out;
    if (stored->HasNullCount()) out.null_count = stored->null_count();
    if (!stored->HasMinMax()) return out;
    const PrimitiveType& type = *schema_.FindById(field_id)->type.primitive();
    SetBounds(StoredValue(stored->EncodeMin(), *column->descriptor, type),
              StoredValue(stored->EncodeMax(), *column->descriptor, type), out);
    return out;
  }

  // False when bloom filters prove that no row passes.
  bool MightPassBlooms(const BoundExpression& filter) const {
    if (filter.is_false()) return false;
    if (const auto* both = std::get_if<BoundExpression::And>(&filter.node)) {
      return std::all_of(both->of.begin(), both->of.end(),
                         [&](const auto& part) { return MightPassBlooms(part); });
    }
    if (const auto* either = std::get_if<BoundExpression::Or>(&filter.node)) {
      return std::any_of(either->of.begin(), either->of.end(),
                         [&](const auto& part) { return MightPassBlooms(part); });
    }
    const auto* predicate = std::get_if<BoundPredicate>(&filter.node);
    return predicate == nullptr || MightPassBloom(*predicate);
  }

  RowRanges MightPassPages(const BoundExpression& filter) const {
    if (filter.is_false()) return {};
    if (const auto* both = std::get_if<BoundExpression::And>(&filter.node)) {
      RowRanges out = All();
      for (const auto& part : both->of) out = Intersect(out, MightPassPages(part));
      return out;
    }
    if (const auto* either = std::get_if<BoundExpression::Or>(&filter.node)) {
      RowRanges out;
      for (const auto& part : either->of) out = Unite(out, MightPassPages(part));
      return out;
    }
    const auto* predicate = std::get_if<BoundPredicate>(&filter.node);
    return predicate == nullptr ? All() : PagesOf(*predicate);
  }

  RowRanges All() const { return {{0, rows()}}; }

 private:
  // nullopt when the column has no single value per row that statistics could speak of.
  std::optional<PredicateColumn> Find(int32_t field_id) const {
    const std::vector<FileField>* fields = &file_.fields;
    const FileField* found = nullptr;
    for (int32_t id : schema_.PathTo(field_id)) {
      const auto at = std::find_if(fields->begin(), fields->end(),
                                   [id](const FileField& field) { return field.id == id; });
      if (at == fields->end()) return PredicateColumn{};
      found = &*at;
      fields = &at->children;
    }
    if (found == nullptr || !found->is_leaf()) return std::nullopt;
    const auto* descriptor = metadata_->schema()->Column(found->field->column_index);
    if (descriptor->max_repetition_level() > 0) return std::nullopt;
    return PredicateColumn{found->field->column_index, descriptor};
  }

  ColumnStatistics OfConstant(int32_t field_id, int64_t count) const {
    ColumnStatistics out;
    out.value_count = count;
    out.null_count = count;
    out.nan_count = 0;
    const Value value = options_.constant ? options_.constant(field_id) : Value();
    if (iceberg::IsNull(value)) return out;
    out.null_count = 0;
    if (iceberg::IsNan(value)) {
      out.nan_count = count;
    } else {
      out.lower = value;
      out.upper = value;
    }
    return out;
  }

  bool MightPassBloom(const BoundPredicate& predicate) const {
    if (predicate.op != iceberg::Operator::kEqual && predicate.op != iceberg::Operator::kIn) {
      return true;
    }
    const auto column = Find(predicate.field_id);
    if (!column || column->leaf < 0 || predicate.values.size() > kMaxBloomLiterals) return true;
    auto filter = Guarded(ErrorCode::kCorrupt, [&]() -> std::unique_ptr<parquet::BloomFilter> {
      if (!metadata_->ColumnChunk(column->leaf)->bloom_filter_offset()) return nullptr;
      auto group = file_.reader->GetBloomFilterReader().RowGroup(group_);
      return group == nullptr ? nullptr : group->GetColumnBloomFilter(column->leaf);
    });
    if (!filter.ok() || *filter == nullptr) return true;
    return std::any_of(predicate.values.begin(), predicate.values.end(), [&](const Value& value) {
      return MayContain(**filter, *column->descriptor, predicate.type, value);
    });
  }

  RowRanges PagesOf(const BoundPredicate& predicate) const {
    const auto column = Find(predicate.field_id);
    if (!column || column->leaf < 0) return All();
    std::shared_ptr<parquet::ColumnIndex> index;
    std::shared_ptr<parquet::OffsetIndex> offsets;
    const auto read = Guarded(ErrorCode::kCorrupt, [&] {
      const auto chunk = metadata_->ColumnChunk(column->leaf);
      if (!chunk->GetColumnIndexLocation() || !chunk->GetOffsetIndexLocation()) return;
      auto pages = file_.reader->GetPageIndexReader();
      auto group = pages == nullptr ? nullptr : pages->RowGroup(group_);
      if (group == nullptr) return;
      index = group->GetColumnIndex(column->leaf);
      offsets = group->GetOffsetIndex(column->leaf);
    });
    const bool ordered =
        column->descriptor->sort_order() != parquet::SortOrder::UNKNOWN &&
        column->descriptor->column_order().get_order() == parquet::ColumnOrder::TYPE_DEFINED_ORDER;
    if (!read.ok() || index == nullptr || offsets == nullptr || !ordered) return All();
    return SelectPages(predicate, *column->descriptor, *index, *offsets);
  }

  RowRanges SelectPages(const BoundPredicate& predicate,
                        const parquet::ColumnDescriptor& descriptor,
                        const parquet::ColumnIndex& index,
                        const parquet::OffsetIndex& offsets) const {
    const auto& pages = offsets.page_locations();
    const size_t count = pages.size();
    if (count == 0 || index.null_pages().size() != count ||
        index.encoded_min_values().size() != count || index.encoded_max_values().size() != count ||
        (index.has_null_counts() && index.null_counts().size() != count) ||
        pages[0].first_row_index != 0) {
      return All();
    }
    RowRanges out;
    const BoundExpression test(predicate);
    for (size_t i = 0; i < count; ++i) {
      const RowRange page{pages[i].first_row_index,
                          i + 1 < count ? pages[i + 1].first_row_index : rows()};
      if (page.begin >= page.end || page.end > rows()) return All();
      ColumnStatistics statistics;
      statistics.value_count = page.end - page.begin;
      if (index.null_pages()[i]) {
        statistics.null_count = statistics.value_count;
      } else {
        if (index.has_null_counts()) statistics.null_count = index.null_counts()[i];
        SetBounds(StoredValue(index.encoded_min_values()[i], descriptor, predicate.type),
                  StoredValue(index.encoded_max_values()[i], descriptor, predicate.type),
                  statistics);
      }
      if (iceberg::MightMatch(test, [&](int32_t) { return statistics; })) {
        out = Unite(out, {page});
      }
    }
    return out;
  }

  const ParquetFile& file_;
  int group_;
  const iceberg::Schema& schema_;
  const PruningOptions& options_;
  std::unique_ptr<parquet::RowGroupMetaData> metadata_;
};

}  // namespace

RowRanges Intersect(const RowRanges& left, const RowRanges& right) {
  RowRanges out;
  for (size_t i = 0, j = 0; i < left.size() && j < right.size();) {
    const RowRange both{std::max(left[i].begin, right[j].begin),
                        std::min(left[i].end, right[j].end)};
    if (both.begin < both.end) out.push_back(both);
    (left[i].end < right[j].end ? i : j) += 1;
  }
  return out;
}

RowRanges Unite(const RowRanges& left, const RowRanges& right) {
  RowRanges sorted;
  std::merge(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(sorted),
             [](const RowRange& a, const RowRange& b) { return a.begin < b.begin; });
  RowRanges out;
  for (const RowRange& range : sorted) {
    if (!out.empty() && range.begin <= out.back().end) {
      out.back().end = std::max(out.back().end, range.end);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

int64_t CountRows(const RowRanges& ranges) {
  int64_t rows = 0;
  for (const RowRange& range : ranges) rows += range.end - range.begin;
  return rows;
}

Result<GroupVerdict> JudgeRowGroup(const ParquetFile& file, int group,
                                   const BoundExpression& filter, const iceberg::Schema& schema,
                                   const PruningOptions& options) {
  return Guarded(ErrorCode::kCorrupt, [&]() -> GroupVerdict {
    const GroupJudge judge(file, group, schema, options);
    const auto statistics = [&](int32_t id) { return judge.Statistics(id); };
    if (!iceberg::MightMatch(filter, statistics)) {
      return {.reason = GroupVerdict::Reason::kStatistics};
    }
    if (iceberg::MustMatch(filter, statistics)) return {.ranges = judge.All(), .all_pass = true};
    if (options.bloom_filters && !judge.MightPassBlooms(filter)) {
      return {.reason = GroupVerdict::Reason::kBloomFilter};
    }
    GroupVerdict verdict{.ranges = judge.All()};
    if (!options.page_index) return verdict;
    verdict.ranges = judge.MightPassPages(filter);
    if (CountRows(verdict.ranges) < judge.rows()) verdict.reason = GroupVerdict::Reason::kPages;
    return verdict;
  });
}

}  // namespace pk::datafile
