#pragma once

// The folder of the user's in which fetched programs and libraries are kept.

#include <string>
#include <string_view>

namespace pk {

// The first of these that is not empty: `option`, $PARKEEPER_CACHE, $XDG_CACHE_HOME/parkeeper,
// ~/.cache/parkeeper; or "" when there is none. Pure.
std::string CacheFolder(std::string_view option, std::string_view parkeeper_cache,
                        std::string_view xdg_cache_home, std::string_view home);

}  // namespace pk
