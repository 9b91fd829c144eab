#pragma once

#include <memory>
#include <string>

#include "parkeeper/storage/storage.h"

namespace pk::storage {

// Files in the memory of this process, under the root "memory://<name>". For tests, simulations and
// demos.
std::unique_ptr<Storage> MakeMemory(std::string name = "lake");

}  // namespace pk::storage
