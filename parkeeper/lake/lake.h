#pragma once

// Lake: what a program opens first. Wires a coordinator, a storage and a catalog together from one
// URL; the rules live in the layers below, which it hands out.
//
//   auto lake = Lake::Open("./lake");
//   lake->catalog().CreateNamespace(...);
//
// Thread-safe. Everything obtained from a Lake ends before it.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "parkeeper/base/result.h"
#include "parkeeper/catalog/catalog.h"
#include "parkeeper/coordination/session_source.h"
#include "parkeeper/storage/storage.h"
#include "parkeeper/table/append.h"

namespace pk::lake {

struct LakeOptions {
  std::chrono::milliseconds session_timeout = std::chrono::seconds(10);
  // There must be a lake already; otherwise an empty one is made.
  bool must_exist = false;
  // Stands between the lake and its files: everything goes through what it returns, which uses the
  // given storage. For tests and measurements, as with storage/faulty.h.
  std::function<std::unique_ptr<storage::Storage>(storage::Storage&)> wrap_storage = {};
};

class Lake {
 public:
  // `url`:
  //   ./dir, /dir, file:///dir   a folder: data in it, the embedded coordinator in its .parkeeper/
  //   memory://NAME              in this process, gone with its last Lake of this name
  //   zk://host:port,.../chroot?warehouse=file:///dir, zks://   on a ZooKeeper ensemble, see
  //                              zookeeper_url.h; the warehouse is remembered at the first use
  // kInvalidArgument for another form; kFailedPrecondition for another warehouse than remembered;
  // else the errors of OpenSqlite, OpenZooKeeper, OpenLocal and OpenCatalog.
  static Result<std::unique_ptr<Lake>> Open(std::string_view url, LakeOptions options = {});

  virtual ~Lake() = default;
  virtual const std::string& url() const = 0;
  virtual catalog::Catalog& catalog() = 0;
  virtual storage::Storage& storage() = 0;
  virtual coordination::SessionSource& sessions() = 0;
};

// A session on the coordinator of the lake alone, for tools that look at its nodes; the lake's own
// nodes are not made. Errors as of Lake::Open.
Result<std::unique_ptr<coordination::Coordinator>> OpenCoordinator(std::string_view url,
                                                                   LakeOptions options = {});

struct AppendResult {
  catalog::Committed committed;
  int64_t rows = 0;
  int64_t files = 0;
  int64_t bytes = 0;
};

// All rows of the sources as one commit to the table: written, then committed, whole or not at all.
// When the commit is definitely rejected the files are removed and the error is kConflict with the
// reason; when its outcome is not known (kOutcomeUnknown) they stay.
Result<AppendResult> Append(Lake& lake, const catalog::LoadedTable& table,
                            const table::NextSource& next, const table::AppendOptions& options);

// The second half of it: files that table::WriteDataFiles made for `table` as one commit.
Result<AppendResult> CommitFiles(Lake& lake, const catalog::LoadedTable& table,
                                 table::AppendedFiles written);

}  // namespace pk::lake
