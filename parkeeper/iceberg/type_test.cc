#include "parkeeper/iceberg/type.h"

#include "tests/support/matchers.h"

namespace pk::iceberg {
namespace {

using pk::testing::IsError;
using pk::testing::IsErrorWith;
using pk::testing::IsOk;
using pk::testing::IsOkAnd;
using ::testing::Eq;

TEST(Type, ReadsAndWritesEveryPrimitiveNameOfTheSpecification) {
  for (const char* name :
       {"boolean", "int", "long", "float", "double", "decimal(9,2)", "date", "time", "timestamp",
        "timestamptz", "string", "uuid", "fixed[16]", "binary"}) {
    PK_ASSERT_OK(const PrimitiveType type, ParsePrimitive(name));
    EXPECT_EQ(ToString(type), name);
  }
}

TEST(Type, AcceptsBlanksAndUpperCaseAsTheReferenceImplementationDoes) {
  EXPECT_THAT(ParsePrimitive("decimal( 9 , 2 )"), IsOkAnd(Eq(Decimal(9, 2))));
  EXPECT_THAT(ParsePrimitive("fixed[ 16 ]"), IsOkAnd(Eq(Fixed(16))));
  EXPECT_THAT(ParsePrimitive("Long"), IsOkAnd(Eq(PrimitiveType{.kind = PrimitiveKind::kLong})));
}

TEST(Type, SaysWhatIsWrongWithABadPrimitive) {
  const auto bad = ErrorCode::kInvalidArgument;
  EXPECT_THAT(ParsePrimitive("decimal(39,2)"), IsErrorWith(bad, "precision over 38"));
  EXPECT_THAT(ParsePrimitive("decimal(0,0)"), IsErrorWith(bad, "precision under 1"));
  EXPECT_THAT(ParsePrimitive("decimal(9,10)"), IsErrorWith(bad, "scale not within"));
  EXPECT_THAT(ParsePrimitive("decimal(9,-1)"), IsErrorWith(bad, "scale not within"));
  EXPECT_THAT(ParsePrimitive("decimal"), IsErrorWith(bad, "decimal(P,S)"));
  EXPECT_THAT(ParsePrimitive("decimal(9)"), IsErrorWith(bad, "a precision and a scale"));
  EXPECT_THAT(ParsePrimitive("decimal(9,2"), IsErrorWith(bad, "brackets"));
  EXPECT_THAT(ParsePrimitive("decimal(99999999999,2)"), IsErrorWith(bad, "must be numbers"));
  EXPECT_THAT(ParsePrimitive("fixed"), IsErrorWith(bad, "fixed[LENGTH]"));
  EXPECT_THAT(ParsePrimitive("fixed[0]"), IsErrorWith(bad, "fixed[LENGTH]"));
  EXPECT_THAT(ParsePrimitive("fixed(16)"), IsErrorWith(bad, "fixed[LENGTH]"));
  EXPECT_THAT(ParsePrimitive("int(3)"), IsErrorWith(bad, "no parameters"));
  EXPECT_THAT(ParsePrimitive("integer"), IsErrorWith(bad, "no such type: 'integer'"));
  EXPECT_THAT(ParsePrimitive(""), IsError(bad));
  EXPECT_THAT(ParsePrimitive("("), IsError(bad));
  EXPECT_THAT(ParsePrimitive("["), IsError(bad));
}

TEST(Type, TellsTypesOfV3AsUnsupported) {
  for (const char* name : {"timestamp_ns", "timestamptz_ns", "unknown", "variant",
                           "geometry(srid:4326)", "geography(srid:4326, spherical)"})
    EXPECT_THAT(ParsePrimitive(name), IsError(ErrorCode::kUnsupported)) << name;
}

TEST(Type, ComparesNestedTypesDeeply) {
  const auto point = [](bool required) {
    return Type(StructType{{Field{.id = 1, .name = "x", .required = required}}});
  };
  EXPECT_EQ(point(true), point(true));
  EXPECT_NE(point(true), point(false));
  const Type list = ListType{.element_id = 2, .element = point(true)};
  EXPECT_EQ(list, Type(ListType{.element_id = 2, .element = point(true)}));
  EXPECT_NE(list, Type(ListType{.element_id = 3, .element = point(true)}));
  EXPECT_NE(list, point(true));
  const Type copy = list;
  EXPECT_EQ(copy.list(), list.list()) << "a copy shares what is nested";
}

TEST(Type, WritesNestedTypesForPeople) {
  const Type tags = ListType{.element_id = 3, .element = PrimitiveKind::kString};
  const Type counts = MapType{
      .key_id = 4, .key = PrimitiveKind::kString, .value_id = 5, .value = PrimitiveKind::kInt};
  EXPECT_EQ(ToString(tags), "list<string>");
  EXPECT_EQ(ToString(counts), "map<string, int>");
  EXPECT_EQ(ToString(StructType{{Field{.id = 1, .name = "a", .required = true, .type = tags},
                                 Field{.id = 2, .name = "b", .type = counts}}}),
            "struct<1: a: required list<string>, 2: b: optional map<string, int>>");
}

TEST(Type, PromotesOnlyAsTheSpecificationAllows) {
  const PrimitiveType int_type{.kind = PrimitiveKind::kInt},
      long_type{.kind = PrimitiveKind::kLong}, float_type{.kind = PrimitiveKind::kFloat},
      double_type{.kind = PrimitiveKind::kDouble};
  EXPECT_TRUE(IsPromotable(int_type, long_type));
  EXPECT_TRUE(IsPromotable(float_type, double_type));
  EXPECT_TRUE(IsPromotable(Decimal(9, 2), Decimal(18, 2)));
  EXPECT_TRUE(IsPromotable(Fixed(4), Fixed(4)));
  EXPECT_FALSE(IsPromotable(long_type, int_type));
  EXPECT_FALSE(IsPromotable(int_type, double_type));
  EXPECT_FALSE(IsPromotable(double_type, float_type));
  EXPECT_FALSE(IsPromotable(Decimal(9, 2), Decimal(18, 3)));
  EXPECT_FALSE(IsPromotable(Decimal(18, 2), Decimal(9, 2)));
  EXPECT_FALSE(IsPromotable(Fixed(4), Fixed(8)));
}

}  // namespace
}  // namespace pk::iceberg
