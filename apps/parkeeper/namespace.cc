#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/parkeeper/file_arguments.h"

namespace pk::cli {
namespace {

namespace bj = boost::json;

struct Arguments {
  std::string name;
  std::vector<std::string> properties, removed;
};

Result<> Create(const Global& global, const Arguments& arguments) {
  const auto ns = PK_TRY(catalog::ParseNamespace(arguments.name));
  const auto properties = PK_TRY(ParseProperties(arguments.properties));
  const auto lake = PK_TRY(global.OpenLake(false));
  PK_TRY(lake->catalog().CreateNamespace(ns, properties));
  if (global.json) return PrintJson(bj::object{{"namespace", catalog::ToString(ns)}});
  return Print(fmt::format("created namespace {}", catalog::ToString(ns)));
}

Result<> List(const Global& global, const Arguments& arguments) {
  catalog::Namespace parent;
  if (!arguments.name.empty()) parent = PK_TRY(catalog::ParseNamespace(arguments.name));
  const auto lake = PK_TRY(global.OpenLake());
  bj::array names;
  std::string text;
  catalog::PageRequest request;
  do {
    const auto page = PK_TRY(lake->catalog().ListNamespaces(parent, request));
    for (const auto& ns : page.items) {
      names.emplace_back(catalog::ToString(ns));
      text += catalog::ToString(ns) + "\n";
    }
    request.token = page.next;
  } while (!request.token.empty());
  if (global.json) return PrintJson(bj::object{{"namespaces", std::move(names)}});
  return text.empty() ? Print("no namespaces") : Print(text);
}

Result<> Describe(const Global& global, const Arguments& arguments) {
  const auto ns = PK_TRY(catalog::ParseNamespace(arguments.name));
  const auto lake = PK_TRY(global.OpenLake());
  const auto properties = PK_TRY(lake->catalog().LoadNamespace(ns));
  if (global.json) {
    bj::object object;
    for (const auto& [name, value] : properties) object[name] = value;
    return PrintJson(
        bj::object{{"namespace", catalog::ToString(ns)}, {"properties", std::move(object)}});
  }
  std::string text = "namespace " + catalog::ToString(ns) + "\n";
  for (const auto& [name, value] : properties) text += fmt::format("  {} = {}\n", name, value);
  return Print(text);
}

Result<> Set(const Global& global, const Arguments& arguments) {
  const auto ns = PK_TRY(catalog::ParseNamespace(arguments.name));
  const auto properties = PK_TRY(ParseProperties(arguments.properties));
  const auto lake = PK_TRY(global.OpenLake());
  PK_TRY(lake->catalog().UpdateNamespace(ns, properties, arguments.removed));
  if (global.json) return PrintJson(bj::object{{"namespace", catalog::ToString(ns)}});
  return Print(fmt::format("set properties of namespace {}", catalog::ToString(ns)));
}

Result<> Drop(const Global& global, const Arguments& arguments) {
  const auto ns = PK_TRY(catalog::ParseNamespace(arguments.name));
  const auto lake = PK_TRY(global.OpenLake());
  PK_TRY(lake->catalog().DropNamespace(ns));
  if (global.json) return PrintJson(bj::object{{"dropped", catalog::ToString(ns)}});
  return Print(fmt::format("dropped namespace {}", catalog::ToString(ns)));
}

}  // namespace

void AddNamespaceCommand(CLI::App& app, const Global& global, Action& chosen) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("namespace", "create, list, describe, set, drop");
  command->require_subcommand(1)->fallthrough();
  command->footer(
      "Examples:\n  parkeeper namespace create sales.eu --property owner=ann\n"
      "  parkeeper namespace list");
  const auto add = [&](const char* name, const char* help, const char* example, auto run) {
    CLI::App* verb = command->add_subcommand(name, help);
    verb->fallthrough();
    verb->footer(fmt::format("Example:\n  parkeeper namespace {} {}", name, example));
    verb->callback([&chosen, &global, arguments, run] {
      chosen = [&global, arguments, run] { return run(global, *arguments); };
    });
    return verb;
  };
  CLI::App* create = add("create", "create a namespace; its parent must exist",
                         "sales.eu --property owner=ann", Create);
  create->add_option("name", arguments->name, "as in sales or sales.eu")->required();
  create->add_option("--property", arguments->properties, "name=value; may be repeated");
  CLI::App* list = add("list", "list the namespaces in one, or at the top", "sales", List);
  list->add_option("name", arguments->name, "the parent");
  CLI::App* describe = add("describe", "show the properties", "sales.eu", Describe);
  describe->add_option("name", arguments->name, "the namespace")->required();
  CLI::App* set =
      add("set", "set or remove properties", "sales.eu --property owner=bob --remove note", Set);
  set->add_option("name", arguments->name, "the namespace")->required();
  set->add_option("--property", arguments->properties, "name=value; may be repeated");
  set->add_option("--remove", arguments->removed, "a property's name; may be repeated");
  CLI::App* drop = add("drop", "drop an empty namespace", "sales.eu", Drop);
  drop->add_option("name", arguments->name, "the namespace")->required();
}

}  // namespace pk::cli
