#include "parkeeper/catalog/group_internal.h"

#include <algorithm>
#include <utility>

#include "parkeeper/catalog/merge_internal.h"
#include "parkeeper/catalog/snapshot_internal.h"

namespace pk::catalog {

using iceberg::AppendFiles;
using iceberg::ManifestFile;
using iceberg::RowDelta;
using iceberg::TableMetadata;
using iceberg::UpdateTable;

namespace {

// Of the commit alone, so that others in its group go on.
bool IsRejection(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kConflict:
    case ErrorCode::kUnsupported:
    // What its branch stands on cannot be read; a commit that mends the branch may be behind it.
    case ErrorCode::kNotFound:
    case ErrorCode::kCorrupt:
      return true;
    default:
      return false;
  }
}

// The oldest snapshots beyond the table's most, without those that a branch or tag names. No more
// than were added: a table that came with a longer history keeps it.
std::vector<int64_t> TooMany(const TableMetadata& metadata, size_t before) {
  const int64_t most = NumberProperty(metadata, "commit.max-snapshots", 1'000);
  const int64_t now = int64_t(metadata.snapshots.size());
  const int64_t over = most <= 0 ? 0 : std::min(now - most, now - int64_t(before));
  std::vector<int64_t> ids;
  for (const auto& snapshot : metadata.snapshots) {
    if (int64_t(ids.size()) >= over) break;
    const bool named = std::ranges::any_of(metadata.refs, [&](const auto& ref) {
      return ref.second.snapshot_id == snapshot->snapshot_id;
    });
    if (!named) ids.push_back(snapshot->snapshot_id);
  }
  return ids;
}

// What the log of `before` names and that of `after` does not, of a table that wants it removed.
std::vector<NewFile> Forgotten(const TableMetadata& before, const TableMetadata& after) {
  std::vector<NewFile> forgotten;
  if (after.Property("write.metadata.delete-after-commit.enabled", "false") != "true") return {};
  // They may be of another table as well, as of one that was registered from its metadata.
  if (after.Property("gc.enabled", "true") == "false") return {};
  for (const iceberg::MetadataLogEntry& entry : before.metadata_log) {
    const bool kept = std::ranges::any_of(after.metadata_log, [&](const auto& each) {
      return each.metadata_file == entry.metadata_file;
    });
    if (!kept) forgotten.push_back({entry.metadata_file, ""});
  }
  return forgotten;
}

// The steps as one of the judgements of a commit.
Result<> CheckSteps(const std::vector<iceberg::PropertyStep>& steps,
                    const TableMetadata& metadata) {
  PK_TRY(iceberg::Validate(steps));
  return iceberg::Check(steps, metadata);
}

std::optional<int64_t> AddedSnapshot(const UpdateTable& update) {
  std::optional<int64_t> id;
  for (const iceberg::TableUpdate& change : update.updates) {
    const auto* added = std::get_if<iceberg::AddSnapshot>(&change);
    if (added != nullptr) id = added->snapshot->snapshot_id;
  }
  return id;
}

}  // namespace

Group::Group(MetadataFiles& files, std::shared_ptr<const TableMetadata> base, std::string location,
             int64_t version, Clock& clock, IdSource& ids)
    : files_(files),
      base_(std::move(base)),
      base_location_(std::move(location)),
      version_(version),
      clock_(clock),
      ids_(ids),
      state_(*base_) {}

Result<size_t> Group::Add(const iceberg::TableCommit& commit) {
  const size_t place = built_.outcomes.size();
  built_.outcomes.emplace_back(AppliedInGroup{});
  if (std::holds_alternative<AppendFiles>(commit.change)) {
    PK_TRY(AddToRun({place, &commit}));
  } else {
    PK_TRY(AddAlone(place, commit));
  }
  return place;
}

bool Group::FitsRun(const Append& append) const {
  if (!append.makes_snapshot() || !run_branch_) return true;
  if (append.files().branch != *run_branch_) return false;
  // What a writer says of its snapshot, such as how far it has come, is not overwritten.
  return std::ranges::all_of(append.files().summary, [&](const auto& member) {
    const auto found = run_summary_.find(member.first);
    return found == run_summary_.end() || found->second == member.second;
  });
}

Result<> Group::AddToRun(const Append& append) {
  if (!FitsRun(append)) PK_TRY(EndRun());
  const auto judge = [&]() -> Result<> {
    PK_TRY(CheckSteps(append.commit->properties, state_));
    return CheckAppend(append.files(), state_);
  };
  Result<> fits = judge();
  // Rejected only for what is there: those that have set the properties may yet be rejected.
  if (!fits.ok() && state_.properties != properties_before_run_ && !run_.empty()) {
    PK_TRY(EndRun());
    fits = judge();
  }
  if (!fits.ok()) {
    built_.outcomes[append.place] = Rejected{fits.error().message()};
    return {};
  }
  if (run_.empty()) properties_before_run_ = state_.properties;
  iceberg::Apply(append.commit->properties, state_.properties);
  run_.push_back(append);
  if (append.makes_snapshot()) {
    run_branch_ = append.files().branch;
    run_summary_.insert(append.files().summary.begin(), append.files().summary.end());
  }
  return {};
}

Result<> Group::AddAlone(size_t place, const iceberg::TableCommit& commit) {
  PK_TRY(EndRun());
  const auto* delta = std::get_if<RowDelta>(&commit.change);
  Result<> done = CheckSteps(commit.properties, state_);
  if (done.ok()) {
    done = delta != nullptr ? ProduceRowDelta(place, *delta)
                            : ApplyUpdate(place, std::get<UpdateTable>(commit.change));
  }
  if (done.ok()) {
    iceberg::Apply(commit.properties, state_.properties);
    return {};
  }
  if (!IsRejection(done.error())) return done;
  built_.outcomes[place] = Rejected{done.error().message()};
  return {};
}

Result<> Group::ApplyUpdate(size_t place, const UpdateTable& update) {
  for (const iceberg::TableRequirement& requirement : update.requirements) {
    PK_TRY(iceberg::Check(requirement, &state_));
  }
  state_ = PK_TRY(iceberg::Apply(state_, update.updates, clock_.WallMs()));
  changed_ = true;
  built_.outcomes[place] = AppliedInGroup{AddedSnapshot(update)};
  return {};
}

Result<std::vector<ManifestFile>> Group::Manifests(const iceberg::Snapshot& snapshot) const {
  const auto own = lists_.find(snapshot.manifest_list);
  if (own != lists_.end()) return own->second;
  return *PK_TRY(files_.LoadManifests(&snapshot));
}

Result<std::vector<ManifestFile>> Group::LiveManifests(const iceberg::Snapshot* snapshot) const {
  if (snapshot == nullptr) return std::vector<ManifestFile>();
  auto manifests = PK_TRY(Manifests(*snapshot));
  std::erase_if(manifests, [](const ManifestFile& manifest) {
    return manifest.added_files == 0 && manifest.existing_files == 0;
  });
  return manifests;
}

Result<std::shared_ptr<const std::string>> Group::ManifestBytes(const std::string& location) const {
  const auto own = manifests_.find(location);
  if (own == manifests_.end()) return files_.LoadManifest(location);
  return std::make_shared<const std::string>(built_.files[own->second].bytes);
}

Result<> Group::ProduceRun(const std::vector<Append>& run) {
  std::vector<const AppendFiles*> appends;
  std::vector<size_t> places;
  for (const Append& append : run) {
    if (!append.makes_snapshot()) continue;
    appends.push_back(&append.files());
    places.push_back(append.place);
  }
  if (appends.empty()) {
    state_ = PK_TRY(iceberg::Apply(state_, {}, clock_.WallMs()));
    changed_ = true;
    return {};
  }
  PreparedSnapshot prepared = PK_TRY(PrepareAppend(appends, state_, ids_));
  auto present = PK_TRY(LiveManifests(state_.FindRef(prepared.branch).get()));
  return Produce(std::move(prepared), std::move(present), places);
}

Result<> Group::ProduceRowDelta(size_t place, const RowDelta& delta) {
  PK_TRY(CheckRowDelta(delta, state_));
  const auto head = state_.FindRef(delta.branch);
  auto manifests = PK_TRY(LiveManifests(head.get()));
  const BranchView branch{
      .metadata = state_,
      .head = head,
      .manifests = std::move(manifests),
      .list = [this](const iceberg::Snapshot& snapshot) { return Manifests(snapshot); },
      .bytes = [this](const std::string& location) { return ManifestBytes(location); },
      .threads = files_.threads()};
  PreparedRowDelta prepared = PK_TRY(PrepareRowDelta(delta, branch, ids_));
  return Produce(std::move(prepared.snapshot), std::move(prepared.carried), {place});
}

Result<> Group::Produce(PreparedSnapshot prepared, std::vector<ManifestFile> carried,
                        const std::vector<size_t>& places) {
  MergeManifests(files_, state_, prepared.snapshot_id, carried, prepared.files, ids_);
  ProducedSnapshot produced =
      PK_TRY(ProduceSnapshot(prepared, state_, carried, clock_.WallMs(), ids_));
  state_ = PK_TRY(iceberg::Apply(state_, produced.updates, clock_.WallMs()));
  changed_ = true;
  lists_[produced.manifest_list.location] = produced.manifests;
  files_.Remember(produced.manifest_list.location, std::move(produced.manifests));
  for (NewFile& manifest : prepared.files) {
    files_.RememberManifest(manifest.location, manifest.bytes);
    manifests_[manifest.location] = built_.files.size();
    built_.files.push_back(std::move(manifest));
  }
  built_.files.push_back(std::move(produced.manifest_list));
  for (const size_t place : places) built_.outcomes[place] = AppliedInGroup{prepared.snapshot_id};
  return {};
}

Result<> Group::EndRun() {
  const auto run = std::exchange(run_, {});
  run_branch_.reset();
  run_summary_.clear();
  if (run.empty()) return {};
  Result<> done = ProduceRun(run);
  if (done.ok() || !IsRejection(done.error())) return done;
  state_.properties = properties_before_run_;
  if (run.size() == 1) {
    built_.outcomes[run[0].place] = Rejected{done.error().message()};
    return {};
  }
  // One of them is at fault; each for itself, judged again, shows which.
  for (const Append& append : run) {
    PK_TRY(AddToRun(append));
    PK_TRY(EndRun());
  }
  return {};
}

Result<Group::Built> Group::Finish() {
  PK_TRY(EndRun());
  if (!changed_) return std::move(built_);
  if (const auto ids = TooMany(state_, base_->snapshots.size()); !ids.empty()) {
    state_ = PK_TRY(iceberg::Apply(state_, {iceberg::RemoveSnapshots{ids}}, clock_.WallMs()));
  }
  iceberg::AppendMetadataLog(state_, base_location_, base_->last_updated_ms);
  built_.forgotten = Forgotten(*base_, state_);
  built_.metadata_location = MetadataLocation(state_, version_ + 1, ids_);
  built_.files.push_back({built_.metadata_location, iceberg::ToJson(state_)});
  built_.metadata = std::make_shared<const TableMetadata>(std::move(state_));
  return std::move(built_);
}

}  // namespace pk::catalog
