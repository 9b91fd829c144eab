#pragma once

#include <memory>
#include <string>

#include "parkeeper/base/clock.h"
#include "parkeeper/storage/storage.h"

namespace pk::storage {

// Files in the memory of this process, under the root "memory://<name>". For tests, simulations and
// demos. `name` is a host's name, with a path behind it if you like; `clock` dates the files.
//
// As strict as a local folder: nothing below a file, no file where a folder is.
std::unique_ptr<Storage> MakeMemory(std::string name = "lake", Clock& clock = SystemClock());

}  // namespace pk::storage
