"""The rules of this repository that a machine can check. Usage: tidy.py LAYERS_TXT ROOT

Exits with 1 and one line per finding. LAYERS_TXT is written by CMake from the layer table.
"""
import pathlib
import re
import subprocess
import sys

from initializers import unsafe_tries

MAX_COLUMNS = 100
MAX_LINES = {".h": 300, ".cc": 800, ".py": 800, ".sh": 400, ".cmake": 200}
MAX_TEST_HEADER_LINES = 800
MAX_FUNCTION_LINES = 70
BANNED_NAMES = re.compile(r"(manager|helper|util|utils|common|misc|impl)s?(_test)?$")
BANNED_TYPE = re.compile(r"\b(?:class|struct|enum class)\s+\w*(?:Manager|Helper|Utils?|Common|Impl|Info)\b")
BANNED_TEXT = [
    (re.compile(r"\bsleep_for\b|\bsleep_until\b|\busleep\(|\bnanosleep\("), "sleeps; wait for an event or use a Clock"),
    (re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b"), "leaves work behind; do it or open an issue"),
    (re.compile(r"catch \(\.\.\.\)"), "swallows everything; catch what the library throws, in its adapter"),
    (re.compile(r"\bNOLINT\b(?!\()"), "silences clang-tidy without naming a check"),
    (re.compile(r"\bstd::regex\b"), "uses std::regex, which overflows the stack on long input"),
    (re.compile(r"using namespace std\b"), "imports a whole namespace"),
]
# Heavy or foreign headers stay in source files and *_internal.h of the layers named.
FOREIGN = [
    (re.compile(r"#include <(arrow|parquet)/"), {"datafile"}),
    (re.compile(r"#include <sqlite3\.h>"), {"coordination_sqlite"}),
]
LEAKS = re.compile(r"#include <(arrow/|parquet/|sqlite3|spdlog/|boost/(?!json/fwd))")
SOURCES = {".h", ".cc", ".py", ".sh", ".cmake", ".md", ".txt", ".json"}


def tracked_files(root):
    names = subprocess.run(
        ["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, check=False
    ).stdout.decode().split("\0")
    files = [root / name for name in names if name]
    if not files:  # a source archive without git
        files = [f for f in root.rglob("*") if f.is_file() and "build" not in f.parts and ".venv" not in f.parts]
    return sorted(f for f in files if f.is_file())


def read_layers(path):
    allowed = {}
    for line in path.read_text().splitlines():
        name, _, lower = line.partition(":")
        allowed[name] = {name, *lower.replace(";", " ").split()}
    return allowed


def check_includes(path, parts, lines, allowed):
    own = parts[1] if parts[0] == "parkeeper" and len(parts) > 2 else None
    public_header = own and path.suffix == ".h" and not path.stem.endswith("_internal")
    is_test = path.stem.endswith("_test") or parts[0] == "tests"
    for number, line in enumerate(lines, 1):
        seen = re.match(r'#include "(.*)"', line)
        if seen and own and not is_test:
            target = seen[1].split("/")
            if target[0] == "tests":
                yield number, "includes a test"
            if target[0] == "parkeeper" and target[1] not in allowed[own]:
                may = ", ".join(sorted(allowed[own]))
                yield number, f"layer {own} may not include {target[1]} (it may: {may})"
            if target[0] == "parkeeper" and target[1] != own and target[-1].endswith("_internal.h"):
                yield number, f"{target[-1]} is internal to {target[1]}"
        if public_header and LEAKS.match(line):
            yield number, "a public header leaks a library: move it to the source or to *_internal.h"
        for pattern, layers in FOREIGN:
            if pattern.match(line) and own not in layers and not is_test:
                yield number, f"only {', '.join(sorted(layers))} may include this library"


def check_functions(lines):
    """Function bodies end at a brace in the first column (or the second, in a class), as clang-format leaves them."""
    start = None
    for number, line in enumerate(lines, 1):
        if re.match(r"[A-Za-z~].*[^;]\{$|(?:  )?[A-Za-z~].*\) (const |override |noexcept )*\{$|    .*\) (const )?\{$", line):
            if start is None and not re.match(r"\s*(namespace|class|struct|enum|union|extern|template <class)\b", line):
                if line.startswith((" ", "\t")) and not line.startswith("    "):
                    continue
                start = number
        elif line == "}" and start is not None:
            if number - start + 1 > MAX_FUNCTION_LINES:
                yield start, f"function of {number - start + 1} lines (at most {MAX_FUNCTION_LINES})"
            start = None
        elif line.startswith("}"):
            start = None


def check_source(path, parts, text, allowed):
    lines = text.splitlines()
    limit = MAX_LINES.get(path.suffix)
    if path.suffix == ".h" and parts[0] == "tests":
        limit = MAX_TEST_HEADER_LINES
    if limit and len(lines) > limit:
        yield 1, f"{len(lines)} lines (at most {limit} in a {path.suffix} file)"
    if BANNED_NAMES.search(path.stem):
        yield 1, "a file name that says nothing; name the concept"
    for number, line in enumerate(lines, 1):
        width = len(line)
        if width > MAX_COLUMNS and path.suffix in {".h", ".cc", ".cmake", ".sh"} and "http" not in line:
            yield number, f"{width} columns (at most {MAX_COLUMNS})"
        if line != line.rstrip():
            yield number, "trailing white space"
        if path.name == "tidy.py":
            continue
        if path.suffix in {".h", ".cc"} and BANNED_TYPE.search(line) and not line.rstrip().endswith(";"):
            yield number, "a type name that says nothing; name the concept"
        for pattern, why in BANNED_TEXT:
            if pattern.search(line):
                yield number, why
    if path.suffix in {".h", ".cc"}:
        yield from check_includes(path, parts, lines, allowed)
        yield from check_functions(lines)
        for number in unsafe_tries(text):
            yield number, "PK_TRY behind another member of an initializer leaks that one: make a variable first"
        if path.suffix == ".h" and "#pragma once" not in text:
            yield 1, "#pragma once is missing"


def check_markdown(path, root, text):
    for number, line in enumerate(text.splitlines(), 1):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
            if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
                yield number, f"link to {target}, which does not exist"
        for named in re.findall(r"`((?:parkeeper|apps|tests|docs|tools|cmake|bench)/[\w./-]+)`", line):
            if not (root / named).exists():
                yield number, f"names {named}, which does not exist"


def findings(root, allowed):
    for path in tracked_files(root):
        parts = path.relative_to(root).parts
        if path.suffix not in SOURCES or "golden" in parts:
            continue
        text = path.read_text(errors="replace")
        if path.suffix == ".md":
            yield from ((path, *found) for found in check_markdown(path, root, text))
        elif path.suffix != ".json":
            yield from ((path, *found) for found in check_source(path, parts, text, allowed))


def main():
    layers, root = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    count = 0
    for path, number, what in findings(root, read_layers(layers)):
        print(f"{path.relative_to(root)}:{number}: {what}")
        count += 1
    if count:
        print(f"{count} findings", file=sys.stderr)
    return count > 0


if __name__ == "__main__":
    sys.exit(main())
