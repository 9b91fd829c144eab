#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "parkeeper/ensemble/process_internal.h"
#include "parkeeper/ensemble/tls_internal.h"

namespace pk::ensemble {
namespace {

namespace fs = std::filesystem;

// Makes `folder`/`name`.key and `folder`/`name`.crt; signed by the CA unless it is the CA.
Result<> MakeCertificate(const std::string& folder, const std::string& name) {
  const std::string file = folder + "/" + name;
  const std::string ca = folder + "/ca";
  // Through env, which searches the PATH.
  Program openssl{
      .arguments = {"/usr/bin/env", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-keyout", file + ".key",
                    "-out", file + ".crt", "-subj", "/CN=parkeeper test " + name},
      .output_file = folder + "/openssl.log"};
  if (name != "ca") {
    for (const std::string& argument :
         {std::string("-CA"), ca + ".crt", std::string("-CAkey"), ca + ".key",
          std::string("-addext"), std::string("subjectAltName=DNS:localhost,IP:127.0.0.1"),
          std::string("-addext"), std::string("basicConstraints=critical,CA:FALSE")}) {
      openssl.arguments.push_back(argument);
    }
  }
  return RunToEnd(openssl).With("make certificates with openssl");
}

Result<> Concatenate(const std::vector<std::string>& parts, const std::string& file) {
  std::ofstream out(file, std::ios::binary);
  for (const std::string& part : parts) out << std::ifstream(part, std::ios::binary).rdbuf();
  out.close();
  PK_CHECK(out.good(), Unavailable(fmt::format("write {}", file)));
  return {};
}

}  // namespace

Result<> MakeCertificates(const std::string& folder) {
  std::error_code failure;
  if (fs::exists(folder + "/client.pem", failure)) return {};
  fs::create_directories(folder, failure);
  PK_CHECK(!failure, Unavailable(fmt::format("make folder {}: {}", folder, failure.message())));
  fs::permissions(folder, fs::perms::owner_all, failure);
  for (const char* name : {"ca", "server", "client"}) PK_TRY(MakeCertificate(folder, name));
  PK_TRY(Concatenate({folder + "/ca.crt"}, folder + "/ca.pem"));
  for (const char* name : {"server", "client"}) {
    const std::string file = folder + "/" + name;
    PK_TRY(Concatenate({file + ".key", file + ".crt"}, file + ".pem"));
  }
  return {};
}

}  // namespace pk::ensemble
