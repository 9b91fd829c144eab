#include "parkeeper/base/cache_folder.h"

#include <gtest/gtest.h>

namespace pk {
namespace {

TEST(CacheFolder, IsTheFirstThatIsNamed) {
  EXPECT_EQ(CacheFolder("/o", "/p", "/x", "/h"), "/o");
  EXPECT_EQ(CacheFolder("", "/p", "/x", "/h"), "/p");
  EXPECT_EQ(CacheFolder("", "", "/x", "/h"), "/x/parkeeper");
  EXPECT_EQ(CacheFolder("", "", "", "/h"), "/h/.cache/parkeeper");
  EXPECT_EQ(CacheFolder("", "", "", ""), "");
}

}  // namespace
}  // namespace pk
