#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "parkeeper/catalog/catalog.h"
#include "parkeeper/catalog/commit_internal.h"
#include "parkeeper/catalog/table_commits_internal.h"

namespace pk::catalog {

// The Catalog over a coordinator and a storage.
class CoordinatedCatalog final : public Catalog {
 public:
  CoordinatedCatalog(coordination::SessionSource& sessions, storage::Storage& storage,
                     CatalogOptions options)
      : sessions_(sessions),
        files_(storage, options.write_threads),
        options_(options),
        context_{sessions_, files_, records_, options_} {}

  // Makes the layout when the coordinator is empty; refuses a newer one.
  Result<> EnsureLayout();

  Result<> CreateNamespace(const Namespace& ns, const Properties& properties) override;
  Result<Properties> LoadNamespace(const Namespace& ns) override;
  Result<> UpdateNamespace(const Namespace& ns, const Properties& set,
                           const std::vector<std::string>& remove) override;
  Result<> DropNamespace(const Namespace& ns) override;
  Result<Page<Namespace>> ListNamespaces(const Namespace& parent, const PageRequest& page) override;

  Result<LoadedTable> CreateTable(const TableName& name, const NewTableRequest& request) override;
  Result<LoadedTable> StageTable(const TableName& name, const NewTableRequest& request) override;
  Result<LoadedTable> CreateStaged(const LoadedTable& staged) override;
  Result<LoadedTable> RegisterTable(const TableName& name,
                                    const std::string& metadata_location) override;
  Result<LoadedTable> LoadTable(const TableName& name) override;
  Result<Page<TableName>> ListTables(const Namespace& ns, const PageRequest& page) override;
  Result<> RenameTable(const TableName& from, const TableName& to) override;
  Result<> DropTable(const TableName& name, bool purge) override;
  Result<CommitResult> Commit(const std::string& table_key, const iceberg::TableCommit& commit,
                              CommitId id) override;
  Result<LinkedResult> CommitLinked(const std::string& table_key,
                                    const iceberg::TableCommit& commit, CommitId id,
                                    const coordination::Transaction& with,
                                    const CommitLinks& links) override;
  Result<int64_t> DriveQueue(const std::string& table_key) override;
  Result<MultiCommitResult> CommitAll(const MultiTableCommit& commit, CommitId id) override;
  Result<std::unique_ptr<Feed>> Follow(const std::string& table_key,
                                       const FeedStart& start) override;
  Result<std::vector<std::string>> CheckPointers(const LoadedTable& table) override;

 private:
  // The name node and its version; kNotFound says whether the table or its namespace is missing.
  struct ReadName {
    NameNode node;
    int32_t version = 0;
  };
  Result<ReadName> LoadName(const TableName& name, Backoff& backoff);
  Result<std::optional<coordination::Node>> FindNode(const std::string& path, Backoff& backoff);
  // kNotFound names the namespace; kAlreadyExists the table.
  Result<> CheckNameIsFree(const TableName& name, Backoff& backoff);
  Result<> EnsureBucket(const TableName& name, Backoff& backoff);
  // Makes head, queue, records and name of a table whose metadata is durable.
  Result<LoadedTable> Publish(const TableName& name, const std::string& key,
                              const std::string& metadata_location,
                              std::shared_ptr<const iceberg::TableMetadata> metadata,
                              Backoff& backoff);
  // A table or namespace in it, for a message; nullopt: it is empty or gone.
  Result<std::optional<std::string>> SomethingIn(const Namespace& ns);

  // kInvalidArgument: it is no table key.
  Result<std::shared_ptr<TableCommits>> CommitsOf(const std::string& table_key);

  coordination::SessionSource& sessions_;
  MetadataFiles files_;
  RecordsByTable records_;
  const CatalogOptions options_;
  const CommitContext context_;
  std::mutex mutex_;                                              // of commits_
  std::map<std::string, std::shared_ptr<TableCommits>> commits_;  // by table key
};

// Removes every file that the table's snapshots and metadata name. Call it only when no head names
// the metadata any more. Removes the metadata file last, so that an interrupted purge can be done
// again.
Result<> PurgeFiles(MetadataFiles& files, const std::string& metadata_location);

// Removes what is left in the coordinator of tables that were dropped over a day before the table
// `key`, which was dropped just now: of some of those in the same bucket. Keys are random, so as
// many go in the long run as come. What cannot be removed now is left to the next drop.
void SweepTombstones(const CommitContext& context, const std::string& key);

}  // namespace pk::catalog
