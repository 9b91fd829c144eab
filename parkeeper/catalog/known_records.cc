#include "parkeeper/catalog/known_records_internal.h"

#include <algorithm>
#include <iterator>

namespace pk::catalog {
namespace {

constexpr int64_t kRecordsPerRead = 200;
constexpr size_t kTablesRemembered = 256;

// The records of a range; nullopt when one is missing.
Result<std::optional<std::vector<RecordNode>>> Read(coordination::SessionSource& sessions,
                                                    std::string_view key, int64_t first,
                                                    int64_t last, Backoff& backoff) {
  std::vector<coordination::ReadRequest> requests;
  for (int64_t n = first; n <= last; ++n) requests.push_back({.path = RecordPath(key, n)});
  auto replies = PK_TRY(ReadUntilKnown(sessions, requests, backoff));
  std::vector<RecordNode> records;
  for (size_t i = 0; i < replies.size(); ++i) {
    if (!replies[i].ok()) return std::optional<std::vector<RecordNode>>();
    records.push_back(PK_TRY(DecodeRecord(replies[i]->node.value).With(requests[i].path)));
  }
  return std::optional(std::move(records));
}

}  // namespace

Result<KnownRecords::View> KnownRecords::Learn(coordination::SessionSource& sessions,
                                               std::string_view key, const ReadHead& head,
                                               int64_t since, Backoff& backoff) {
  const int64_t lowest = std::max(since + 1, head.node.floor);
  if (!MakeRoom(lowest, head.node)) {
    // Others need what is known, and it lies elsewhere.
    return std::make_shared<KnownRecords>()->Learn(sessions, key, head, since, backoff);
  }
  View view;
  view.pin_ = std::shared_ptr<const View::Pin>(new View::Pin{shared_from_this(), lowest});
  view.cover_ = head.node.floor <= since + 1 ? Cover::kAll : Cover::kKept;
  while (const auto range = Missing(lowest, head.node.version)) {
    auto records = PK_TRY(Read(sessions, key, range->first, range->second, backoff));
    if (!records) view.cover_ = Cover::kGone;
    if (!records) break;
    Add(*range, *std::move(records));
  }
  return view;
}

// Pins the versions from `lowest` on, unless what is known has to stay and lies apart from them.
bool KnownRecords::MakeRoom(int64_t lowest, const HeadNode& head) {
  std::lock_guard lock(mutex_);
  floor_ = std::max(floor_, head.floor);
  const bool before = !versions_.empty() && head.version + 1 < first_;
  const bool behind = versions_.empty() || lowest > last() + 1;
  const bool fill = !versions_.empty() && IsWide() && last() + 1 >= head.floor;
  if (before || (behind && !fill && !pinned_.empty())) return false;
  if (behind && !fill) {
    versions_.clear();
    places_.clear();
    first_ = lowest;
  }
  if (head.version - lowest >= int64_t(kMostRemembered))
    wide_at_ = std::max(wide_at_, head.version);
  pinned_.insert(lowest);
  return true;
}

// What to read next, beside what is known.
std::optional<KnownRecords::Range> KnownRecords::Missing(int64_t lowest, int64_t highest) {
  std::lock_guard lock(mutex_);
  if (lowest > highest) return std::nullopt;
  if (lowest < first_) return Range{std::max(lowest, first_ - kRecordsPerRead), first_ - 1};
  if (highest <= last()) return std::nullopt;
  return Range{last() + 1, std::min(last() + kRecordsPerRead, highest)};
}

void KnownRecords::Add(Range range, std::vector<RecordNode> records) {
  std::lock_guard lock(mutex_);
  const auto take = [](RecordNode& record) {
    return Version{std::move(record.metadata_location), std::move(record.commits)};
  };
  // Unless somebody else was faster.
  if (range.first == last() + 1) {
    for (RecordNode& record : records) {
      versions_.push_back(take(record));
      Index(last());
    }
  } else if (range.second == first_ - 1) {
    for (size_t i = records.size(); i-- > 0;) {
      versions_.push_front(take(records[i]));
      Index(--first_);
    }
  }
}

void KnownRecords::Index(int64_t version) {
  const auto& commits = versions_[size_t(version - first_)].commits;
  for (size_t i = 0; i < commits.size(); ++i) {
    Place& place = places_.try_emplace(commits[i].id, Place{version, i}).first->second;
    if (place.version > version) place = {version, i};
  }
}

void KnownRecords::Learn(int64_t version, const RecordNode& record) {
  std::lock_guard lock(mutex_);
  if (version != last() + 1) return;
  versions_.push_back({record.metadata_location, record.commits});
  Index(version);
}

std::optional<Outcome> KnownRecords::Find(const Uuid& id) {
  std::lock_guard lock(mutex_);
  const auto found = places_.find(id);
  if (found == places_.end()) return std::nullopt;
  const Version& version = versions_[size_t(found->second.version - first_)];
  return Outcome{found->second.version, version.metadata_location,
                 version.commits[found->second.commit]};
}

void KnownRecords::Unpin(int64_t lowest) {
  std::lock_guard lock(mutex_);
  pinned_.erase(pinned_.find(lowest));
  Trim();
}

void KnownRecords::Trim() {
  const auto too_many = [&] {
    return first_ < floor_ || places_.size() > kMostIds ||
           (versions_.size() > kMostRemembered && !IsWide());
  };
  while (!versions_.empty() && too_many() && (pinned_.empty() || first_ < *pinned_.begin())) {
    for (const RecordedCommit& commit : versions_.front().commits) {
      const auto found = places_.find(commit.id);
      if (found != places_.end() && found->second.version == first_) places_.erase(found);
    }
    versions_.pop_front();
    ++first_;
  }
}

std::shared_ptr<KnownRecords> RecordsByTable::Of(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto& found = records_[key];
  if (found == nullptr) found = std::make_shared<KnownRecords>();
  const std::shared_ptr<KnownRecords> wanted = found;
  if (records_.size() > kTablesRemembered) {
    std::erase_if(records_, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  return wanted;
}

}  // namespace pk::catalog
