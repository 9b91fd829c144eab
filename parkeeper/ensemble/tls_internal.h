#pragma once

// Certificates for tests of TLS on 127.0.0.1, made by the program openssl.

#include <string>

#include "parkeeper/base/result.h"

namespace pk::ensemble {

// Puts into `folder`, unless they are there: ca.pem; server.pem and client.pem, each a key and its
// certificate for localhost and 127.0.0.1, signed by the key of ca.pem, good for ten years.
// kNotFound: no openssl on the PATH.
Result<> MakeCertificates(const std::string& folder);

}  // namespace pk::ensemble
