#pragma once

// What the records of one table say of commit ids, as far as this process has read them.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/nodes_internal.h"
#include "parkeeper/catalog/round_internal.h"

namespace pk::catalog {

// The outcome of a commit id: what the first record naming it says.
struct Outcome {
  int64_t version = 0;  // of that record
  std::string metadata_location;
  RecordedCommit commit;
};

// The records of the versions [first, last], without a gap: the latest 4,096; of all that are kept,
// while somebody asks for so old ones every now and then, so that each is read once. At most some
// 500,000 ids, of 150 bytes. Made by make_shared. Thread-safe; holds no mutex while it reads.
class KnownRecords : public std::enable_shared_from_this<KnownRecords> {
 public:
  enum class Cover {
    kAll,   // every record after `since`, up to the head's
    kKept,  // of these only those from the head's floor on: the others are swept
    kGone,  // some that the head says are kept are not: it has moved, or the table is being removed
  };
  // What was asked for, which is not forgotten while this or a copy of it is there.
  class View {
   public:
    Cover cover() const { return cover_; }
    // nullopt when no known record names the id.
    std::optional<Outcome> Find(const Uuid& id) const { return pin_->records->Find(id); }

   private:
    friend class KnownRecords;
    struct Pin {
      ~Pin() { records->Unpin(lowest); }
      const std::shared_ptr<KnownRecords> records;
      const int64_t lowest;
    };
    std::shared_ptr<const Pin> pin_;
    Cover cover_ = Cover::kAll;
  };

  // Reads what is missing of the records after `since`. O(records not read before).
  Result<View> Learn(coordination::SessionSource& sessions, std::string_view key,
                     const ReadHead& head, int64_t since, Backoff& backoff);
  // Takes in the record that we made ourselves, when it is the next one.
  void Learn(int64_t version, const RecordNode& record);

 private:
  static constexpr size_t kMostRemembered = 4'096;
  static constexpr size_t kMostIds = 500'000;

  struct Version {
    std::string metadata_location;
    std::vector<RecordedCommit> commits;
  };
  struct Place {
    int64_t version = 0;
    size_t commit = 0;
  };
  using Range = std::pair<int64_t, int64_t>;  // first and last version

  bool MakeRoom(int64_t lowest, const HeadNode& head);
  std::optional<Range> Missing(int64_t lowest, int64_t highest);
  void Add(Range range, std::vector<RecordNode> records);
  void Index(int64_t version);
  void Unpin(int64_t lowest);
  void Trim();
  std::optional<Outcome> Find(const Uuid& id);

  int64_t last() const { return first_ + int64_t(versions_.size()) - 1; }
  bool IsWide() const { return last() - wide_at_ <= int64_t(kMostRemembered); }

  std::mutex mutex_;  // of all below
  int64_t first_ = 1;
  std::deque<Version> versions_;
  std::map<Uuid, Place> places_;
  std::multiset<int64_t> pinned_;  // the lowest version of each view
  int64_t floor_ = 0;              // the highest of the heads seen
  // The last version when somebody asked for more than the latest ones.
  int64_t wide_at_ = -int64_t(kMostRemembered) - 1;
};

// Of each table that this process commits to. Thread-safe.
class RecordsByTable {
 public:
  // Those that nobody holds are forgotten once there are many.
  std::shared_ptr<KnownRecords> Of(const std::string& key);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<KnownRecords>> records_;
};

}  // namespace pk::catalog
