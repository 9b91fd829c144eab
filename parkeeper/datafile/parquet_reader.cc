#include "parkeeper/datafile/parquet_reader.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "parkeeper/datafile/arrow_adapter_internal.h"
#include "parkeeper/datafile/arrow_schema_internal.h"
#include "parkeeper/datafile/hidden_rows_internal.h"
#include "parkeeper/datafile/parquet_source_internal.h"
#include "parkeeper/datafile/projection_internal.h"
#include "parkeeper/datafile/row_mask_internal.h"
#include "parkeeper/datafile/row_ranges_internal.h"

namespace pk::datafile {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using iceberg::Field;
using iceberg::Schema;
using iceberg::Value;

// A batch's columns take about this many bytes at most, however wide its rows.
constexpr int64_t kBatchBytes = int64_t{32} << 20;
// Rows that no filter wants are decoded nevertheless when fewer of them lie between wanted ones.
constexpr int64_t kMinGap = 4096;

struct Constant {
  int32_t field_id = 0;
  Value value;
};

std::vector<Constant> PartitionConstants(const iceberg::DataFile& file,
                                         const iceberg::PartitionSpec* spec) {
  std::vector<Constant> out;
  if (spec == nullptr) return out;
  const size_t count = std::min(spec->fields.size(), file.partition.size());
  for (size_t i = 0; i < count; ++i) {
    const auto& field = spec->fields[i];
    if (field.transform.kind == iceberg::TransformKind::kIdentity) {
      out.push_back({field.source_id, file.partition[i]});
    }
  }
  return out;
}

Value ConstantOf(const std::vector<Constant>& constants, const Field& field) {
  for (const Constant& constant : constants) {
    const auto* primitive = field.type.primitive();
    if (constant.field_id == field.id && primitive != nullptr &&
        iceberg::Represents(constant.value, *primitive)) {
      return constant.value;
    }
  }
  return {};
}

// `field` with nothing but the members on `path` (ids, from the field's own on).
Field OnlyPath(const Field& field, const std::vector<int32_t>& path, size_t depth) {
  const auto* members = field.type.struct_type();
  if (members == nullptr || depth + 1 >= path.size()) return field;
  Field out = field;
  for (const Field& member : members->fields) {
    if (member.id == path[depth + 1]) {
      out.type = iceberg::StructType{.fields = {OnlyPath(member, path, depth + 1)}};
    }
  }
  return out;
}

// A run of decoders over the same columns, which move forward together.
class ColumnRun {
 public:
  Result<> Open(const std::vector<const ColumnPlan*>& plans, parquet::RowGroupReader& group,
                parquet::arrow::FileReader* assembling, int index) {
    plans_ = plans;
    row_ = 0;
    decoders_.clear();
    for (const ColumnPlan* plan : plans) {
      std::unique_ptr<ColumnDecoder> decoder;
      if (plan->source == ColumnPlan::Source::kDecoded) {
        decoder = PK_TRY(ColumnDecoder::Open(group, plan->decoder).With(Name(*plan)));
      } else if (plan->source == ColumnPlan::Source::kAssembled) {
        decoder = PK_TRY(OpenAssembled(*assembling, index, *plan).With(Name(*plan)));
      }
      decoders_.push_back(std::move(decoder));
    }
    return {};
  }

  // Rows [begin, end) of each column; never before the end of the last call.
  Result<arrow::ArrayVector> Read(RowRange rows) {
    arrow::ArrayVector out;
    for (size_t i = 0; i < plans_.size(); ++i) {
      const ColumnPlan& plan = *plans_[i];
      const int64_t count = rows.end - rows.begin;
      if (decoders_[i] == nullptr) {
        out.push_back(PK_TRY(RepeatValue(plan.constant, plan.field.type, count)));
        continue;
      }
      decoders_[i]->Skip(rows.begin - row_);
      ArrayPtr array = PK_TRY(decoders_[i]->Read(count).With(Name(plan)));
      PK_CHECK(!plan.field.required || array->null_count() == 0,
               Corrupt(fmt::format("column '{}' is required and holds nulls", plan.field.name)));
      out.push_back(std::move(array));
    }
    row_ = rows.end;
    return out;
  }

 private:
  static std::string Name(const ColumnPlan& plan) {
    return fmt::format("column '{}'", plan.field.name);
  }

  std::vector<const ColumnPlan*> plans_;
  std::vector<std::unique_ptr<ColumnDecoder>> decoders_;
  int64_t row_ = 0;
};

class ParquetSource : public BatchSource {
 public:
  ParquetSource(ParquetInput input, const ReaderOptions& options)
      : input_(std::move(input)), options_(options) {}

  Result<> Open(const iceberg::DataFile& file);
  const Schema& schema() const override { return *options_.projection; }
  Result<std::optional<Batch>> Next() override {
    return NextBatch().With(fmt::format("read Parquet file {}", input_.name));
  }

 private:
  // A column of the projection; `tested` is its place among the columns that decide about rows.
  struct Output {
    ColumnPlan plan;
    std::optional<size_t> tested;
  };
  // A column that decides which rows are wanted: the filter looks at it, or deletes do.
  struct Tested {
    ColumnPlan plan;
    bool by_key = false;
  };

  using PlanOf = std::function<Result<ColumnPlan>(const Field&)>;
  Result<> PlanColumns(const std::vector<Constant>& constants);
  Result<> PlanTested(const PlanOf& plan);
  Result<> PlanKeys(const HiddenRows& hidden, const PlanOf& plan);
  std::optional<size_t> FindTested(const Field& field) const;
  void ChooseDictionaries(ColumnPlan& plan) const;
  Result<> SelectRowGroups();
  Result<bool> OpenRowGroup();
  Result<GroupVerdict> Judge(int group) const;
  Result<GroupVerdict> JudgeByFilter(int group) const;
  void Count(const GroupVerdict& verdict, int64_t rows) const;
  int64_t BatchRows(const parquet::RowGroupMetaData& group) const;
  Result<std::optional<Batch>> NextBatch();
  // The column is read before the others in this row group.
  bool IsTestedNow(size_t tested) const { return tested_[tested].by_key || !verdict_.all_pass; }
  bool HasDeletes() const { return !hidden_.empty() || only_.has_value(); }
  Result<arrow::ArrayVector> ReadTested(RowRange window);
  Result<RowMask> FilterRows(int64_t rows, const arrow::ArrayVector& tested) const;
  Result<> ApplyDeletes(RowRange window, const arrow::ArrayVector& tested, RowMask& mask) const;
  Result<> ReadWindow(RowRange window);
  Result<> Emit(RowRange rows, int64_t window_begin, const arrow::ArrayVector& tested,
                const RowMask* mask);
  Result<> OpenOutputs();

  ParquetInput input_;
  ReaderOptions options_;
  ParquetFile file_;
  std::unique_ptr<parquet::arrow::FileReader> assembling_;  // when some column is nested
  std::vector<Output> outputs_;
  std::deque<Tested> tested_;
  std::vector<Constant> constants_;
  HiddenRows hidden_;
  std::optional<HiddenRows> only_;   // when only rows hidden by these are wanted
  std::vector<int> groups_;          // still to be read
  std::vector<int64_t> first_rows_;  // of each row group: the position of its first row

  // Of the row group being read.
  size_t next_group_ = 0;
  int group_ = 0;
  std::shared_ptr<parquet::RowGroupReader> group_reader_;
  GroupVerdict verdict_;
  size_t range_ = 0;
  int64_t row_ = 0;
  int64_t window_rows_ = 0;
  ColumnRun tested_run_;
  ColumnRun output_run_;
  bool outputs_open_ = false;
  std::deque<Batch> ready_;
};

Result<> ParquetSource::Open(const iceberg::DataFile& file) {
  const auto& naming = options_.table_schema ? options_.table_schema : options_.projection;
  const iceberg::NameMapping mapping =
      options_.name_mapping ? *options_.name_mapping : iceberg::MappingOf(*naming);
  file_ = PK_TRY(OpenParquetFile(input_.bytes, mapping, input_.by_name));
  constants_ = PartitionConstants(file, std::exchange(options_.spec, nullptr));
  for (const auto& [id, value] : options_.constants) constants_.push_back({id, value});
  hidden_ = HiddenRows(std::exchange(options_.deletes, {}), file.location);
  if (options_.only_hidden_by) {
    only_.emplace(*std::exchange(options_.only_hidden_by, std::nullopt), file.location);
  }
  PK_TRY(PlanColumns(constants_));
  PK_TRY(SelectRowGroups());
  if (options_.counters != nullptr) ++options_.counters->files;
  return {};
}

Result<> ParquetSource::PlanColumns(const std::vector<Constant>& constants) {
  bool nested = false;
  const PlanOf plan = [&](const Field& field) -> Result<ColumnPlan> {
    ColumnPlan made = PK_TRY(PlanColumn(file_, field, ConstantOf(constants, field)));
    PK_CHECK(!options_.columns_must_exist || made.file_field != nullptr,
             Corrupt(fmt::format("the file lacks column '{}' (field {})", field.name, field.id)));
    ChooseDictionaries(made);
    made.decoder.exact = input_.exact;
    nested |= made.source == ColumnPlan::Source::kAssembled;
    return made;
  };
  PK_TRY(PlanTested(plan));
  PK_TRY(PlanKeys(hidden_, plan));
  if (only_) PK_TRY(PlanKeys(*only_, plan));
  for (const Field& field : options_.projection->fields()) {
    outputs_.push_back({.plan = PK_TRY(plan(field)), .tested = FindTested(field)});
    // The keys of deletes may be null where the table's rows may not.
    if (outputs_.back().tested) {
      tested_[*outputs_.back().tested].plan.field.required |= field.required;
    }
  }
  if (!nested) return {};
  assembling_ = PK_TRY(Guarded(ErrorCode::kCorrupt, [&] {
    auto properties = ReadingProperties();
    properties.set_batch_size(std::clamp<int64_t>(options_.batch_rows, 1, 8192));
    return parquet::arrow::FileReader::Make(
        arrow::default_memory_pool(),
        parquet::ParquetFileReader::Open(file_.input, CheckingProperties(), file_.metadata),
        properties);
  }));
  return {};
}

Result<> ParquetSource::PlanTested(const PlanOf& plan) {
  for (int32_t id : iceberg::ReferencedFields(options_.filter)) {
    const Schema& table = options_.table_schema ? *options_.table_schema : *options_.projection;
    const std::vector<int32_t> path = table.PathTo(id);
    PK_CHECK(!path.empty() && !table.IsRepeated(id),
             Internal(fmt::format("a filter over field {}, which no row has one of", id)));
    // Two members of one struct are two columns here, told apart by their place.
    const Field field = OnlyPath(*table.FindById(path.front()), path, 0);
    tested_.push_back({.plan = PK_TRY(plan(field)), .by_key = false});
  }
  return {};
}

Result<> ParquetSource::PlanKeys(const HiddenRows& hidden, const PlanOf& plan) {
  for (const RowDeletes::ByKeys& keys : hidden.keys()) {
    for (const Field& field : keys.deletes->keys().fields()) {
      const auto found = FindTested(field);
      if (!found)
        tested_.push_back({.plan = PK_TRY(plan(field)), .by_key = true});
      else
        tested_[*found].by_key = true;
    }
  }
  return {};
}

// One that is read as the same type.
std::optional<size_t> ParquetSource::FindTested(const Field& field) const {
  for (size_t i = 0; i < tested_.size(); ++i) {
    const Field& held = tested_[i].plan.field;
    if (held.id == field.id && held.type == field.type) return i;
  }
  return std::nullopt;
}

// Decided for the file, not for the row groups of this split, so that all its readers agree.
void ParquetSource::ChooseDictionaries(ColumnPlan& plan) const {
  const bool is_string = plan.source == ColumnPlan::Source::kDecoded &&
                         plan.decoder.target.kind == iceberg::PrimitiveKind::kString;
  if (!options_.dictionaries || !is_string) return;
  const int groups = file_.metadata->num_row_groups();
  plan.decoder.dictionary = groups > 0;
  for (int i = 0; i < groups && plan.decoder.dictionary; ++i) {
    plan.decoder.dictionary =
        IsDictionaryEncoded(*file_.metadata->RowGroup(i), plan.decoder.column);
  }
}

Result<> ParquetSource::SelectRowGroups() {
  return Guarded(ErrorCode::kCorrupt, [&]() -> arrow::Status {
    int64_t rows = 0;
    for (int i = 0; i < file_.metadata->num_row_groups(); ++i) {
      const auto group = file_.metadata->RowGroup(i);
      if (group->num_rows() < 0) return arrow::Status::Invalid("a row group has negative rows");
      first_rows_.push_back(rows);
      rows += group->num_rows();
      const int64_t first = FirstByte(*group);
      const bool by_bytes = first >= options_.begin && first < options_.end;
      const bool by_number =
          !input_.row_groups || (i >= input_.row_groups->first && i < input_.row_groups->second);
      if (by_bytes && by_number && group->num_rows() > 0) groups_.push_back(i);
    }
    return arrow::Status::OK();
  });
}

Result<GroupVerdict> ParquetSource::Judge(int group) const {
  const int64_t rows = file_.metadata->RowGroup(group)->num_rows();
  RowRanges wanted{{0, rows}};
  if (only_) wanted = only_->Ranges(first_rows_[static_cast<size_t>(group)], rows, kMinGap);
  if (wanted.empty()) return GroupVerdict{.reason = GroupVerdict::Reason::kPages};
  GroupVerdict verdict = PK_TRY(JudgeByFilter(group));
  if (only_) verdict.ranges = Intersect(verdict.ranges, wanted);
  return verdict;
}

Result<GroupVerdict> ParquetSource::JudgeByFilter(int group) const {
  const int64_t rows = file_.metadata->RowGroup(group)->num_rows();
  if (options_.filter.is_true()) return GroupVerdict{.ranges = {{0, rows}}, .all_pass = true};
  const Schema& table = options_.table_schema ? *options_.table_schema : *options_.projection;
  PruningOptions pruning{.bloom_filters = options_.bloom_filters,
                         .page_index = options_.page_index,
                         .constant = [&](int32_t id) -> Value {
                           const Field* field = table.FindById(id);
                           return field == nullptr ? Value() : ConstantOf(constants_, *field);
                         }};
  return JudgeRowGroup(file_, group, options_.filter, table, pruning);
}

void ParquetSource::Count(const GroupVerdict& verdict, int64_t rows) const {
  if (options_.counters == nullptr) return;
  ReadCounters& counters = *options_.counters;
  ++counters.row_groups;
  switch (verdict.reason) {
    case GroupVerdict::Reason::kBloomFilter:
      ++counters.row_groups_skipped_by_bloom;
      [[fallthrough]];
    case GroupVerdict::Reason::kStatistics:
      ++counters.row_groups_skipped;
      return;
    case GroupVerdict::Reason::kPages:
    case GroupVerdict::Reason::kRead:
      counters.rows_skipped_by_pages += rows - CountRows(verdict.ranges);
  }
}

// As many rows as fit the bytes of a batch by the average of the row group.
int64_t ParquetSource::BatchRows(const parquet::RowGroupMetaData& group) const {
  int64_t bytes = 0;
  for (const Output& output : outputs_) {
    if (output.plan.source == ColumnPlan::Source::kDecoded) {
      bytes += group.ColumnChunk(output.plan.decoder.column)->total_uncompressed_size();
    }
    for (int leaf : output.plan.leaves) bytes += group.ColumnChunk(leaf)->total_uncompressed_size();
  }
  const int64_t row = std::max<int64_t>(1, bytes / std::max<int64_t>(1, group.num_rows()));
  return std::clamp<int64_t>(kBatchBytes / row, 1, std::max<int64_t>(1, options_.batch_rows));
}

// Goes to the next row group of which some row may be wanted; false when there is none.
Result<bool> ParquetSource::OpenRowGroup() {
  group_reader_.reset();
  while (next_group_ < groups_.size()) {
    group_ = groups_[next_group_++];
    const auto metadata = file_.metadata->RowGroup(group_);
    verdict_ = PK_TRY(Judge(group_));
    Count(verdict_, metadata->num_rows());
    if (verdict_.ranges.empty()) continue;
    group_reader_ =
        PK_TRY(Guarded(ErrorCode::kCorrupt, [&] { return file_.reader->RowGroup(group_); }));
    window_rows_ = PK_TRY(Guarded(ErrorCode::kCorrupt, [&] { return BatchRows(*metadata); }));
    range_ = 0;
    row_ = verdict_.ranges.front().begin;
    outputs_open_ = false;
    std::vector<const ColumnPlan*> plans;
    for (size_t i = 0; i < tested_.size(); ++i) {
      if (IsTestedNow(i)) plans.push_back(&tested_[i].plan);
    }
    PK_TRY(tested_run_.Open(plans, *group_reader_, assembling_.get(), group_));
    return true;
  }
  return false;
}

// Later than the tested columns: often no row passes, and then nothing else is fetched.
Result<> ParquetSource::OpenOutputs() {
  if (outputs_open_) return {};
  std::vector<const ColumnPlan*> plans;
  for (const Output& output : outputs_) {
    if (!output.tested || !IsTestedNow(*output.tested)) plans.push_back(&output.plan);
  }
  PK_TRY(output_run_.Open(plans, *group_reader_, assembling_.get(), group_));
  outputs_open_ = true;
  return {};
}

Result<std::optional<Batch>> ParquetSource::NextBatch() {
  while (ready_.empty()) {
    if (group_reader_ == nullptr && !PK_TRY(OpenRowGroup())) return std::optional<Batch>();
    const RowRange& range = verdict_.ranges[range_];
    const RowRange window{row_, std::min(range.end, row_ + window_rows_)};
    PK_TRY(ReadWindow(window));
    row_ = window.end;
    if (row_ < range.end) continue;
    if (++range_ == verdict_.ranges.size()) {
      group_reader_.reset();
    } else {
      row_ = verdict_.ranges[range_].begin;
    }
  }
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  return std::optional<Batch>(std::move(batch));
}

// At the place of each tested column; null for those that are not looked at in this row group.
Result<arrow::ArrayVector> ParquetSource::ReadTested(RowRange window) {
  arrow::ArrayVector read = PK_TRY(tested_run_.Read(window));
  arrow::ArrayVector tested(tested_.size());
  size_t next = 0;
  for (size_t i = 0; i < tested_.size(); ++i) {
    if (IsTestedNow(i)) tested[i] = std::move(read[next++]);
  }
  return tested;
}

Result<RowMask> ParquetSource::FilterRows(int64_t rows, const arrow::ArrayVector& tested) const {
  if (verdict_.all_pass) {
    return RowMask{.passes = std::vector<uint8_t>(static_cast<size_t>(rows), 1), .count = rows};
  }
  auto column = [&](int32_t id) -> Result<ArrayPtr> {
    for (size_t i = 0; i < tested_.size(); ++i) {
      const Schema one(iceberg::StructType{.fields = {tested_[i].plan.field}});
      if (one.FindById(id) == nullptr) continue;
      const auto batch = arrow::RecordBatch::Make(ToArrowSchema(one), rows, {tested[i]});
      return ColumnById(*batch, one, id);
    }
    return Internal(fmt::format("no column for the filter over field {}", id));
  };
  return EvaluateRows(options_.filter, rows, column);
}

// Takes the rows out of `mask` that are hidden, or not hidden though only such rows are wanted.
Result<> ParquetSource::ApplyDeletes(RowRange window, const arrow::ArrayVector& tested,
                                     RowMask& mask) const {
  const int64_t rows = window.end - window.begin;
  const int64_t first = first_rows_[static_cast<size_t>(group_)] + window.begin;
  const auto keys = [&](const EqualityDeletes& deletes) -> Result<Batch> {
    arrow::ArrayVector columns;
    for (const Field& field : deletes.keys().fields()) {
      columns.push_back(tested[*FindTested(field)]);
    }
    return Batch{arrow::RecordBatch::Make(ToArrowSchema(deletes.keys()), rows, std::move(columns))};
  };
  // Rows that the filter drops count as marked, which spares looking for their keys.
  const auto keep = [&](const HiddenRows& hidden, bool hidden_ones) -> Result<> {
    if (mask.none()) return {};
    std::vector<uint8_t> marked(mask.passes.size());
    for (size_t i = 0; i < marked.size(); ++i) marked[i] = mask.passes[i] ^ 1;
    PK_TRY(hidden.Mark(first, keys, marked));
    for (size_t i = 0; i < marked.size(); ++i) mask.passes[i] &= marked[i] ^ (hidden_ones ? 0 : 1);
    mask.count = std::count(mask.passes.begin(), mask.passes.end(), 1);
    return {};
  };
  if (only_) PK_TRY(keep(*only_, true));
  const int64_t before = mask.count;
  if (!hidden_.empty()) PK_TRY(keep(hidden_, false));
  if (options_.counters != nullptr) options_.counters->rows_hidden += before - mask.count;
  return {};
}

Result<> ParquetSource::ReadWindow(RowRange window) {
  const int64_t rows = window.end - window.begin;
  if (options_.counters != nullptr) options_.counters->rows_decoded += rows;
  if (verdict_.all_pass && !HasDeletes()) return Emit(window, window.begin, {}, nullptr);

  const arrow::ArrayVector tested = PK_TRY(ReadTested(window));
  RowMask mask = PK_TRY(FilterRows(rows, tested));
  if (HasDeletes()) PK_TRY(ApplyDeletes(window, tested, mask));
  if (mask.none()) return {};
  if (mask.all()) return Emit(window, window.begin, tested, nullptr);
  // Runs of wanted rows, parted where it pays to skip what lies between.
  int64_t begin = -1;
  int64_t last = -1;
  for (int64_t i = 0; i < rows; ++i) {
    if (mask.passes[static_cast<size_t>(i)] == 0) continue;
    if (begin >= 0 && i - last > kMinGap) {
      PK_TRY(Emit({window.begin + begin, window.begin + last + 1}, window.begin, tested, &mask));
      begin = i;
    }
    if (begin < 0) begin = i;
    last = i;
  }
  return Emit({window.begin + begin, window.begin + last + 1}, window.begin, tested, &mask);
}

// The wanted ones of these rows as a batch.
Result<> ParquetSource::Emit(RowRange rows, int64_t window_begin, const arrow::ArrayVector& tested,
                             const RowMask* mask) {
  PK_TRY(OpenOutputs());
  const arrow::ArrayVector decoded = PK_TRY(output_run_.Read(rows));
  const int64_t offset = rows.begin - window_begin;
  const int64_t count = rows.end - rows.begin;
  RowMask part;
  ArrayPtr selection;
  if (mask != nullptr) {
    part.passes.assign(mask->passes.begin() + offset, mask->passes.begin() + offset + count);
    part.count = std::count(part.passes.begin(), part.passes.end(), 1);
    if (!part.all()) selection = PK_TRY(SelectionOf(part));
  }
  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  size_t next = 0;
  for (const Output& output : outputs_) {
    const bool shared = output.tested && IsTestedNow(*output.tested);
    ArrayPtr array = shared ? tested[*output.tested]->Slice(offset, count) : decoded[next++];
    if (selection != nullptr) array = PK_TRY(Apply(selection, array));
    fields.push_back(ToArrowField(output.plan.field)->WithType(array->type()));
    columns.push_back(std::move(array));
  }
  const int64_t emitted = mask != nullptr ? part.count : count;
  if (options_.counters != nullptr) options_.counters->rows += emitted;
  ready_.push_back(
      {arrow::RecordBatch::Make(arrow::schema(std::move(fields)), emitted, std::move(columns))});
  return {};
}

}  // namespace

Result<std::unique_ptr<BatchSource>> OpenParquetSource(ParquetInput input,
                                                       const iceberg::DataFile& file,
                                                       const ReaderOptions& options) {
  const std::string where = fmt::format("open Parquet file {}", input.name);
  auto source = std::make_unique<ParquetSource>(std::move(input), options);
  PK_TRY(source->Open(file).With(where));
  return source;
}

Result<std::unique_ptr<BatchSource>> OpenParquet(storage::Storage& storage,
                                                 const iceberg::DataFile& file,
                                                 const ReaderOptions& options) {
  PK_CHECK(options.projection != nullptr, Internal("a Parquet reader without a projection"));
  ParquetInput input;
  input.stored = PK_TRY(storage.Open(file.location));
  input.name = file.location;
  const int64_t size = input.stored->size();
  PK_CHECK(file.file_size == 0 || file.file_size == size,
           Corrupt(fmt::format("open Parquet file {}: it is {} bytes long and its metadata say {}",
                               file.location, size, file.file_size)));
  auto* bytes_read = options.counters != nullptr ? &options.counters->bytes_read : nullptr;
  input.bytes = AsArrowFile(*input.stored, bytes_read);
  return OpenParquetSource(std::move(input), file, options);
}

Result<ParquetSummary> DescribeParquetBytes(std::shared_ptr<arrow::io::RandomAccessFile> bytes,
                                            const std::string& name) {
  const std::string where = fmt::format("open Parquet file {}", name);
  ParquetFile opened = PK_TRY(OpenParquetFile(std::move(bytes), {}, false).With(where));
  arrow::FieldVector fields;
  for (const auto& root : opened.manifest->schema_fields) fields.push_back(root.field);
  ParquetSummary summary;
  summary.schema = PK_TRY(FromArrowSchema(*arrow::schema(std::move(fields))).With(where));
  summary.has_field_ids = opened.has_field_ids;
  summary.rows = opened.metadata->num_rows();
  summary.row_groups = opened.metadata->num_row_groups();
  summary.created_by = opened.metadata->created_by();
  return summary;
}

Result<ParquetSummary> DescribeParquet(storage::RandomAccessFile& file) {
  return DescribeParquetBytes(AsArrowFile(file, nullptr), file.location());
}

}  // namespace pk::datafile
