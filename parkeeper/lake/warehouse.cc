#include <fmt/format.h>

#include <boost/json.hpp>

#include "parkeeper/base/json.h"
#include "parkeeper/lake/warehouse_internal.h"
#include "parkeeper/storage/location.h"

namespace pk::lake {
namespace {

namespace bj = boost::json;

constexpr int kMaxAttempts = 5;

Result<std::string> Remembered(const std::string& text) {
  const bj::value value = PK_TRY(json::Parse(text).With(kWarehousePath));
  const bj::object& object = *PK_TRY(json::AsObject(value, kWarehousePath));
  return PK_TRY(json::String(object, "warehouse").With(kWarehousePath));
}

}  // namespace

Result<std::string> SettleWarehouse(coordination::Coordinator& coordinator,
                                    const std::string& given, bool may_make) {
  std::string root;
  if (!given.empty()) root = PK_TRY(storage::ParseRoot(given).With("the warehouse"));
  for (int attempt = 1;; ++attempt) {
    PK_TRY(coordinator.Sync());
    if (const auto node = PK_TRY(coordinator.Find(kWarehousePath))) {
      std::string remembered = PK_TRY(Remembered(node->value));
      PK_CHECK(root.empty() || root == remembered,
               FailedPrecondition(fmt::format("the lake's warehouse is {}, not {}: leave it out of "
                                              "the URL, or take another chroot",
                                              remembered, root)));
      return remembered;
    }
    PK_CHECK(may_make, NotFound("there is no lake yet; the first write makes one"));
    PK_CHECK(!root.empty(), InvalidArgument("a new lake needs a place for its data: add "
                                            "?warehouse=file:///dir to its URL"));
    const std::string value = bj::serialize(bj::object{{"warehouse", root}});
    const auto made = coordinator.Create(kWarehousePath, value);
    // Made by somebody else, or perhaps by us: the next look tells.
    const bool look_again = !made.ok() && (made.error().code() == ErrorCode::kAlreadyExists ||
                                           made.error().code() == ErrorCode::kOutcomeUnknown);
    PK_CHECK(made.ok() || (look_again && attempt < kMaxAttempts), made.error());
    if (made.ok()) return root;
  }
}

}  // namespace pk::lake
