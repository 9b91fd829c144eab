"""The judge: is what the writers were told true to what the coordinator and the table hold? Knows nothing of how it is
done; pure.

The table is one totally ordered history: the coordinator's records, version by version. So a history of calls is
linearizable when every answer agrees with the record of its version and the order of versions agrees with real time:
a call that ended before another began comes before it. On top of it an exact account: every acknowledged append is in
the table once, every rejected one not at all, every unknown one once or not at all, and the records say which.
"""
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Recorded:
    """What a record says of a commit id."""
    id: str
    committed: bool
    snapshot: int | None = None


@dataclass
class Record:
    metadata: str
    commits: list = field(default_factory=list)


@dataclass
class Evidence:
    """What is there in the end."""
    version: int  # of the head
    floor: int    # the oldest record kept
    records: dict  # version to Record
    snapshots: dict  # id to sequence number, those that the metadata still name
    current_snapshot: int | None
    files: list  # (path, snapshot id), each data file of the table as often as manifests name it
    rows: Counter  # (writer, number, row) to how often


def outcomes(evidence, say):
    """Commit id to (version, Recorded): what the first record naming it says. A later one may only repeat it."""
    found = {}
    for version in sorted(evidence.records):
        for recorded in evidence.records[version].commits:
            if recorded.id not in found:
                found[recorded.id] = (version, recorded)
            elif (recorded.committed, recorded.snapshot) != (
                    found[recorded.id][1].committed, found[recorded.id][1].snapshot):
                say(f"{recorded.id}: record {found[recorded.id][0]} and record {version} differ on it")
    return found


def check_records(evidence, say):
    missing = [v for v in range(evidence.floor, evidence.version + 1) if v not in evidence.records]
    if missing:
        say(f"records are missing: {missing[:5]}")
    beyond = [v for v in evidence.records if v > evidence.version]
    if beyond:
        say(f"records beyond the head: {beyond[:5]}")


def check_answers(history, evidence, found, say):
    """Each answer against the record, and all answers about one id against each other."""
    for append in history.appends.values():
        definite = [a for a in append.answers if a.outcome != "unknown"]
        if any(answer != definite[0] for answer in definite[1:]):
            say(f"{append.id}: was told {definite[0]} and {next(a for a in definite if a != definite[0])}")
        recorded_at, recorded = found.get(append.id, (None, None))
        for answer in definite:
            if answer.outcome == "committed":
                check_committed(append, answer, recorded_at, recorded, evidence, say)
            elif recorded is not None and recorded.committed:
                say(f"{append.id}: was {answer.outcome}, but record {recorded_at} says committed")
        if append.doomed and (recorded is not None and recorded.committed or
                              any(a.outcome == "committed" for a in definite)):
            say(f"{append.id}: was committed, and had to be rejected")
        # Who gave up waiting may have cancelled it, so that others are told of a rejection.
        nobody_gave_up = append.calls == len(append.answers) and all(a.outcome == "rejected" for a in append.answers)
        if not append.doomed and append.answers and nobody_gave_up:
            say(f"{append.id}: was rejected without a reason")
    for commit_id in found.keys() - history.appends.keys():
        say(f"{commit_id}: record {found[commit_id][0]} names it, but nobody made it")


def check_committed(append, answer, recorded_at, recorded, evidence, say):
    if recorded is None:
        if answer.version is None or answer.version >= evidence.floor:
            say(f"{append.id}: was told version {answer.version}, but no record names it")
        return
    if not recorded.committed:
        say(f"{append.id}: was told version {answer.version}, but record {recorded_at} says rejected")
        return
    if answer.version != recorded_at:
        say(f"{append.id}: was told version {answer.version}, but record {recorded_at} names it")
    if answer.snapshot != recorded.snapshot:
        say(f"{append.id}: was told snapshot {answer.snapshot}, but record {recorded_at} says {recorded.snapshot}")
    if answer.metadata != evidence.records[recorded_at].metadata:
        say(f"{append.id}: was told {answer.metadata}, but record {recorded_at} says "
            f"{evidence.records[recorded_at].metadata}")


def check_versions(history, evidence, say):
    """Without looking at records: two appends may be told one version only if they are of one snapshot."""
    told = {}
    for append in history.appends.values():
        answer = append.told()
        if answer is None or answer.outcome != "committed":
            continue
        first, snapshot = told.setdefault(answer.version, (append.id, answer.snapshot))
        if snapshot != answer.snapshot:
            say(f"version {answer.version} was told to {first} and to {append.id}, with other snapshots")
        if not 0 < answer.version <= evidence.version:
            say(f"{append.id}: was told version {answer.version}, but the head is at {evidence.version}")


def check_reads(history, evidence, say):
    for read in history.reads:
        record = evidence.records.get(read.version)
        if read.version > evidence.version:
            say(f"writer {read.writer} read version {read.version}, but the head is at {evidence.version}")
        elif record is not None and record.metadata != read.metadata:
            say(f"writer {read.writer} read {read.metadata} at version {read.version}, but its record says "
                f"{record.metadata}")


def timeline(history, found):
    """(begin, end, place in the order, name): appends of version v at 2v, reads of version v behind them at 2v + 1.
    What nobody was told has no end; what did not take effect has no place."""
    calls = [(read.begin, read.end, 2 * read.version + 1, f"the read of writer {read.writer} (version {read.version})")
             for read in history.reads]
    for append in history.appends.values():
        answer = append.told()
        version = None
        if append.id in found and found[append.id][1].committed:
            version = found[append.id][0]
        elif answer is not None and answer.outcome == "committed":
            version = answer.version
        if version is not None:
            calls.append((append.begin, append.end, 2 * version, f"{append.id} (version {version})"))
    return calls


def check_order(history, found, say):
    """Whoever began after another had ended comes after it: appends at a higher version, reads at none lower."""
    calls = sorted(timeline(history, found), key=lambda call: call[0])
    ended = sorted((call for call in calls if call[1] is not None), key=lambda call: call[1])
    latest = None  # of those that have ended, the one that is last in the order
    at = 0
    for begin, _, place, name in calls:
        while at < len(ended) and ended[at][1] < begin:
            if latest is None or ended[at][2] > latest[2]:
                latest = ended[at]
            at += 1
        is_read = place % 2 == 1
        if latest is not None and (latest[2] > place or latest[2] == place and not is_read):
            say(f"{name} began after the end of {latest[3]}, and is not behind it")


def in_effect(append, found, evidence):
    """Whether the append took effect; None: it cannot be told any more, once or not at all."""
    if append.id in found:
        return found[append.id][1].committed
    answer = append.told()
    if answer is not None:
        return answer.outcome == "committed"
    return None if evidence.floor > 1 else False


def check_files(history, evidence, found, say):
    counts = Counter(path for path, _ in evidence.files)
    snapshot_of = dict(evidence.files)
    known = {append.file: append for append in history.appends.values()}
    for path in counts.keys() - known.keys():
        say(f"{path} is in the table, but nobody wrote it")
    for path, append in known.items():
        took_effect = in_effect(append, found, evidence)
        if counts[path] > 1:
            say(f"{append.id}: its file is in the table {counts[path]} times")
        if took_effect is not None and bool(counts[path]) != took_effect:
            say(f"{append.id}: its file is {'not ' if took_effect else ''}in the table")
        answer = found[append.id][1] if append.id in found else append.told()
        if counts[path] and answer is not None and answer.snapshot != snapshot_of[path]:
            say(f"{append.id}: its file came with snapshot {snapshot_of[path]}, not {answer.snapshot}")


def check_rows(history, evidence, found, rows_each, say):
    rows = evidence.rows.copy()
    for append in history.appends.values():
        counts = [rows.pop((append.writer, append.number, row), 0) for row in range(rows_each)]
        took_effect = in_effect(append, found, evidence)
        allowed = {True: [1], False: [0], None: [0, 1]}[took_effect]
        if set(counts) not in [{count} for count in allowed]:
            say(f"{append.id}: of its rows are there {sorted(set(counts))}, not {' or '.join(map(str, allowed))}")
    if rows:
        say(f"rows of nobody: {list(rows.items())[:5]}")


def check_snapshots(evidence, found, say):
    """The order of snapshots is that of versions, and the last one is the table's."""
    last = (0, 0)
    for commit_id, (version, recorded) in sorted(found.items(), key=lambda item: item[1][0]):
        if not recorded.committed or recorded.snapshot not in evidence.snapshots:
            continue
        sequence = evidence.snapshots[recorded.snapshot]
        if version > last[0] and sequence <= last[1]:
            say(f"{commit_id}: snapshot {recorded.snapshot} of version {version} is not behind that of {last[0]}")
        last = (version, max(sequence, last[1]))
    if evidence.snapshots and evidence.snapshots.get(evidence.current_snapshot) != max(evidence.snapshots.values()):
        say("the table's snapshot is not its last one")


def judge(history, evidence, rows_each):
    """What is wrong, as sentences. Nothing: the history is linearizable and the account is exact."""
    findings = []
    say = findings.append
    found = outcomes(evidence, say)
    check_records(evidence, say)
    check_answers(history, evidence, found, say)
    check_versions(history, evidence, say)
    check_reads(history, evidence, say)
    check_order(history, found, say)
    check_snapshots(evidence, found, say)
    check_files(history, evidence, found, say)
    check_rows(history, evidence, found, rows_each, say)
    return findings
