#pragma once

// Feed: what becomes of one table, version by version, as it happens. Catalog::Follow() gives one.
//
// Every version of the table is told once and in order; what was committed before Next() was called
// is told at once. The source are the table's records (docs/znodes.md), which are gapless and kept
// for the catalog's retention. A follower that comes later than that goes on through the snapshots
// of the metadata: one change then stands for many versions (`condensed`). When those snapshots
// have expired too, Next() fails with kFailedPrecondition and says where to begin again; it never
// leaves anything out.
//
// A change waits for its watch, nothing is polled: between commits a feed asks the coordinator for
// nothing. A lost session, a server that dies and a coordinator that is away are no gap: the feed
// goes on from the version that it told last. To go on in another process keep `version` and
// `snapshot_id` of the last change that is done with, and Follow() AfterVersion; once that is too
// old, AfterSnapshot.
//
// The table is followed by its key: a rename changes nothing, and a new table of the same name is
// another one.
//
// Used by one thread at a time; ends before its Catalog. Memory: 32 records and the metadata of two
// versions.

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "parkeeper/base/clock.h"
#include "parkeeper/base/ids.h"
#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/lineage.h"

namespace pk::catalog {

// Where a feed begins.
struct FromNow {};
// With the first snapshot of main.
struct FromStart {};
// `version` is one that the table has.
struct AfterVersion {
  int64_t version = 0;
};
// With the child of this snapshot in the history of main.
struct AfterSnapshot {
  int64_t snapshot_id = 0;
};
using FeedStart = std::variant<FromNow, FromStart, AfterVersion, AfterSnapshot>;

struct FeedChange {
  int64_t version = 0;
  // Stands for all versions since the last change, or since the start of the feed.
  bool condensed = false;
  int64_t time_ms = 0;  // stamped by the coordinator
  std::string metadata_location;
  // False: renamed, or commits were rejected; nothing else is different.
  bool has_new_metadata = false;
  // That the history of main has since this version, oldest first. Of a table that was purged
  // meanwhile only their ids are known.
  iceberg::Snapshots snapshots;
  // Main was rolled back or replaced: snapshots that were told are not in its history any more.
  bool rewound = false;
  std::optional<int64_t> snapshot_id;  // the current one of main; none in a table without rows
  std::vector<Uuid> commits;           // applied by this version, in order; not known of condensed
  bool dropped = false;                // the last change of all
};

class Feed {
 public:
  virtual ~Feed() = default;

  // The next change, waited for until `deadline`: nullopt then. kCancelled when stop is requested;
  // kUnavailable when coordinator or storage was not reached until the deadline; kNotFound once the
  // table is dropped. Nothing is lost by an error: the next call goes on where this one began.
  virtual Result<std::optional<FeedChange>> Next(SteadyTime deadline,
                                                 std::stop_token stop = {}) = 0;

  // That was told last, or after which the feed began.
  virtual int64_t version() const = 0;
};

}  // namespace pk::catalog
