// What needs no server. tests/zookeeper runs real ones.

#include "parkeeper/ensemble/ensemble.h"

#include <gtest/gtest.h>

#include <fstream>

#include "parkeeper/ensemble/server_config.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::ensemble {
namespace {

using testing::IsErrorWith;

ServerState Serving(Role role) {
  return {.id = 1, .pid = 1, .port = 1, .role = role, .report = {}};
}

TEST(Quorum, NeedsALeaderAndMoreThanHalf) {
  const auto has_quorum = [](const std::vector<Role>& roles) {
    EnsembleState state{.connect = {}, .secure_connect = {}, .servers = {}};
    for (const Role role : roles) state.servers.push_back(Serving(role));
    return state.has_quorum();
  };
  EXPECT_TRUE(has_quorum({Role::kStandalone}));
  EXPECT_TRUE(has_quorum({Role::kFollower, Role::kLeader, Role::kDown}));
  EXPECT_FALSE(has_quorum({Role::kLeader, Role::kStarting, Role::kDown}));
  EXPECT_FALSE(has_quorum({Role::kFollower, Role::kFollower, Role::kStarting}));
  EXPECT_FALSE(has_quorum({Role::kFollower, Role::kLeader, Role::kDown, Role::kDown}));
  EXPECT_FALSE(has_quorum({}));
}

TEST(Ensemble, OfAnEmptyFolderIsNotFound) {
  const testing::TempFolder folder;
  EXPECT_THAT(Status(folder.path()), IsErrorWith(ErrorCode::kNotFound, folder.path()));
  EXPECT_THAT(Stop(folder.path()), IsErrorWith(ErrorCode::kNotFound, folder.path()));
}

TEST(Ensemble, DoesNotMoveIntoAFolderInUse) {
  const testing::TempFolder folder;
  std::ofstream(folder / "thesis.tex") << "years of work";
  EXPECT_THAT(Start({.folder = folder.path()}),
              IsErrorWith(ErrorCode::kFailedPrecondition, "thesis.tex"));
}

TEST(Ensemble, KeepsTheSettingsOfItsFirstStart) {
  const testing::TempFolder folder;
  std::ofstream(SettingsFile(folder.path())) << ToJson({.size = 3, .port = 4'000});
  EXPECT_THAT(Start({.folder = folder.path(), .size = 5}),
              IsErrorWith(ErrorCode::kFailedPrecondition, "another size: 3, not 5"));
  EXPECT_THAT(Start({.folder = folder.path(), .port = 5'000}),
              IsErrorWith(ErrorCode::kFailedPrecondition, "another port"));
  EXPECT_THAT(Start({.folder = folder.path(), .superuser_password = "x"}),
              IsErrorWith(ErrorCode::kFailedPrecondition, "another superuser"));
}

TEST(Ensemble, WhoseServersHaveEndedIsDown) {
  const testing::TempFolder folder;
  std::ofstream(SettingsFile(folder.path())) << ToJson({.size = 1, .port = 4'000});
  // Somebody else's process by now.
  std::filesystem::create_directories(ServerFolder(folder.path(), 1));
  std::ofstream(ServerFolder(folder.path(), 1) + "/server.pid") << "1\n";
  PK_ASSERT_OK(const EnsembleState state, Status(folder.path()));
  ASSERT_EQ(state.servers.size(), 1u);
  EXPECT_EQ(state.servers[0].role, Role::kDown);
  EXPECT_EQ(state.servers[0].pid, 0);
  EXPECT_THAT(Stop(folder.path()), testing::IsOk());
}

TEST(Ensemble, HasNoOtherServersThanItsOwn) {
  const testing::TempFolder folder;
  std::ofstream(SettingsFile(folder.path())) << ToJson({.size = 3, .port = 4'000});
  EXPECT_THAT(Stop(folder.path(), {.server = 4}),
              IsErrorWith(ErrorCode::kInvalidArgument, "1 to 3"));
}

}  // namespace
}  // namespace pk::ensemble
