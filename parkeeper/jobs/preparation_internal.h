#pragma once

// What an attempt has to do, as far as it can be said before it is done.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "parkeeper/iceberg/table_commit.h"
#include "parkeeper/jobs/jobs.h"
#include "parkeeper/jobs/produce.h"

namespace pk::jobs {

struct Preparation {
  // There is nothing to do, and why.
  std::optional<std::string> skip = {};
  // Somebody else is about to do it: ask again later, for it is not decided.
  std::optional<std::string> later = {};
  // Of an ingest, as it is before it is read.
  std::optional<SourceIdentity> source = {};
  ProduceRequest request = {};
  // That the commit requires and changes.
  std::vector<iceberg::PropertyStep> properties = {};
};

// `table`: that is written to, as it is now. kUnavailable: later.
Result<Preparation> Prepare(const JobsParts& parts, const Job& job, const std::string& part,
                            const catalog::LoadedTable& table, int64_t memory_bytes);

// How far the inputs of an incremental transform have been read, as the property of its table has
// it. JSON: for each table's key the snapshot; null before its first; and what query that was.
struct Position {
  std::string query;  // QueryOf() of the plan
  std::map<std::string, std::optional<int64_t>> snapshots;
  bool operator==(const Position&) const = default;
};
// A digest of what is read how: a position is of one query and its incremental tables.
std::string QueryOf(const RefreshPlan& plan);
std::string Encode(const Position& position);
Result<Position> DecodePosition(std::string_view text);

// The states of the inputs whose results, one after the other, are the rows that the query has at
// `to` and had not at `from`, for a query that is linear in each incremental input: the new rows of
// the first with the old ones of the others, then the new ones of the second with all of the first
// and the old ones of the others, and so on. Pure. `metadata`: of each input.
std::vector<std::vector<QueryInput>> StatesOfNewRows(const RefreshPlan& plan,
                                                     const std::vector<std::string>& metadata,
                                                     const Position& from, const Position& to);

}  // namespace pk::jobs
