#include "apps/parkeeper/row_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <map>

namespace pk::cli {

void AddRowOutput(CLI::App& command, RowOutput& output) {
  command.add_option("--format", output.format, "of the rows")
      ->check(CLI::IsMember({"table", "csv", "json", "arrow", "parquet"}));
  command.add_option("--output", output.path, "a file, device or pipe instead of standard output");
}

Result<datafile::OutputFormat> FormatOf(const RowOutput& output, bool json) {
  static const std::map<std::string, datafile::OutputFormat> kFormats = {
      {"table", datafile::OutputFormat::kTable},
      {"csv", datafile::OutputFormat::kCsv},
      {"json", datafile::OutputFormat::kJsonLines},
      {"arrow", datafile::OutputFormat::kArrowIpc},
      {"parquet", datafile::OutputFormat::kParquet}};
  const auto format = kFormats.at(json && output.format == "table" ? "json" : output.format);
  const bool binary =
      format == datafile::OutputFormat::kArrowIpc || format == datafile::OutputFormat::kParquet;
  PK_CHECK(!binary || !output.path.empty() || isatty(STDOUT_FILENO) == 0,
           InvalidArgument("a terminal cannot show this format: use --output FILE"));
  return format;
}

Result<> WriteRows(datafile::BatchSource& rows, datafile::OutputFormat format, Output& to,
                   const RowOutput& output, const Global& global) {
  const int64_t count = PK_TRY(
      datafile::WriteOutput(rows, format, [&](std::string_view bytes) { return to.Write(bytes); }));
  PK_TRY(to.Finish());
  if (!output.path.empty() && !to.is_standard() && !global.quiet && !global.json) {
    return Print(fmt::format("{} rows in {}", count, output.path));
  }
  return {};
}

}  // namespace pk::cli
