#pragma once

// Pieces shared by the JSON of schemas, table metadata, updates and name mappings: a writer that
// appends straight to a string, what is left of an object beyond its known members, and readers
// and writers of the parts that several documents hold.

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "parkeeper/base/json.h"
#include "parkeeper/base/result.h"
#include "parkeeper/iceberg/expression.h"
#include "parkeeper/iceberg/table_metadata.h"
#include "parkeeper/iceberg/unknown_members.h"

namespace pk::iceberg {

// Writes compact JSON. The order of calls is the document; commas are its own affair. Strings that
// are not UTF-8 are written with replacement characters, so that the document can always be read
// again: refuse them before.
class JsonWriter {
 public:
  void BeginObject() { Open('{'); }
  void EndObject() { out_ += '}'; }
  void BeginArray() { Open('['); }
  void EndArray() { out_ += ']'; }
  void Key(std::string_view name);

  void String(std::string_view value);
  void Int(int64_t value);
  void Null() { Raw("null"); }
  // A complete JSON text.
  void Raw(std::string_view json);

  void String(std::string_view key, std::string_view value);
  void Int(std::string_view key, int64_t value);
  void Bool(std::string_view key, bool value);
  void Members(const UnknownMembers& members);
  void Strings(std::string_view key, std::span<const std::string> values);
  void StringMap(std::string_view key, const std::map<std::string, std::string>& values);
  template <class Integers>
  void Ints(std::string_view key, const Integers& values) {
    Key(key);
    BeginArray();
    for (const auto value : values) Int(int64_t(value));
    EndArray();
  }

  std::string Take() && { return std::move(out_); }

 private:
  void Separate() {
    if (!out_.empty() && out_.back() != '{' && out_.back() != '[' && out_.back() != ':')
      out_ += ',';
  }
  void Open(char bracket) {
    Separate();
    out_ += bracket;
  }
  void Quote(std::string_view text);

  std::string out_;
};

// The members of `object` that are not in `known`.
UnknownMembers UnknownIn(const boost::json::object& object,
                         std::span<const std::string_view> known);

// What is read was stored: an invalid value in it is corruption.
Error AsCorrupt(Error error);

// Calls `read` with each object of `array`; errors name the place: "snapshots[3]: ...".
template <class Read>
Result<> EachObject(const boost::json::array& array, std::string_view what, Read&& read) {
  for (size_t i = 0; i < array.size(); ++i) {
    const boost::json::object* object = array[i].if_object();
    Result<> done = object == nullptr ? Result<>(Corrupt("must be an object")) : read(*object);
    if (!done.ok()) return std::move(done).error().With(fmt::format("{}[{}]", what, i));
  }
  return {};
}

Result<std::vector<std::string>> ReadStrings(const boost::json::object& object,
                                             std::string_view key);
Result<std::map<std::string, std::string>> ReadStringMap(const boost::json::object& object,
                                                         std::string_view key);
Result<std::vector<int32_t>> ReadInt32s(const boost::json::object& object, std::string_view key);
Result<std::vector<int64_t>> ReadInt64s(const boost::json::object& object, std::string_view key);

// Partition fields without an id: v1 tables number them from kFirstPartitionFieldId in each spec;
// a spec in an update leaves them to the table, which is 0 here.
enum class MissingFieldIds { kSequential, kZero };

Result<Schema> ReadSchema(const boost::json::object& object);
Result<PartitionSpec> ReadPartitionSpec(const boost::json::object& object, MissingFieldIds missing);
Result<std::vector<PartitionField>> ReadPartitionFields(const boost::json::array& array,
                                                        MissingFieldIds missing);
Result<SortOrder> ReadSortOrder(const boost::json::object& object);
Result<Snapshot> ReadSnapshot(const boost::json::object& object);
// `also_known` are members of the object that are none of the ref's.
Result<SnapshotRef> ReadSnapshotRef(const boost::json::object& object,
                                    std::span<const std::string_view> also_known = {});
Result<Expression> ReadExpression(const boost::json::value& value);
Result<StatisticsFile> ReadStatisticsFile(const boost::json::object& object);

void Write(JsonWriter& out, const Schema& schema);
void Write(JsonWriter& out, const PartitionSpec& spec);
void WriteFields(JsonWriter& out, const PartitionSpec& spec);  // the array alone
void Write(JsonWriter& out, const SortOrder& order);
void Write(JsonWriter& out, const Snapshot& snapshot);
void WriteMembers(JsonWriter& out, const SnapshotRef& ref);  // without the braces

}  // namespace pk::iceberg
