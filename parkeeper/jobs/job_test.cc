#include "parkeeper/jobs/job.h"

#include <gtest/gtest.h>

#include <set>

#include "parkeeper/jobs/seen.h"
#include "tests/support/matchers.h"

namespace pk::jobs {
namespace {

using testing::IsError;
using testing::IsErrorWith;
using testing::IsOk;

datafile::InputOptions SomeInput() {
  datafile::InputOptions input{.format = datafile::InputFormat::kCsv, .row_groups = {}};
  input.delimiter = ';';
  input.header = false;
  return input;
}

Job SomeJob(JobPlan plan, std::vector<std::string> parts) {
  return {.id = SystemIds().NewUuid7(SystemClock()),
          .queue = "q",
          .state = JobState::kCancelling,
          .table = "ns.t",
          .table_key = "k1",
          .plan = std::move(plan),
          .most_failures = 3,
          .within = std::chrono::seconds(7),
          .parts = parts,
          .count = int64_t(parts.size())};
}

Job SomeIngest() {
  return SomeJob(IngestPlan{.input = SomeInput()}, {"/a.csv", "/b \"quoted\".csv"});
}

TransformPlan SomeTransform() {
  return {.sql = "select 'é' from a.b join c.d using (x)",
          .inputs = {{.name = {"a", "b"}, .key = "k2", .snapshot_id = int64_t{1} << 62},
                     {.name = {"c", "d"}, .key = "k3", .snapshot_id = {}}},
          .split = 1};
}

RefreshPlan SomeRefresh() {
  return {.name = "daily",
          .sql = "select 1",
          .inputs = {{.name = {"a", "b"}, .key = "k2"},
                     {.name = {"c", "d"}, .key = "k3", .incremental = false}},
          .keep = true};
}

TEST(Job, SaysTheSameInItsNode) {
  FollowFilesPlan follow{.patterns = {"/in/*.csv"}, .input = SomeInput()};
  follow.settled = std::chrono::milliseconds(77);
  for (const Job& job :
       {SomeIngest(), SomeJob(follow, {""}), SomeJob(SomeTransform(), {"a", "b"}),
        SomeJob(SomeRefresh(), {""}), SomeJob(CompactPlan{.target_file_bytes = 9}, {"{}"})}) {
    const auto read = DecodeJob(job.id, Encode(job));
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(*read, job);
  }
  Job job = SomeIngest();
  job.parts.clear();
  job.parts_in_file = true;
  const auto read = DecodeJob(job.id, Encode(job));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, job);
}

TEST(Job, SaysTheSameInTheBodyOfATask) {
  const JobTaskBody body{.job = SystemIds().NewUuid7(SystemClock()), .part = "/a \"b\".csv"};
  const auto read = DecodeJobTaskBody(Encode(body));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, body);
  EXPECT_THAT(DecodeJobTaskBody("{}"), IsError(ErrorCode::kCorrupt));
}

TEST(Job, HasALastTaskWhenAllIsCommittedAtOnce) {
  TransformPlan plan = SomeTransform();
  EXPECT_EQ(SomeJob(plan, {"a", "b"}).tasks(), 2);
  plan.at_once = true;
  EXPECT_EQ(SomeJob(plan, {"a", "b"}).tasks(), 3);
  plan.at_once = false;
  plan.overwrite = true;
  EXPECT_EQ(SomeJob(plan, {"a", "b"}).tasks(), 3);
  plan.split.reset();
  EXPECT_EQ(SomeJob(plan, {""}).tasks(), 1);
}

TEST(Job, OfAKindThatIsNotKnownIsRefused) {
  EXPECT_THAT(DecodeJob({}, R"({"kind": "dance", "plan": {}})"), IsError(ErrorCode::kUnsupported));
}

TEST(Job, HasTaskIdsOfItsOwnThatFollowFromIt) {
  SeededIds ids(7);
  const Uuid job = ids.NewUuid7(SystemClock());
  const Uuid other = ids.NewUuid7(SystemClock());
  std::set<Uuid> seen;
  for (int64_t i = 0; i < 1'000; ++i) {
    const Uuid id = TaskIdOf(job, i);
    EXPECT_EQ(id, TaskIdOf(job, i));
    EXPECT_EQ(id.UnixMs(), job.UnixMs());
    EXPECT_EQ(id.bytes[6] >> 4, 7);
    EXPECT_EQ(id.bytes[8] >> 6, 2);
    seen.insert(id);
    seen.insert(TaskIdOf(other, i));
  }
  EXPECT_EQ(seen.size(), 2'000);
}

TEST(Job, RefusesSourcesThatWorkersCannotFind) {
  Job job = SomeIngest();
  EXPECT_THAT(Validate(job), IsOk());
  job.parts = {};
  EXPECT_THAT(Validate(job), IsError(ErrorCode::kInvalidArgument));
  job.parts = {"a.csv"};
  EXPECT_THAT(Validate(job), IsErrorWith(ErrorCode::kInvalidArgument, "must be absolute: 'a.csv'"));
  job.parts = {"/a.csv", "/a.csv"};
  EXPECT_THAT(Validate(job), IsErrorWith(ErrorCode::kInvalidArgument, "named twice"));
  job.parts = {"/\xff.csv"};
  EXPECT_THAT(Validate(job), IsErrorWith(ErrorCode::kInvalidArgument, "UTF-8"));
}

TEST(Job, RefusesADelimiterThatJsonCannotHold) {
  for (const char delimiter : {'\xe9', '"', '\n', '\0'}) {
    Job job = SomeIngest();
    std::get<IngestPlan>(job.plan).input.delimiter = delimiter;
    EXPECT_THAT(Validate(job), IsErrorWith(ErrorCode::kInvalidArgument, "delimiter"));
  }
}

TEST(Job, RefusesAnIncrementalTransformOfNothing) {
  RefreshPlan plan = SomeRefresh();
  EXPECT_THAT(Validate(SomeJob(plan, {""})), IsOk());
  plan.inputs[0].incremental = false;
  EXPECT_THAT(Validate(SomeJob(plan, {""})), IsErrorWith(ErrorCode::kInvalidArgument, "one table"));
  plan.inputs[0].incremental = true;
  plan.name = "";
  EXPECT_THAT(Validate(SomeJob(plan, {""})), IsErrorWith(ErrorCode::kInvalidArgument, "name"));
}

TEST(Job, MarksAFileByPathSizeTimeAndTable) {
  const SourceIdentity source{.path = "/a", .size = 12, .modified_ns = 3};
  const std::string path = MarkerPath("k", source);
  EXPECT_EQ(path, MarkerPath("k", source));
  std::set<std::string> others = {
      MarkerPath("l", source),
      MarkerPath("k", {.path = "/b", .size = 12, .modified_ns = 3}),
      MarkerPath("k", {.path = "/a", .size = 1, .modified_ns = 3}),
      MarkerPath("k", {.path = "/a", .size = 12, .modified_ns = 4}),
      MarkerPath("k", {.path = "/a", .size = 1, .modified_ns = 23}),
  };
  EXPECT_EQ(others.size(), 5);
  EXPECT_FALSE(others.contains(path));
}

}  // namespace
}  // namespace pk::jobs
