#include "parkeeper/base/cache_folder.h"

namespace pk {

std::string CacheFolder(std::string_view option, std::string_view parkeeper_cache,
                        std::string_view xdg_cache_home, std::string_view home) {
  if (!option.empty()) return std::string(option);
  if (!parkeeper_cache.empty()) return std::string(parkeeper_cache);
  if (!xdg_cache_home.empty()) return std::string(xdg_cache_home) + "/parkeeper";
  return home.empty() ? "" : std::string(home) + "/.cache/parkeeper";
}

}  // namespace pk
