#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "parkeeper/coordination_sqlite/folder_internal.h"

namespace pk::coordination::sqlite {
namespace {

namespace fs = std::filesystem;

// statfs f_type of NFS, SMB (three), 9p, Ceph, Lustre, AFS, Coda, OCFS2, GFS2, GPFS, BeeGFS, NCP,
// VirtualBox shares.
constexpr std::array<uint32_t, 15> kNetworkMagics = {
    0x6969,     0x517B,     0xFF534D42, 0xFE534D42, 0x01021997, 0x00C36400, 0x0BD00BD0, 0x5346414F,
    0x73757245, 0x7461636F, 0x01161970, 0x47504653, 0x19830326, 0x564C,     0x786F4256};

// FUSE is one magic for local and remote file systems; mountinfo names the program behind it.
constexpr std::array<std::string_view, 14> kNetworkPrograms = {
    "fuse.sshfs",   "fuse.s3fs",     "fuse.rclone",    "fuse.gcsfuse", "fuse.goofys",
    "fuse.ceph",    "fuse.davfs",    "fuse.glusterfs", "fuse.juicefs", "fuse.curlftpfs",
    "fuse.seaweed", "fuse.mount-s3", "fuse.blobfuse",  "fuse.mfs"};

std::string SystemError() { return std::generic_category().message(errno); }

// "ext4" or "fuse.sshfs": the type that mountinfo gives for the device of `path`.
std::string MountType(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return "";
  const std::string device = fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // id, parent id, device, root, mount point, options, optional fields, "-", type, ...
    std::istringstream fields(line);
    std::string skipped, of, type;
    fields >> skipped >> skipped >> of;
    const size_t dash = line.find(" - ");
    if (of != device || dash == std::string::npos) continue;
    std::istringstream(line.substr(dash + 3)) >> type;
    return type;
  }
  return "";
}

// The folder itself or the nearest one above it that exists.
Result<std::string> NearestExisting(fs::path path) {
  std::error_code ignored;
  while (!fs::exists(path, ignored) && path.has_relative_path()) path = path.parent_path();
  PK_CHECK(fs::is_directory(path, ignored),
           InvalidArgument(fmt::format("not a folder: {}", path.string())));
  return path.string();
}

Error NotWritable(const std::string& path, std::string_view why) {
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("the coordinator's folder cannot be written: give this user the right "
                           "to write it, or choose another: {} ({})",
                           path, why));
}

Result<> CheckWritable(const std::string& path, int mode) {
  if (faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 || errno == ENOENT) return {};
  return NotWritable(path, SystemError());
}

}  // namespace

Result<FilesystemFacts> ProbeFilesystem(const std::string& path) {
  struct statfs status = {};
  PK_CHECK(statfs(path.c_str(), &status) == 0,
           Unavailable(fmt::format("statfs {}: {}", path, SystemError())));
  return FilesystemFacts{.magic = int64_t(uint32_t(status.f_type)),
                         .type = MountType(path),
                         .read_only = (status.f_flags & ST_RDONLY) != 0,
                         .free_bytes = uint64_t(status.f_bavail) * uint64_t(status.f_bsize)};
}

bool IsNetworkFilesystem(const FilesystemFacts& facts) {
  const auto is_program = [&](std::string_view name) { return facts.type.starts_with(name); };
  return std::ranges::find(kNetworkMagics, uint32_t(facts.magic)) != kNetworkMagics.end() ||
         std::ranges::any_of(kNetworkPrograms, is_program);
}

FolderFiles::FolderFiles(std::string_view path)
    : folder(path),
      database(folder + "/coordinator.db"),
      lock(folder + "/lock"),
      sessions(folder + "/sessions"),
      bell(folder + "/bell") {}

Result<FolderFiles> PrepareFolder(const std::string& folder, const FilesystemProbe& probe) {
  std::error_code failure;
  fs::path path = fs::absolute(folder, failure).lexically_normal();
  PK_CHECK(!failure, InvalidArgument(fmt::format("not a folder: '{}'", folder)));
  if (!path.has_filename()) path = path.parent_path();
  const std::string existing = PK_TRY(NearestExisting(path));
  const FilesystemFacts facts = PK_TRY(probe(existing));
  PK_CHECK(
      !IsNetworkFilesystem(facts),
      FailedPrecondition(fmt::format(
          "the embedded coordinator works on a local disk only, and this folder is on a "
          "network file system: choose a local folder, or coordinate through ZooKeeper "
          "(zk://...): {} is on {}",
          existing, facts.type.empty() ? fmt::format("type {:#x}", facts.magic) : facts.type)));
  PK_CHECK(!facts.read_only, NotWritable(existing, "the file system is mounted read-only"));
  PK_TRY(CheckWritable(existing, W_OK | X_OK));
  FolderFiles files(path.string());
  for (const std::string& file : {files.database, files.lock, files.sessions, files.bell}) {
    PK_TRY(CheckWritable(file, R_OK | W_OK));
  }
  if (fs::create_directories(path, failure)) {
    // From the new folder up to the one that was there: each holds the entry of the one below.
    for (fs::path made = path; made != existing && made.has_relative_path();
         made = made.parent_path()) {
      PK_TRY(SyncFolder(made.parent_path().string()));
    }
  }
  PK_CHECK(!failure, Unavailable(fmt::format("make folder {}: {}", folder, failure.message())));
  return files;
}

Result<> SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  PK_CHECK(fd >= 0, Unavailable(fmt::format("open folder {}: {}", folder, SystemError())));
  const bool synced = fsync(fd) == 0;
  const std::string why = synced ? "" : SystemError();
  close(fd);
  PK_CHECK(synced, Unavailable(fmt::format("synchronise folder {}: {}", folder, why)));
  return {};
}

Result<> CheckFreeSpace(const std::string& path, uint64_t bytes) {
  struct statvfs status = {};
  if (statvfs(path.c_str(), &status) != 0) return {};  // the write itself will tell
  const uint64_t free_bytes = uint64_t(status.f_bavail) * uint64_t(status.f_frsize);
  PK_CHECK(free_bytes >= bytes,
           Unavailable(fmt::format("disk is full: {} bytes left beside {}", free_bytes, path)));
  return {};
}

}  // namespace pk::coordination::sqlite
