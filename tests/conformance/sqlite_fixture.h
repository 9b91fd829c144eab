#pragma once

// The embedded back end as a CoordinatorFixture: each Coordinator as a process of its own would be.

#include "parkeeper/coordination_sqlite/database_internal.h"
#include "parkeeper/coordination_sqlite/folder_internal.h"
#include "parkeeper/coordination_sqlite/opened_internal.h"
#include "parkeeper/coordination_sqlite/tree_internal.h"
#include "tests/conformance/coordinator_contract_fixture.h"
#include "tests/support/temp_folder.h"

namespace pk::coordination {

class SqliteFixture final : public CoordinatorFixture {
 public:
  std::unique_ptr<Coordinator> Connect() override { return OpenOrDie(folder_.path()); }

  // What another process does when the heartbeat is too old.
  void ExpireSession(Coordinator& coordinator) override {
    EXPECT_THAT(EndSession(coordinator.session().id()), testing::IsOk());
  }

 private:
  Result<> EndSession(uint64_t session) {
    auto connection = PK_TRY(sqlite::Connection::Open(sqlite::FolderFiles(folder_.path()).database,
                                                      false, std::chrono::seconds(10)));
    auto step =
        PK_TRY(sqlite::SqlTransaction::Begin(*connection, sqlite::SqlTransaction::Kind::kWrite));
    sqlite::TreeWriter tree(*connection, 0, PK_TRY(sqlite::NextZxid(*connection)), 0);
    PK_TRY(tree.EndSession(session));
    return step.Commit();
  }

  testing::TempFolder folder_;
};

}  // namespace pk::coordination
