#include <fmt/format.h>

#include <algorithm>

#include "parkeeper/catalog/commit_internal.h"

namespace pk::catalog {
namespace {

constexpr int64_t kSweepMost = 64;
constexpr int64_t kFarFutureMs = int64_t{48} * 3'600'000;

void Mix(uint64_t& hash, std::string_view text) {
  // FNV-1a, with the length so that neighbours do not run together. It tells an honest mistake, not
  // an attack.
  const auto add = [&](uint8_t byte) { hash = (hash ^ byte) * 1'099'511'628'211u; };
  for (size_t length = text.size(), i = 0; i < 8; ++i) add(uint8_t(length >> (8 * i)));
  for (const char c : text) add(uint8_t(c));
}

void Mix(uint64_t& hash, int64_t number) { Mix(hash, std::to_string(number)); }

void Mix(uint64_t& hash, const std::map<std::string, std::string>& summary) {
  for (const auto& [name, value] : summary) {
    Mix(hash, name);
    Mix(hash, value);
  }
}

void Mix(uint64_t& hash, const std::vector<iceberg::DataFile>& files) {
  for (const iceberg::DataFile& file : files) {
    Mix(hash, file.location);
    Mix(hash, file.record_count);
    Mix(hash, file.file_size);
  }
}

void Mix(uint64_t& hash, const iceberg::AppendFiles& append) {
  Mix(hash, append.branch);
  Mix(hash, append.summary);
  Mix(hash, append.files);
}

void Mix(uint64_t& hash, const iceberg::RowDelta& delta) {
  Mix(hash, delta.branch);
  Mix(hash, delta.summary);
  Mix(hash, delta.base_snapshot_id ? std::to_string(*delta.base_snapshot_id) : "");
  Mix(hash, delta.rewrite ? "rewrite" : "");
  Mix(hash, delta.reads ? iceberg::ToJson(*delta.reads) : "");
  for (const auto* files : {&delta.removed, &delta.referenced}) {
    Mix(hash, int64_t(files->size()));
    for (const iceberg::FileRef& file : *files) Mix(hash, file.location);
  }
  Mix(hash, delta.added);
}

void Mix(uint64_t& hash, const iceberg::UpdateTable& update) {
  Mix(hash, iceberg::ToJson(update.requirements));
  Mix(hash, iceberg::ToJson(update.updates));
}

// Nothing without steps, so that hashes from before there were any still compare.
void Mix(uint64_t& hash, const std::vector<iceberg::PropertyStep>& steps) {
  for (const iceberg::PropertyStep& step : steps) {
    Mix(hash, step.name);
    for (const auto& value : {step.expected, step.value}) Mix(hash, value ? "=" + *value : "");
  }
}

}  // namespace

uint64_t MixHash(uint64_t hash, std::string_view text) {
  Mix(hash, text);
  return hash;
}

uint64_t RequestHash(const iceberg::TableCommit& commit) {
  uint64_t hash = 14'695'981'039'346'656'037u;
  std::visit([&](const auto& change) { Mix(hash, change); }, commit.change);
  Mix(hash, commit.properties);
  return hash;
}

Result<Sweep> PlanSweep(const CommitContext& context, const std::string& key, const ReadHead& head,
                        int64_t& next_sweep_ms, Backoff& backoff) {
  Sweep sweep{.removals = {}, .floor = head.node.floor, .swept_to_ms = head.node.swept_to_ms};
  // Reading records costs a round trip, so do it once for many.
  if (head.node.version - head.node.floor + 1 < kSweepMost) return sweep;
  if (head.stat.mtime_ms <= next_sweep_ms) return sweep;
  std::vector<coordination::ReadRequest> requests;
  for (int64_t n = head.node.floor; n < head.node.floor + kSweepMost; ++n) {
    requests.push_back({.path = RecordPath(key, n)});
  }
  auto replies = PK_TRY(ReadUntilKnown(context.sessions, requests, backoff));
  for (size_t i = 0; i < replies.size(); ++i) {
    // Gone: the head moved meanwhile, and this round will be refused anyway.
    if (!replies[i].ok()) break;
    const coordination::Node& node = replies[i]->node;
    const RecordNode record = PK_TRY(DecodeRecord(node.value).With(requests[i].path));
    // An id may carry a time ahead of the coordinator's: the record stays until that time is over
    // too, else the id could be judged again after its record is gone.
    int64_t youngest_ms = node.stat.ctime_ms;
    for (const RecordedCommit& commit : record.commits) {
      // One of a far future was rejected for that, and would be again.
      const bool counts = commit.id.UnixMs() <= node.stat.ctime_ms + kFarFutureMs;
      if (counts) youngest_ms = std::max(youngest_ms, commit.id.UnixMs());
    }
    if (head.stat.mtime_ms - youngest_ms <= context.options.retention.count()) {
      // A look is worth its reads again when all that it reads are over-aged.
      const int64_t last_ms = replies.back().ok() ? replies.back()->node.stat.ctime_ms : 0;
      next_sweep_ms = std::max(youngest_ms, last_ms) + context.options.retention.count();
      break;
    }
    sweep.removals.Remove(requests[i].path, 0);
    ++sweep.floor;
    sweep.swept_to_ms = std::max(sweep.swept_to_ms, youngest_ms);
  }
  return sweep;
}

}  // namespace pk::catalog
