// JSON of compaction groups.

#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/iceberg/encoded_value.h"
#include "parkeeper/table/compact.h"

namespace pk::table {
namespace {

namespace bj = boost::json;

// The folder, slash included, that all of them lie in; "" when there is none.
std::string_view FolderOf(const std::vector<CompactionFile>& files) {
  if (files.empty()) return {};
  std::string_view folder = files.front().location;
  folder = folder.substr(0, folder.rfind('/') + 1);
  for (const CompactionFile& file : files) {
    while (!file.location.starts_with(folder)) {
      folder.remove_suffix(1);
      folder = folder.substr(0, folder.rfind('/') + 1);
    }
  }
  return folder;
}

}  // namespace

std::string ToJson(const CompactionGroup& group) {
  const std::string_view folder = FolderOf(group.files);
  bj::array partition, files;
  for (const auto& value : group.partition) partition.emplace_back(iceberg::EncodeValue(value));
  for (const CompactionFile& file : group.files) {
    files.push_back(bj::array{file.location.substr(folder.size()), file.bytes, file.rows});
  }
  return bj::serialize(bj::object{{"spec-id", group.spec_id},
                                  {"partition", std::move(partition)},
                                  {"folder", folder},
                                  {"files", std::move(files)}});
}

Result<CompactionGroup> ParseCompactionGroup(std::string_view text) {
  const bj::value json = PK_TRY(json::Parse(text));
  const bj::object& object = *PK_TRY(json::AsObject(json, "compaction group"));
  CompactionGroup group;
  group.spec_id = PK_TRY(json::Int32(object, "spec-id"));
  for (const bj::value& value : *PK_TRY(json::Array(object, "partition"))) {
    group.partition.push_back(
        PK_TRY(iceberg::DecodeValue(PK_TRY(json::AsString(value, "partition")))));
  }
  const std::string folder = PK_TRY(json::String(object, "folder"));
  for (const bj::value& value : *PK_TRY(json::Array(object, "files"))) {
    const bj::array* file = value.if_array();
    PK_CHECK(file != nullptr && file->size() == 3,
             Corrupt("a file of a compaction group is not location, bytes and rows"));
    auto& added = group.files.emplace_back();
    added.location = folder + PK_TRY(json::AsString((*file)[0], "location"));
    added.bytes = PK_TRY(json::AsInt64((*file)[1], "bytes"));
    added.rows = PK_TRY(json::AsInt64((*file)[2], "rows"));
  }
  return group;
}

}  // namespace pk::table
