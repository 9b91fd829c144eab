#include "parkeeper/datafile/input.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/arrow_batches.h"
#include "tests/support/matchers.h"
#include "tests/support/read_all.h"
#include "tests/support/temp_folder.h"

namespace pk::datafile {
namespace {

using ::testing::ElementsAre;
using testing::IsErrorWith;
using testing::IsOk;
using testing::IsOkAnd;
using testing::ReadLines;
using ::testing::SizeIs;

class Input : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, std::string_view text) {
    std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::shared_ptr<const iceberg::Schema> SchemaOf(const std::string& text) {
    return std::make_shared<const iceberg::Schema>(iceberg::ParseSchemaText(text).value());
  }
  static Result<std::vector<std::string>> Read(const std::string& path, const std::string& schema,
                                               const InputOptions& options = {}) {
    return ReadLines(OpenInput(path, SchemaOf(schema), options));
  }
  // "a long, b decimal(9,2), ...", as `describe` would list it.
  static std::string Inferred(const std::string& path) {
    auto schema = InferSchema(path);
    if (!schema.ok()) return schema.error().ToString();
    std::string out;
    for (const auto& field : schema->fields()) {
      out += (out.empty() ? "" : ", ") + field.name + " " + iceberg::ToString(field.type);
    }
    return out;
  }

  testing::TempFolder folder_;
};

TEST_F(Input, CsvIsReadAsTheSchemaWants) {
  const std::string path =
      Write("a.csv",
            "\xEF\xBB\xBFqty,name,price,day,at,flag,ratio,code\r\n"
            "1,plain,12.5,2024-05-01,2024-05-01T10:00:00,true,0.5,00ff\r\n"
            "\r\n"
            "-2,\"with, comma and \"\"quotes\"\"\",-0.01,1969-12-31,,false,1e3,\n"
            ",\"\",,,,,,");
  EXPECT_THAT(
      Read(path,
           "name string, qty int, price decimal(18,2), day date, at timestamp, flag boolean, "
           "ratio double, code binary"),
      IsOkAnd(ElementsAre(R"({"name":"plain","qty":1,"price":"12.50","day":"2024-05-01",)"
                          R"("at":"2024-05-01T10:00:00","flag":true,"ratio":0.5,"code":"00ff"})",
                          R"({"name":"with, comma and \"quotes\"","qty":-2,"price":"-0.01",)"
                          R"("day":"1969-12-31","at":null,"flag":false,"ratio":1000,"code":null})",
                          R"({"name":"","qty":null,"price":null,"day":null,"at":null,"flag":null,)"
                          R"("ratio":null,"code":null})")));
}

TEST_F(Input, ABadNumberInLine70001IsNamed) {
  std::string text = "id,qty\n";
  for (int line = 2; line <= 80'000; ++line) {
    text += std::to_string(line) + (line == 70'001 ? ",abc\n" : ",5\n");
  }
  const std::string path = Write("lines.csv", text);
  EXPECT_THAT(Read(path, "id long, qty int"),
              IsErrorWith(ErrorCode::kInvalidArgument,
                          path + " line 70001: column 'qty': 'abc' is not an int"));
}

TEST_F(Input, LineNumbersCountTheBreaksInQuotedCells) {
  const std::string path = Write("q.csv", "a,b\n\"x\ny\nz\",1\n\"\"\"\n\",x\n");
  EXPECT_THAT(Read(path, "a string, b int"),
              IsErrorWith(ErrorCode::kInvalidArgument, "line 5: column 'b': 'x' is not an int"));
}

TEST_F(Input, CsvRecordsMayCrossTheBlocksOfReading) {
  std::string text = "a,b\n";
  std::string wide(300'000, 'w');
  for (int i = 0; i < 9; ++i)
    text += "\"" + wide + "\n\"\"" + std::to_string(i) + "\"," + wide + "\r\n";
  PK_ASSERT_OK(auto lines, Read(Write("wide.csv", text), "a string, b string"));
  ASSERT_THAT(lines, SizeIs(9));
  EXPECT_EQ(lines[8], R"({"a":")" + wide + R"(\n\"8","b":")" + wide + "\"}");
}

TEST_F(Input, CsvMistakesAreNamedWithTheirLine) {
  auto refused = [&](const std::string& text, const std::string& schema, const std::string& why) {
    const std::string name = fmt::format("bad{}.csv", why.size());
    EXPECT_THAT(Read(Write(name, text), schema), IsErrorWith(ErrorCode::kInvalidArgument, why));
  };
  refused("a,b\n1,2\n1,2,3\n", "a int, b int", "line 3: 3 cells where 2 are wanted");
  refused("a,c\n1,2\n", "a int, b int", "there is no column 'c'");
  refused("a,a\n1,2\n", "a int, b int", "column 'a' is named twice");
  refused("a\n1\n", "a int, b int not null", "column 'b' is required and missing");
  refused("a,b\n1,\n", "a int, b int not null", "line 2: column 'b' is required and the cell is");
  refused("a\n\"1\"2\n", "a int", "line 2: a quoted cell is not closed");
  refused("a\n\"1\n\n", "a int", "line 2: a quoted cell is not closed");
  refused("a\n2147483648\n", "a int", "'2147483648' is not an int");
  refused("a\n1.234\n", "a decimal(9,2)", "'1.234' is not a decimal(9,2)");
  refused("a\n2024-02-30\n", "a date", "'2024-02-30' is not a date");
  refused("a\n\xFF\n", "a string", "'text that is not UTF-8' is not a string");
  refused("", "a int", "there is no line that names the columns");
  EXPECT_THAT(Read(folder_ / "none.csv", "a int"), IsErrorWith(ErrorCode::kNotFound, "none.csv"));
  EXPECT_THAT(Read(Write("x.dat", ""), "a int"),
              IsErrorWith(ErrorCode::kInvalidArgument, "does not tell the format"));
}

TEST_F(Input, TabsAndHeaderlessFilesAreRead) {
  EXPECT_THAT(Read(Write("a.tsv", "a\tb\n1\tx,y\n"), "a int, b string"),
              IsOkAnd(ElementsAre(R"({"a":1,"b":"x,y"})")));
  EXPECT_THAT(Read(Write("b.csv", "1|x\n"), "a int, b string",
                   {.format = {}, .delimiter = '|', .header = false, .row_groups = {}}),
              IsOkAnd(ElementsAre(R"({"a":1,"b":"x"})")));
}

TEST_F(Input, JsonLinesAreReadExactly) {
  const std::string path =
      Write("a.jsonl", R"({"big": 9007199254740993, "price": 0.1, "name": "\u00e9\ud83d\ude00\n",)"
                       R"( "p": {"x": 1.5}, "tags": ["a", null], "m": {"k": 1}})"
                       "\n\n"
                       R"({"price": "123456789012345678.90", "p": null, "tags": [], "m": {}})");
  EXPECT_THAT(
      Read(path,
           "big long, price decimal(20,2), name string, p struct<x: double>, tags list<string>, "
           "m map<string, int>"),
      IsOkAnd(ElementsAre(
          "{\"big\":9007199254740993,\"price\":\"0.10\",\"name\":\"\xC3\xA9\xF0\x9F\x98\x80\\n\","
          "\"p\":{\"x\":1.5},\"tags\":[\"a\",null],\"m\":{\"k\":1}}",
          R"({"big":null,"price":"123456789012345678.90","name":null,"p":null,"tags":[],)"
          R"("m":{}})")));
}

TEST_F(Input, JsonMistakesAreNamedWithTheirLine) {
  auto refused = [&](const std::string& line, const std::string& why) {
    const std::string path = Write("bad.jsonl", "{\"a\": 1}\n" + line + "\n");
    EXPECT_THAT(Read(path, "a int, p struct<x: int>, s string"),
                IsErrorWith(ErrorCode::kInvalidArgument, "line 2: " + why));
  };
  refused(R"({"b": 1})", "there is no column 'b'");
  refused(R"({"p": {"y": 1}})", "there is no column 'p.y'");
  refused(R"({"a": 1.5})", "'a': '1.5' is not an int");
  refused(R"({"a": true})", "'a': 'true' is not an int");
  refused(R"({"s": 5})", "'s': '5' is not a string");
  refused(R"({"p": [1]})", "'p': '[1]' is not a struct<");
  refused(R"({"a": 1, "a": 2})", "'a' comes twice");
  refused(R"({"a": 1)", "not JSON: the text ends at character 8");
  refused(R"({"a": 01})", "not JSON: a number that is none");
  refused(R"({"s": "\ud800"})", "not JSON: half a surrogate pair");
  refused(R"([1])", "the line is no JSON object");
  refused(R"({"a": 1} x)", "not JSON: something behind the value");
}

TEST_F(Input, TypesAreInferredFromText) {
  EXPECT_EQ(Inferred(Write("a.csv",
                           "i,f,b,d,t,z,s,zip,e\n"
                           "1,2.0,true,2024-05-01,2024-05-01T10:00:00,2024-05-01T10:00:00+00:00,x,"
                           "01234,\n-5,2.5,false,2024-05-02,2024-05-01T10:00:01,"
                           "2024-05-01T10:00:00+00:00,1,12345,\n")),
            "i long, f double, b boolean, d date, t timestamp, z timestamptz, s string, "
            "zip string, e string");
  EXPECT_EQ(Inferred(Write("a.jsonl",
                           "{\"i\": 1, \"p\": {\"x\": 1}}\n"
                           "{\"i\": 2, \"p\": {\"y\": \"2024-05-01\"}, \"l\": [1.5, 2]}\n")),
            "i long, p struct<4: x: optional long, 5: y: optional date>, l list<double>");
}

TEST_F(Input, CompressedTextIsReadOnTheWay) {
  // {"a":1} compressed by gzip.
  static constexpr unsigned char kBytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
                                             0x03, 0xab, 0x56, 0x4a, 0x54, 0xb2, 0x32, 0xac, 0x05,
                                             0x00, 0xaf, 0xac, 0x1b, 0x56, 0x07, 0x00, 0x00, 0x00};
  const std::string_view bytes(reinterpret_cast<const char*>(kBytes), sizeof(kBytes));
  EXPECT_THAT(Read(Write("a.jsonl.gz", bytes), "a int"), IsOkAnd(ElementsAre(R"({"a":1})")));
}

class RoundTrip : public Input, public ::testing::WithParamInterface<OutputFormat> {};

TEST_P(RoundTrip, WhatIsWrittenIsReadAgain) {
  for (const iceberg::Schema& columns : {testing::AllPrimitives(), testing::NestedTypes()}) {
    const auto schema = std::make_shared<const iceberg::Schema>(columns);
    const Batch rows{testing::RandomRows(columns, 300, 5,
                                         {.nulls = 0.2, .odd_values = 0.1, .dictionaries = true})};
    PK_ASSERT_OK(auto expected, ReadLines(SourceOf(columns, {rows, rows})));
    std::string text;
    auto source = SourceOf(columns, {rows, rows});
    EXPECT_THAT(WriteOutput(*source, GetParam(),
                            [&](std::string_view bytes) -> Result<> {
                              text += bytes;
                              return {};
                            }),
                IsOkAnd(600));
    const char* endings[] = {"", ".csv", ".jsonl", ".arrow", ".parquet"};
    const std::string path =
        Write(std::string("out") + endings[static_cast<int>(GetParam())], text);
    PK_ASSERT_OK(auto lines, ReadLines(OpenInput(path, schema)));
    EXPECT_TRUE(lines == expected) << lines.size() << " rows, the first " << lines.at(0);
    if (GetParam() == OutputFormat::kArrowIpc || GetParam() == OutputFormat::kParquet) {
      PK_ASSERT_OK(auto inferred, InferSchema(path));
      EXPECT_TRUE(inferred.SameColumns(columns));
    }
  }
}

std::string NameOf(const ::testing::TestParamInfo<OutputFormat>& tested) {
  static constexpr const char* kNames[] = {"Table", "Csv", "JsonLines", "ArrowIpc", "Parquet"};
  return kNames[static_cast<int>(tested.param)];
}

INSTANTIATE_TEST_SUITE_P(Formats, RoundTrip,
                         ::testing::Values(OutputFormat::kCsv, OutputFormat::kJsonLines,
                                           OutputFormat::kArrowIpc, OutputFormat::kParquet),
                         NameOf);

TEST_F(Input, SomeRowGroupsOfAParquetFileCanBeChosen) {
  const std::string path = PARKEEPER_SOURCE_DIR "/tests/golden/parquet/pages.parquet";
  InputOptions options;
  options.row_groups = {1, 3};
  PK_ASSERT_OK(auto lines,
               Read(path, "id long, word string, text string, quarter double", options));
  ASSERT_THAT(lines, SizeIs(3000));
  EXPECT_EQ(lines[0].substr(0, 10), R"({"id":2000)");
}

TEST_F(Input, PiecesOfAParquetFileAreTheWholeInOrder) {
  const std::string path = PARKEEPER_SOURCE_DIR "/tests/golden/parquet/pages.parquet";
  const std::string schema = "id long, word string, text string, quarter double";
  PK_ASSERT_OK(auto whole, Read(path, schema));
  PK_ASSERT_OK(auto pieces, SplitInput(path, {}, 2, 1));
  ASSERT_THAT(pieces, SizeIs(2));
  std::vector<std::string> together;
  for (const InputOptions& piece : pieces) {
    EXPECT_EQ(piece.rows_before, int64_t(together.size()));
    PK_ASSERT_OK(auto lines, Read(path, schema, piece));
    EXPECT_THAT(lines, ::testing::Not(::testing::IsEmpty()));
    together.insert(together.end(), lines.begin(), lines.end());
  }
  EXPECT_TRUE(together == whole);
}

TEST_F(Input, PiecesAreNoSmallerThanARowGroupOrTheLeastSize) {
  const std::string path = PARKEEPER_SOURCE_DIR "/tests/golden/parquet/pages.parquet";
  PK_ASSERT_OK(auto groups, SplitInput(path, {}, 1000, 1));
  EXPECT_GT(groups.size(), 2);
  for (const InputOptions& piece : groups) {
    EXPECT_EQ(piece.row_groups->second, piece.row_groups->first + 1);
  }
  EXPECT_THAT(SplitInput(path, {}, 1000, int64_t{1} << 40), IsOkAnd(SizeIs(1)));
  EXPECT_THAT(SplitInput(path, groups[1], 1000, 1), IsOkAnd(SizeIs(1)));
  EXPECT_THAT(SplitInput(Write("a.csv", "id\n1\n"), {}, 1000, 1), IsOkAnd(SizeIs(1)));
  EXPECT_THAT(SplitInput(Write("b.parquet", "no such thing"), {}, 2, 1),
              IsErrorWith(ErrorCode::kInvalidArgument, "b.parquet"));
}

TEST_F(Input, ErrorsInAPieceCountRowsFromTheStartOfTheFile) {
  const std::string path = PARKEEPER_SOURCE_DIR "/tests/golden/parquet/pages.parquet";
  PK_ASSERT_OK(auto pieces, SplitInput(path, {}, 3, 1));
  EXPECT_THAT(Read(path, "id long, word string, text string, quarter double not null", pieces[1]),
              IsErrorWith(ErrorCode::kInvalidArgument, "pages.parquet behind row 2000"));
}

TEST_F(Input, AParquetFileThatDoesNotFitIsRefusedBeforeItsRows) {
  const std::string path = PARKEEPER_SOURCE_DIR "/tests/golden/parquet/pages.parquet";
  EXPECT_THAT(OpenInput(path, SchemaOf("id long, word string")),
              IsErrorWith(ErrorCode::kInvalidArgument, "text"));
}

TEST(Output, TablesAreAligned) {
  PK_ASSERT_OK(auto schema, iceberg::ParseSchemaText("id long, name string"));
  testing::TempFolder folder;
  std::ofstream(folder / "a.csv") << "id,name\n1,\"a\nb\"\n-20,\xC3\xA9\n,\n";
  auto source = OpenInput(folder / "a.csv", std::make_shared<const iceberg::Schema>(schema));
  ASSERT_THAT(source, IsOk());
  std::string text;
  EXPECT_THAT(WriteOutput(
                  **source, OutputFormat::kTable,
                  [&](std::string_view bytes) -> Result<> {
                    text += bytes;
                    return {};
                  },
                  2),
              IsOkAnd(3));
  EXPECT_EQ(text,
            " id | name\n"
            "----+-----\n"
            "  1 | a\\nb\n"
            "-20 | \xC3\xA9\n"
            "(3 rows, 1 of them not shown)\n");
}

TEST(Output, GivesTheErrorOfItsSource) {
  class Stopped : public BatchSource {
   public:
    explicit Stopped(iceberg::Schema schema) : schema_(std::move(schema)) {}
    const iceberg::Schema& schema() const override { return schema_; }
    Result<std::optional<Batch>> Next() override {
      if (++calls_ > 1) return Error(ErrorCode::kCancelled, "stopped");
      return Batch{testing::RandomRows(schema_, 10, 1)};
    }

   private:
    iceberg::Schema schema_;
    int calls_ = 0;
  };
  PK_ASSERT_OK(auto schema, iceberg::ParseSchemaText("id long"));
  for (auto format : {OutputFormat::kCsv, OutputFormat::kArrowIpc, OutputFormat::kParquet}) {
    Stopped source(schema);
    EXPECT_THAT(WriteOutput(source, format, [](std::string_view) -> Result<> { return {}; }),
                IsErrorWith(ErrorCode::kCancelled, "stopped"));
  }
}

TEST(Output, StopsWhenTheSinkFails) {
  PK_ASSERT_OK(auto schema, iceberg::ParseSchemaText("id long"));
  for (auto format : {OutputFormat::kTable, OutputFormat::kCsv, OutputFormat::kJsonLines,
                      OutputFormat::kArrowIpc, OutputFormat::kParquet}) {
    auto source = SourceOf(schema, {{testing::RandomRows(schema, 10, 1)}});
    EXPECT_THAT(WriteOutput(*source, format,
                            [](std::string_view) -> Result<> { return Unavailable("disk full"); }),
                IsErrorWith(ErrorCode::kUnavailable, "disk full"));
  }
}

}  // namespace
}  // namespace pk::datafile
