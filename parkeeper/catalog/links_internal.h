#pragma once

// Links (links.h) on their way from whoever gives them, through an entry, into a round.

#include <boost/json/fwd.hpp>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/links.h"

namespace pk::catalog {

// kInvalidArgument: no round could carry them out.
Result<> CheckLinks(const CommitLinks& links);

coordination::Transaction ToTransaction(const std::vector<coordination::Operation>& operations);

// The member "links" of an entry (docs/znodes.md). What DecodeLinks() gives passes CheckLinks().
boost::json::object EncodeLinks(const CommitLinks& links);
Result<CommitLinks> DecodeLinks(const boost::json::object& object);

}  // namespace pk::catalog
