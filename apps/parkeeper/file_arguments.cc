#include "apps/parkeeper/file_arguments.h"

#include <fmt/format.h>

namespace pk::cli {

namespace {

const std::map<std::string, datafile::InputFormat> kFormats = {
    {"parquet", datafile::InputFormat::kParquet},
    {"csv", datafile::InputFormat::kCsv},
    {"jsonl", datafile::InputFormat::kJsonLines},
    {"arrow", datafile::InputFormat::kArrowIpc}};

}  // namespace

void FileArguments::AddTo(CLI::App& command) {
  command.add_option("files", files, "files or patterns such as 'data/*.csv'")->required();
  command.add_option("--format", format, "when the names do not tell")
      ->check(CLI::IsMember({"parquet", "csv", "jsonl", "arrow"}));
  command.add_option("--delimiter", delimiter, "of CSV");
  command.add_flag("--no-header", no_header, "CSV without a line of names");
}

Result<datafile::InputOptions> FileArguments::Input() const {
  datafile::InputOptions input;
  if (!format.empty()) input.format = kFormats.at(format);
  PK_CHECK(delimiter.size() == 1, InvalidArgument("--delimiter takes one character"));
  input.delimiter = delimiter[0];
  input.header = !no_header;
  return input;
}

void NewTableArguments::AddTo(CLI::App& command) {
  CLI::Option* flag = command.add_flag("--create", create, "make the table when it is missing");
  const auto of_new = [&](const char* name, auto& value, const char* what) {
    command.add_option(name, value, what)->needs(flag);
  };
  of_new("--partition-by", partition_by, "of a table that is made");
  of_new("--sort-by", sort_by, "of a table that is made");
  of_new("--property", properties, "of a table that is made: name=value");
}

Result<std::map<std::string, std::string>> ParseProperties(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> properties;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    PK_CHECK(equals != std::string::npos && equals > 0,
             InvalidArgument(fmt::format("'{}' is no property: write name=value", text)));
    properties[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return properties;
}

}  // namespace pk::cli
