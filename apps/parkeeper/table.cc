#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/file_arguments.h"
#include "parkeeper/base/json.h"
#include "parkeeper/datafile/input.h"
#include "parkeeper/iceberg/partition_spec.h"
#include "parkeeper/iceberg/schema.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;
using catalog::LoadedTable;
using iceberg::TableMetadata;

struct Arguments {
  std::string name, target, schema, like, partition_by, sort_by, location, metadata;
  std::vector<std::string> properties;
  bool purge = false;
};

Result<> Create(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.name));
  PK_CHECK(arguments.schema.empty() != arguments.like.empty(),
           InvalidArgument("give the columns by --schema or by --like FILE, one of them"));
  catalog::NewTableRequest request;
  request.schema = arguments.like.empty()
                       ? PK_TRY(iceberg::ParseSchemaText(arguments.schema).With("--schema"))
                       : PK_TRY(datafile::InferSchema(arguments.like));
  request.spec = PK_TRY(
      iceberg::ParsePartitionText(arguments.partition_by, request.schema).With("--partition-by"));
  request.sort_order =
      PK_TRY(iceberg::ParseSortText(arguments.sort_by, request.schema).With("--sort-by"));
  request.properties = PK_TRY(ParseProperties(arguments.properties));
  request.location = arguments.location;
  const auto lake = PK_TRY(global.OpenLake(false));
  const LoadedTable table = PK_TRY(lake->catalog().CreateTable(name, request));
  if (global.json) {
    return PrintJson(bj::object{{"table", catalog::ToString(name)},
                                {"location", table.metadata->location},
                                {"metadata-location", table.metadata_location}});
  }
  return Print(
      fmt::format("created table {} at {}", catalog::ToString(name), table.metadata->location));
}

Result<> List(const Global& global, const Arguments& arguments) {
  const auto ns = PK_TRY(catalog::ParseNamespace(arguments.name));
  const auto lake = PK_TRY(global.OpenLake());
  bj::array names;
  std::string text;
  catalog::PageRequest request;
  do {
    const auto page = PK_TRY(lake->catalog().ListTables(ns, request));
    for (const auto& table : page.items) {
      names.emplace_back(catalog::ToString(table));
      text += catalog::ToString(table) + "\n";
    }
    request.token = page.next;
  } while (!request.token.empty());
  if (global.json) return PrintJson(bj::object{{"tables", std::move(names)}});
  return text.empty() ? Print("no tables") : Print(text);
}

std::string SpecText(const TableMetadata& metadata) {
  std::string text;
  for (const auto& field : metadata.spec().fields) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} = {}({})", field.name, iceberg::ToString(field.transform),
                        metadata.schema().FullName(field.source_id));
  }
  return text.empty() ? "none" : text;
}

std::string OrderText(const TableMetadata& metadata) {
  std::string text;
  for (const auto& field : metadata.sort_order().fields) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{}({}) {} nulls {}", iceberg::ToString(field.transform),
                        metadata.schema().FullName(field.source_id),
                        field.descending ? "desc" : "asc", field.nulls_first ? "first" : "last");
  }
  return text.empty() ? "none" : text;
}

Result<> DescribeAsJson(const LoadedTable& table) {
  const TableMetadata& metadata = *table.metadata;
  bj::value schema = PK_TRY(json::Parse(iceberg::ToJson(metadata.schema())));
  bj::object object{{"table", catalog::ToString(table.name)},
                    {"key", table.key},
                    {"version", table.version},
                    {"metadata-location", table.metadata_location},
                    {"location", metadata.location},
                    {"uuid", metadata.table_uuid},
                    {"format-version", metadata.format_version},
                    {"schema", std::move(schema)},
                    {"partition-by", SpecText(metadata)},
                    {"sort-by", OrderText(metadata)},
                    {"snapshots", metadata.snapshots.size()}};
  if (const auto snapshot = metadata.current_snapshot()) {
    bj::object summary;
    for (const auto& [name, value] : snapshot->summary) summary[name] = value;
    object["current-snapshot"] = bj::object{{"snapshot-id", snapshot->snapshot_id},
                                            {"timestamp-ms", snapshot->timestamp_ms},
                                            {"summary", std::move(summary)}};
  }
  bj::object properties;
  for (const auto& [name, value] : metadata.properties) properties[name] = value;
  object["properties"] = std::move(properties);
  return PrintJson(object);
}

Result<> Describe(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.name));
  const auto lake = PK_TRY(global.OpenLake());
  const LoadedTable table = PK_TRY(lake->catalog().LoadTable(name));
  if (global.json) return DescribeAsJson(table);
  const TableMetadata& metadata = *table.metadata;
  std::string text =
      fmt::format("table         {}\nlocation      {}\nmetadata      {}\n", catalog::ToString(name),
                  metadata.location, table.metadata_location);
  text +=
      fmt::format("partition by  {}\nsort by       {}\n", SpecText(metadata), OrderText(metadata));
  const auto snapshot = metadata.current_snapshot();
  if (snapshot != nullptr) {
    const auto total = [&](const char* what) {
      const auto found = snapshot->summary.find(what);
      return found == snapshot->summary.end() ? std::string("?") : found->second;
    };
    text += fmt::format("rows          {} in {} files ({} snapshots, the last {})\n",
                        total("total-records"), total("total-data-files"),
                        metadata.snapshots.size(), Time(snapshot->timestamp_ms));
  } else {
    text += "rows          none yet\n";
  }
  std::vector<std::vector<std::string>> columns = {{"id", "column", "type", ""}};
  for (const auto& field : metadata.schema().fields()) {
    columns.push_back({std::to_string(field.id), field.name, iceberg::ToString(field.type),
                       field.required ? "required" : ""});
  }
  text += "\n" + Columns(columns);
  if (!metadata.properties.empty()) text += "\n";
  for (const auto& [property, value] : metadata.properties) {
    text += fmt::format("{} = {}\n", property, value);
  }
  return Print(text);
}

Result<> Drop(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.name));
  const auto lake = PK_TRY(global.OpenLake());
  PK_TRY(lake->catalog().DropTable(name, arguments.purge));
  if (global.json) {
    return PrintJson(bj::object{{"dropped", catalog::ToString(name)}, {"purged", arguments.purge}});
  }
  return Print(fmt::format("dropped table {}{}", catalog::ToString(name),
                           arguments.purge ? " and its files" : "; its files stay"));
}

Result<> Rename(const Global& global, const Arguments& arguments) {
  const auto from = PK_TRY(catalog::ParseTableName(arguments.name));
  const auto to = PK_TRY(catalog::ParseTableName(arguments.target));
  const auto lake = PK_TRY(global.OpenLake());
  PK_TRY(lake->catalog().RenameTable(from, to));
  if (global.json) return PrintJson(bj::object{{"table", catalog::ToString(to)}});
  return Print(fmt::format("{} is {} now", catalog::ToString(from), catalog::ToString(to)));
}

Result<> Register(const Global& global, const Arguments& arguments) {
  const auto name = PK_TRY(catalog::ParseTableName(arguments.name));
  const auto lake = PK_TRY(global.OpenLake(false));
  const auto table = PK_TRY(lake->catalog().RegisterTable(name, arguments.metadata));
  if (global.json) {
    return PrintJson(bj::object{{"table", catalog::ToString(name)},
                                {"metadata-location", table.metadata_location}});
  }
  return Print(fmt::format("registered table {}", catalog::ToString(name)));
}

}  // namespace

void AddTableCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("table", "create, list, describe, drop, rename, register");
  command->require_subcommand(1)->fallthrough();
  command->footer(
      "Examples:\n"
      "  parkeeper table create sales.orders --schema 'id bigint not null, ts timestamptz'\n"
      "      --partition-by 'day(ts)' --sort-by 'id'\n"
      "  parkeeper table create sales.lines --like lines.parquet\n"
      "  parkeeper table describe sales.orders --json");
  const auto add = [&](const char* name, const char* help, const char* what, const char* example,
                       auto run) {
    CLI::App* verb = command->add_subcommand(name, help);
    verb->fallthrough();
    verb->footer(fmt::format("Example:\n  parkeeper table {} {}", name, example));
    verb->add_option("name", arguments->name, what)->required();
    verb->callback([&chosen, &global, arguments, run] {
      chosen = [&global, arguments, run] { return run(global, *arguments); };
    });
    return verb;
  };
  CLI::App* create = add("create", "create an empty table", "as in sales.orders",
                         "sales.orders --schema 'id bigint not null, ts timestamptz' "
                         "--partition-by 'day(ts)'",
                         Create);
  create->add_option("--schema", arguments->schema,
                     "columns, as in 'id bigint not null, x double'");
  create->add_option("--like", arguments->like, "take the columns of this file");
  create->add_option("--partition-by", arguments->partition_by, "as in 'day(ts), bucket(16, id)'");
  create->add_option("--sort-by", arguments->sort_by, "as in 'ts desc, id'");
  create->add_option("--property", arguments->properties, "name=value; may be repeated");
  create->add_option("--location", arguments->location, "a folder below the warehouse");
  add("list", "list the tables of a namespace", "the namespace", "sales", List);
  add("describe", "columns, partitioning, size, properties", "the table", "sales.orders --json",
      Describe);
  CLI::App* drop = add("drop", "drop a table", "the table", "sales.orders --purge", Drop);
  drop->add_flag("--purge", arguments->purge, "delete its files too");
  CLI::App* rename = add("rename", "give a table another name", "the table",
                         "sales.orders sales.old_orders", Rename);
  rename->add_option("to", arguments->target, "its new name")->required();
  CLI::App* registered =
      add("register", "make a table of existing metadata", "the new table",
          "sales.orders /data/lake/sales/orders/metadata/00007-1b2c.metadata.json", Register);
  registered->add_option("metadata", arguments->metadata, "location of a metadata.json")
      ->required();
}

}  // namespace pk::cli
