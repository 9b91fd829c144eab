#include <fmt/format.h>

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "parkeeper/base/json.h"
#include "parkeeper/catalog/links_internal.h"
#include "parkeeper/coordination/validate.h"

namespace pk::catalog {

using coordination::CheckOperation;
using coordination::CreateMode;
using coordination::CreateOperation;
using coordination::Operation;
using coordination::RemoveOperation;
using coordination::SetOperation;
using coordination::Transaction;

namespace {

namespace bj = boost::json;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

const std::string& PathOf(const Operation& operation) {
  return std::visit([](const auto& each) -> const std::string& { return each.path; }, operation);
}

std::string_view ValueOf(const Operation& operation) {
  return std::visit(Overloaded{[](const CreateOperation& o) { return std::string_view(o.value); },
                               [](const SetOperation& o) { return std::string_view(o.value); },
                               [](const auto&) { return std::string_view(); }},
                    operation);
}

Result<> Check(const std::vector<Operation>& operations) {
  PK_CHECK(operations.size() <= kMostLinks,
           InvalidArgument(fmt::format("more than {} links", kMostLinks)));
  const Transaction transaction = ToTransaction(operations);
  PK_TRY(coordination::ValidateTransaction(transaction).With("links"));
  PK_CHECK(coordination::RequestBytes(transaction) <= kMostLinkBytes,
           InvalidArgument(fmt::format("links of more than {} bytes", kMostLinkBytes)));
  for (const Operation& operation : operations) {
    const std::string& path = PathOf(operation);
    PK_CHECK(json::IsUtf8(path) && json::IsUtf8(ValueOf(operation)),
             InvalidArgument(fmt::format("the link at {} is not UTF-8", path)));
    PK_CHECK(!path.starts_with("/t/") && !path.starts_with("/ns"),
             InvalidArgument(fmt::format("the link at {} is on a node of the catalog", path)));
    const auto* create = std::get_if<CreateOperation>(&operation);
    PK_CHECK(create == nullptr || create->mode == CreateMode::kPersistent,
             InvalidArgument(fmt::format("the link at {} makes no persistent node", path)));
  }
  return {};
}

bj::array Encode(const std::vector<Operation>& operations) {
  bj::array array;
  for (const Operation& operation : operations) {
    array.push_back(std::visit(
        Overloaded{[](const CheckOperation& o) {
                     return bj::object{{"check", o.path}, {"version", o.version}};
                   },
                   [](const CreateOperation& o) {
                     return bj::object{{"create", o.path}, {"value", o.value}};
                   },
                   [](const SetOperation& o) {
                     return bj::object{{"set", o.path}, {"value", o.value}, {"version", o.version}};
                   },
                   [](const RemoveOperation& o) {
                     return bj::object{{"remove", o.path}, {"version", o.version}};
                   }},
        operation));
  }
  return array;
}

Result<Operation> DecodeOne(const bj::object& object) {
  if (const auto path = PK_TRY(json::OptionalString(object, "create"))) {
    std::string value = PK_TRY(json::String(object, "value"));
    return Operation(CreateOperation{.path = *path, .value = std::move(value)});
  }
  const int32_t version = PK_TRY(json::Int32(object, "version"));
  if (const auto path = PK_TRY(json::OptionalString(object, "check"))) {
    return Operation(CheckOperation{*path, version});
  }
  if (const auto path = PK_TRY(json::OptionalString(object, "remove"))) {
    return Operation(RemoveOperation{*path, version});
  }
  std::string path = PK_TRY(json::String(object, "set"));
  std::string value = PK_TRY(json::String(object, "value"));
  return Operation(SetOperation{std::move(path), std::move(value), version});
}

Result<std::vector<Operation>> DecodeList(const bj::object& object, std::string_view name) {
  std::vector<Operation> operations;
  for (const bj::value& each : *PK_TRY(json::Array(object, name))) {
    operations.push_back(PK_TRY(DecodeOne(*PK_TRY(json::AsObject(each, name)))));
  }
  return operations;
}

}  // namespace

Result<> CheckLinks(const CommitLinks& links) {
  PK_TRY(Check(links.if_committed));
  return Check(links.if_rejected);
}

Transaction ToTransaction(const std::vector<Operation>& operations) {
  Transaction transaction;
  for (const Operation& operation : operations) {
    std::visit(
        Overloaded{[&](const CheckOperation& o) { transaction.Check(o.path, o.version); },
                   [&](const CreateOperation& o) { transaction.Create(o.path, o.value, o.mode); },
                   [&](const SetOperation& o) { transaction.Set(o.path, o.value, o.version); },
                   [&](const RemoveOperation& o) { transaction.Remove(o.path, o.version); }},
        operation);
  }
  return transaction;
}

bj::object EncodeLinks(const CommitLinks& links) {
  return {{"if-committed", Encode(links.if_committed)}, {"if-rejected", Encode(links.if_rejected)}};
}

Result<CommitLinks> DecodeLinks(const bj::object& object) {
  CommitLinks links;
  links.if_committed = PK_TRY(DecodeList(object, "if-committed"));
  links.if_rejected = PK_TRY(DecodeList(object, "if-rejected"));
  PK_TRY(CheckLinks(links));
  return links;
}

}  // namespace pk::catalog
