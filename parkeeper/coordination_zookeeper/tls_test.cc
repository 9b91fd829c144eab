// TLS: whom the client trusts, and that it speaks the protocol inside.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "parkeeper/coordination_zookeeper/jute_internal.h"
#include "parkeeper/coordination_zookeeper/protocol_internal.h"
#include "parkeeper/coordination_zookeeper/zookeeper_coordinator.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_folder.h"

namespace pk::coordination::zookeeper {
namespace {

namespace asio = boost::asio;
using ::pk::testing::IsErrorWith;
using ::pk::testing::IsOk;
using std::chrono_literals::operator""s;

// A key and a certificate that signs itself, for `names` as in subjectAltName, in one PEM file.
void WriteIdentity(const std::string& file, const char* names) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, names);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate, key, EVP_sha256());
  FILE* out = std::fopen(file.c_str(), "w");
  PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_X509(out, certificate);
  std::fclose(out);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

// Attaches one client, if it likes the certificate, and answers its requests with success.
class TlsServer {
 public:
  // Clients must be of `client_ca`, unless it is empty.
  TlsServer(const std::string& identity, const std::string& client_ca)
      : context_(asio::ssl::context::tls_server),
        acceptor_(io_, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    context_.use_certificate_chain_file(identity);
    context_.use_private_key_file(identity, asio::ssl::context::pem);
    if (!client_ca.empty()) {
      context_.load_verify_file(client_ca);
      context_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    }
    connect_ = "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    thread_ = std::jthread([this] { Serve(); });
  }
  const std::string& connect() const { return connect_; }

 private:
  using Stream = asio::ssl::stream<asio::ip::tcp::socket>;

  void Serve() {
    boost::system::error_code error;
    Stream stream(io_, context_);
    acceptor_.accept(stream.next_layer(), error);
    stream.handshake(asio::ssl::stream_base::server, error);
    if (error || Receive(stream).empty()) return;
    JuteWriter attached;
    attached.Int(0);
    attached.Int(10'000);
    attached.Long(77);
    attached.String(std::string(16, 'p'));
    attached.Bool(false);
    Send(stream, attached.Take());
    for (std::string frame = Receive(stream); !frame.empty(); frame = Receive(stream)) {
      JuteWriter answer;
      answer.Int(JuteReader(frame).Int().value());
      answer.Long(1);
      answer.Int(0);
      Send(stream, answer.Take());
    }
  }
  static std::string Receive(Stream& stream) {
    boost::system::error_code error;
    std::string length(4, '\0');
    asio::read(stream, asio::buffer(length), error);
    if (error) return "";
    std::string frame(static_cast<size_t>(JuteReader(length).Int().value()), '\0');
    asio::read(stream, asio::buffer(frame), error);
    return error ? "" : frame;
  }
  static void Send(Stream& stream, const std::string& body) {
    JuteWriter frame;
    frame.String(body);
    boost::system::error_code ignored;
    asio::write(stream, asio::buffer(frame.Take()), ignored);
  }

  asio::io_context io_;
  asio::ssl::context context_;
  asio::ip::tcp::acceptor acceptor_;
  std::string connect_;
  std::jthread thread_;
};

class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteIdentity(server_, "IP:127.0.0.1");
    WriteIdentity(other_, "DNS:elsewhere.example");
    WriteIdentity(client_, "DNS:client.example");
  }
  std::string File(const char* name) const { return folder_.path() + "/" + name; }
  static Result<std::unique_ptr<Coordinator>> Open(const TlsServer& server, TlsOptions tls) {
    return OpenZooKeeper({.connect = server.connect(), .connect_timeout = 30s, .tls = tls});
  }

  pk::testing::TempFolder folder_;
  const std::string server_ = File("server.pem"), other_ = File("other.pem"),
                    client_ = File("client.pem");
};

TEST_F(Tls, SpeaksWithAServerOfATrustedAuthority) {
  const TlsServer server(server_, "");
  const auto opened = Open(server, {.ca_file = server_});
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT((*opened)->Remove("/n", kAnyVersion), IsOk());
}

TEST_F(Tls, RefusesACertificateThatDoesNotVerify) {
  const TlsServer server(server_, "");
  EXPECT_THAT(Open(server, {.ca_file = other_}),
              IsErrorWith(ErrorCode::kUnauthenticated, "verify"));
}

TEST_F(Tls, RefusesACertificateForAnotherHost) {
  const TlsServer server(other_, "");
  EXPECT_THAT(Open(server, {.ca_file = other_}),
              IsErrorWith(ErrorCode::kUnauthenticated, server.connect()));
}

TEST_F(Tls, TakesAnyCertificateWhenAskedNotToVerify) {
  const TlsServer server(other_, "");
  EXPECT_THAT(Open(server, {.ca_file = server_, .verify = false}), IsOk());
}

TEST_F(Tls, ShowsItsOwnCertificate) {
  const TlsServer server(server_, client_);
  EXPECT_THAT(Open(server, {.ca_file = server_, .certificate_file = client_, .key_file = client_}),
              IsOk());
}

TEST_F(Tls, AFileThatIsNoKeyIsABadArgument) {
  const TlsServer server(server_, "");
  EXPECT_THAT(Open(server, {.certificate_file = File("none.pem")}),
              IsErrorWith(ErrorCode::kInvalidArgument, "none.pem"));
  EXPECT_THAT(Open(server, {.ca_file = server_}), IsOk()) << "so that the server ends";
}

}  // namespace
}  // namespace pk::coordination::zookeeper
