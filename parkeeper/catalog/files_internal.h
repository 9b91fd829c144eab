#pragma once

// The catalog's files in storage: metadata and manifest lists, which never change once written, and
// a small cache of what they hold.

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "parkeeper/base/result.h"
#include "parkeeper/base/retry.h"
#include "parkeeper/catalog/snapshot_internal.h"
#include "parkeeper/iceberg/data_file.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/storage/storage.h"

namespace pk::catalog {

// The most recently used values by location. Thread-safe.
template <class T>
class LocationCache {
 public:
  explicit LocationCache(size_t most) : most_(most) {}

  std::shared_ptr<const T> Find(const std::string& location) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(location);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->second;
  }

  void Put(const std::string& location, std::shared_ptr<const T> value) {
    std::lock_guard lock(mutex_);
    if (places_.contains(location)) return;
    entries_.emplace_front(location, std::move(value));
    places_[location] = entries_.begin();
    if (entries_.size() > most_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
  }

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const T>>;
  const size_t most_;
  std::mutex mutex_;
  std::list<Entry> entries_;
  std::unordered_map<std::string, typename std::list<Entry>::iterator> places_;
};

// Thread-safe. Memory: what at most 64 metadata files and 64 manifest lists hold, and 32 MB of
// small manifests.
class MetadataFiles {
 public:
  MetadataFiles(storage::Storage& storage, int write_threads)
      : storage_(storage), write_threads_(write_threads) {}

  storage::Storage& storage() { return storage_; }
  // For work on several files at once.
  int threads() const { return write_threads_; }

  Result<std::shared_ptr<const iceberg::TableMetadata>> Load(const std::string& location);
  // Manifests of a snapshot; none for a null one.
  Result<std::shared_ptr<const std::vector<iceberg::ManifestFile>>> LoadManifests(
      const iceberg::Snapshot* snapshot);

  // The bytes of a manifest; small ones that we wrote are remembered.
  Result<std::shared_ptr<const std::string>> LoadManifest(const std::string& location);
  void RememberManifest(const std::string& location, const std::string& bytes);

  // All files durable, or an error; written in parallel. What was written before the error is
  // removed: nobody else can know it yet.
  Result<> Write(const std::vector<NewFile>& files, Backoff& backoff);
  // Files of our own that can be in no table; what cannot be removed now is left to orphan removal,
  // and the log says so.
  void Discard(const std::vector<NewFile>& files);

  // Remembers what a file of this name holds, or will once it is written.
  void Remember(const std::string& location,
                std::shared_ptr<const iceberg::TableMetadata> metadata);
  void Remember(const std::string& manifest_list, std::vector<iceberg::ManifestFile> manifests);
  // What is remembered of the metadata at `location`, else null.
  std::shared_ptr<const iceberg::TableMetadata> Remembered(const std::string& location) {
    return metadata_.Find(location);
  }

 private:
  storage::Storage& storage_;
  const int write_threads_;
  LocationCache<iceberg::TableMetadata> metadata_{64};
  LocationCache<std::vector<iceberg::ManifestFile>> manifests_{64};
  static constexpr size_t kSmallManifest = 65'536;
  LocationCache<std::string> small_manifests_{512};
};

// Says in the log that work failed for which nobody waits: a warning, unless something is only out
// of reach for now.
void LogFailure(std::string_view what, const Error& error);

// "<table>/metadata/00007-<uuid>.metadata.json"
std::string MetadataLocation(const iceberg::TableMetadata& metadata, int64_t version,
                             IdSource& ids);

}  // namespace pk::catalog
