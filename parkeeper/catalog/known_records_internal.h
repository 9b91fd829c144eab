#pragma once

// What the records of one table say of commit ids, as far as this process has read them.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
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

// The records of the versions [first, last], without a gap. Not thread-safe.
class KnownRecords {
 public:
  enum class Cover {
    kAll,   // every record after `since`, up to the head's
    kKept,  // of these only those from the head's floor on: the others are swept
    kGone,  // some that the head says are kept are not: it has moved, or the table is being removed
  };
  // Reads what is missing of the records after `since`. O(records not read before).
  Result<Cover> Learn(coordination::SessionSource& sessions, std::string_view key,
                      const ReadHead& head, int64_t since, Backoff& backoff);
  // Takes in the record that we made ourselves, when it is the next one.
  void Learn(int64_t version, const RecordNode& record);
  // Null when no known record names the id. Valid until the next change.
  const Outcome* Find(const Uuid& id) const;

  // Forgets the oldest ones beyond kMostRemembered.
  void Trim();

 private:
  static constexpr size_t kMostRemembered = 4'096;

  struct Version {
    std::vector<Uuid> ids;
  };
  void Put(int64_t version, const RecordNode& record, Version& into);
  Result<bool> Read(coordination::SessionSource& sessions, std::string_view key, int64_t first,
                    int64_t last, std::vector<RecordNode>& into, Backoff& backoff);
  int64_t last() const { return first_ + int64_t(versions_.size()) - 1; }

  int64_t first_ = 1;
  std::deque<Version> versions_;
  std::map<Uuid, Outcome> outcomes_;
};

}  // namespace pk::catalog
