"""PyIceberg reads manifests that Parkeeper wrote. Usage: read_manifests.py FOLDER

FOLDER/expected.json, written by the C++ test, says what must be found: "schema", "spec",
"manifests" and "lists", each with "file", and "line" (its line in the manifest list) and "entries",
or "manifests". Exits with 1 and the first difference.
"""
import json
import pathlib
import sys

import manifest_dump
from pyiceberg.manifest import ManifestContent, ManifestFile


def line_of(path, line):
    return ManifestFile.from_args(
        manifest_path=str(path),
        manifest_length=path.stat().st_size,
        partition_spec_id=line["partition_spec_id"],
        content=ManifestContent(line["content"]),
        sequence_number=line["sequence_number"],
        min_sequence_number=line["min_sequence_number"],
        added_snapshot_id=line["added_snapshot_id"],
    )


def compare(name, found, expected):
    if len(found) != len(expected):
        sys.exit(f"{name}: {len(found)} items, expected {len(expected)}")
    for position, (ours, theirs) in enumerate(zip(found, expected)):
        for key in theirs:
            if ours[key] != theirs[key]:
                sys.exit(f"{name}: item {position}: {key} is {ours[key]!r}, expected {theirs[key]!r}")


def main():
    folder = pathlib.Path(sys.argv[1])
    expected = json.loads((folder / "expected.json").read_text())
    schema = manifest_dump.parse_schema(expected["schema"])
    spec = manifest_dump.parse_spec(expected["spec"])
    for manifest in expected["manifests"]:
        path = folder / manifest["file"]
        found = manifest_dump.dump_manifest(line_of(path, manifest["line"]), schema, spec)
        compare(manifest["file"], found, manifest["entries"])
    for manifest_list in expected["lists"]:
        found = manifest_dump.dump_manifest_list(folder / manifest_list["file"])
        compare(manifest_list["file"], found, manifest_list["manifests"])
    print(f"{len(expected['manifests'])} manifests and {len(expected['lists'])} lists read as written")


if __name__ == "__main__":
    main()
