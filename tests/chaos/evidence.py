"""What is there in the end, read without any code of ours: the coordinator by kazoo, the table by PyIceberg, its rows
by pyarrow. docs/znodes.md says where things lie."""
import json
from collections import Counter

import pyarrow.parquet as pq
from kazoo.client import KazooClient
from pyiceberg.table import StaticTable

from judge import Evidence, Record, Recorded

ROWS_AT_ONCE = 500  # reads on their way to the servers


def table_path(client):
    """Of the only table of the lake."""
    heads = [f"/t/{bucket}/{key}" for bucket in client.get_children("/t") for key in client.get_children(f"/t/{bucket}")]
    head, = heads
    return head


def connected(hosts, timeout):
    client = KazooClient(hosts=hosts, timeout=30)
    client.start(timeout=timeout)
    return client


def read_records(client, head):
    """(head, records). A write goes first, for a read alone may be old; the head comes after the list of records, so
    that none of them can be beyond it."""
    client.create("/barrier", b"")
    client.delete("/barrier")
    names = sorted(client.get_children(f"{head}/r"))
    state = json.loads(client.get(head)[0])
    records = {}
    for first in range(0, len(names), ROWS_AT_ONCE):
        some = names[first:first + ROWS_AT_ONCE]
        for name, reply in zip(some, [client.get_async(f"{head}/r/{name}") for name in some]):
            body = json.loads(reply.get(timeout=60)[0])
            records[int(name)] = Record(body["metadata"], [
                Recorded(commit["id"], commit["committed"], commit.get("snapshot")) for commit in body["commits"]])
    return state, records


def read_rows(paths):
    rows = Counter()
    for path in paths:
        columns = pq.read_table(path.removeprefix("file://")).to_pydict()
        rows.update(zip(columns["writer"], columns["number"], columns["row"]))
    return rows


def gather(hosts):
    """`hosts` with the lake's chroot."""
    client = connected(hosts, 60)
    try:
        state, records = read_records(client, table_path(client))
    finally:
        client.stop()
        client.close()
    table = StaticTable.from_metadata(state["metadata"])
    snapshots = {s.snapshot_id: s.sequence_number for s in table.metadata.snapshots}
    current = table.current_snapshot()
    files = []
    for manifest in current.manifests(table.io) if current else []:
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            files.append((entry.data_file.file_path, entry.snapshot_id))
    return Evidence(version=state["n"], floor=state["floor"], records=records, snapshots=snapshots,
                    current_snapshot=current.snapshot_id if current else None, files=files,
                    rows=read_rows(path for path, _ in files))
