// Ours, for `./dev bench sql`: a session that stays open, as the peer's connection does. Each line
// of standard input names a file with a query; the answer is a line of JSON with the seconds from
// the text to the last batch, and the number of rows.
//
// sql_runner LAKE THREADS

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "parkeeper/lake/sql.h"

namespace {

pk::Result<int64_t> RowsOf(pk::sql::Session& session, const std::string& query) {
  const auto answer = PK_TRY(session.Query(query, {}));
  int64_t rows = 0;
  while (const auto batch = PK_TRY(answer.rows->Next())) rows += batch->num_rows();
  return rows;
}

pk::Result<> Run(const char* url, int threads) {
  const auto lake = PK_TRY(pk::lake::Lake::Open(url, {.must_exist = true}));
  const auto session = PK_TRY(pk::lake::OpenSql(*lake, {.threads = threads}));
  for (std::string file; std::getline(std::cin, file);) {
    std::ifstream in(file);
    const std::string query(std::istreambuf_iterator<char>(in), {});
    const auto start = std::chrono::steady_clock::now();
    const int64_t rows = PK_TRY(RowsOf(*session, query).With(file));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print("{{\"seconds\": {}, \"rows\": {}}}\n", seconds.count(), rows);
    std::fflush(stdout);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const pk::Result<> done = Run(argv[1], std::atoi(argv[2]));
  if (done.ok()) return 0;
  fmt::print(stderr, "{}\n", done.error().ToString());
  return 1;
}
