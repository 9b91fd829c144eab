#include "parkeeper/catalog/known_records_internal.h"

#include <algorithm>

namespace pk::catalog {
namespace {

constexpr int64_t kRecordsPerRead = 200;

}  // namespace

void KnownRecords::Put(int64_t version, const RecordNode& record, Version& into) {
  for (const RecordedCommit& commit : record.commits) {
    into.ids.push_back(commit.id);
    const auto [found, fresh] =
        outcomes_.try_emplace(commit.id, Outcome{version, record.metadata_location, commit});
    if (!fresh && found->second.version > version) {
      found->second = {version, record.metadata_location, commit};
    }
  }
}

// The records [first, last]; false when one is missing.
Result<bool> KnownRecords::Read(coordination::SessionSource& sessions, std::string_view key,
                                int64_t first, int64_t last, std::vector<RecordNode>& into,
                                Backoff& backoff) {
  for (int64_t from = first; from <= last; from += kRecordsPerRead) {
    std::vector<coordination::ReadRequest> requests;
    for (int64_t n = from; n <= std::min(from + kRecordsPerRead - 1, last); ++n) {
      requests.push_back({.path = RecordPath(key, n)});
    }
    auto replies = PK_TRY(ReadUntilKnown(sessions, requests, backoff));
    for (size_t i = 0; i < replies.size(); ++i) {
      if (!replies[i].ok()) return false;
      into.push_back(PK_TRY(DecodeRecord(replies[i]->node.value).With(requests[i].path)));
    }
  }
  return true;
}

Result<KnownRecords::Cover> KnownRecords::Learn(coordination::SessionSource& sessions,
                                                std::string_view key, const ReadHead& head,
                                                int64_t since, Backoff& backoff) {
  const int64_t lowest = std::max(since + 1, head.node.floor);
  const Cover cover = head.node.floor <= since + 1 ? Cover::kAll : Cover::kKept;
  if (versions_.empty() || lowest > last() + 1) {
    versions_.clear();
    outcomes_.clear();
    first_ = lowest;
  }
  std::vector<RecordNode> older, newer;
  const int64_t after = last() + 1;
  if (!PK_TRY(Read(sessions, key, lowest, first_ - 1, older, backoff))) return Cover::kGone;
  if (!PK_TRY(Read(sessions, key, after, head.node.version, newer, backoff))) return Cover::kGone;
  for (size_t i = older.size(); i-- > 0;) {
    versions_.emplace_front();
    Put(--first_, older[i], versions_.front());
  }
  for (size_t i = 0; i < newer.size(); ++i) {
    versions_.emplace_back();
    Put(after + int64_t(i), newer[i], versions_.back());
  }
  return cover;
}

void KnownRecords::Learn(int64_t version, const RecordNode& record) {
  if (versions_.empty()) first_ = version;
  if (version != last() + 1) return;
  versions_.emplace_back();
  Put(version, record, versions_.back());
}

const Outcome* KnownRecords::Find(const Uuid& id) const {
  const auto found = outcomes_.find(id);
  return found == outcomes_.end() ? nullptr : &found->second;
}

void KnownRecords::Trim() {
  while (versions_.size() > kMostRemembered) {
    for (const Uuid& id : versions_.front().ids) {
      const auto found = outcomes_.find(id);
      if (found != outcomes_.end() && found->second.version == first_) outcomes_.erase(found);
    }
    versions_.pop_front();
    ++first_;
  }
}

}  // namespace pk::catalog
