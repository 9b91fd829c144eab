"""What PyIceberg reads in manifests and manifest lists, as JSON. The C++ tests dump the same form.

Bytes are hexadecimal, partition values single-value binary (table spec, Appendix D), a missing map or
list is an empty one.
"""
import binascii
import json
import sys
import types

import pyarrow


def add_snappy():
    """PyIceberg wants python-snappy for one codec; pyarrow has the same raw format."""
    snappy = types.ModuleType("snappy")
    snappy.compress = lambda data: pyarrow.compress(data, codec="snappy", asbytes=True)

    def decompress(data):
        size, shift = 0, 0
        for byte in data:
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        return pyarrow.decompress(data, decompressed_size=size, codec="snappy", asbytes=True)

    snappy.decompress = decompress
    sys.modules.setdefault("snappy", snappy)


add_snappy()

from pyiceberg.conversions import to_bytes  # noqa: E402
from pyiceberg.io.pyarrow import PyArrowFileIO  # noqa: E402
from pyiceberg.manifest import read_manifest_list  # noqa: E402
from pyiceberg.partitioning import PartitionSpec  # noqa: E402
from pyiceberg.schema import Schema  # noqa: E402


def hexed(value):
    return None if value is None else binascii.hexlify(value).decode()


def int_map(value):
    return {str(key): count for key, count in sorted((value or {}).items())}


def hex_map(value):
    return {str(key): hexed(bound) for key, bound in sorted((value or {}).items())}


def dump_entry(entry, partition_type):
    file = entry.data_file
    partition = []
    for position, field in enumerate(partition_type.fields):
        value = file.partition[position]
        partition.append(None if value is None else hexed(to_bytes(field.field_type, value)))
    return {
        "status": int(entry.status),
        "snapshot_id": entry.snapshot_id,
        "sequence_number": entry.sequence_number,
        "file_sequence_number": entry.file_sequence_number,
        "content": int(file.content or 0),
        "file_path": file.file_path,
        "file_format": str(file.file_format.value),
        "partition": partition,
        "record_count": file.record_count,
        "file_size": file.file_size_in_bytes,
        "column_sizes": int_map(file.column_sizes),
        "value_counts": int_map(file.value_counts),
        "null_counts": int_map(file.null_value_counts),
        "nan_counts": int_map(file.nan_value_counts),
        "lower_bounds": hex_map(file.lower_bounds),
        "upper_bounds": hex_map(file.upper_bounds),
        "key_metadata": hexed(file.key_metadata),
        "split_offsets": list(file.split_offsets or []),
        "equality_ids": list(file.equality_ids or []),
        "sort_order_id": file.sort_order_id,
    }


def dump_manifest_file(manifest):
    return {
        "manifest_path": manifest.manifest_path,
        "manifest_length": manifest.manifest_length,
        "partition_spec_id": manifest.partition_spec_id,
        "content": int(manifest.content or 0),
        "sequence_number": manifest.sequence_number or 0,
        "min_sequence_number": manifest.min_sequence_number or 0,
        "added_snapshot_id": manifest.added_snapshot_id,
        "added_files": manifest.added_files_count,
        "existing_files": manifest.existing_files_count,
        "deleted_files": manifest.deleted_files_count,
        "added_rows": manifest.added_rows_count,
        "existing_rows": manifest.existing_rows_count,
        "deleted_rows": manifest.deleted_rows_count,
        "partitions": [
            {
                "contains_null": bool(summary.contains_null),
                "contains_nan": summary.contains_nan,
                "lower": hexed(summary.lower_bound),
                "upper": hexed(summary.upper_bound),
            }
            for summary in manifest.partitions or []
        ],
        "key_metadata": hexed(manifest.key_metadata),
    }


def dump_manifest(manifest, schema, spec):
    io = PyArrowFileIO()
    partition_type = spec.partition_type(schema)
    entries = manifest.fetch_manifest_entry(io, discard_deleted=False)
    return [dump_entry(entry, partition_type) for entry in entries]


def dump_manifest_list(path):
    return [dump_manifest_file(m) for m in read_manifest_list(PyArrowFileIO().new_input(str(path)))]


def parse_schema(text):
    return Schema.model_validate_json(text)


def parse_spec(text):
    return PartitionSpec.model_validate_json(text)


def to_json(value):
    return json.dumps(value, indent=1, sort_keys=True)
