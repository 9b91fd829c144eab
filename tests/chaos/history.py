"""What the writers wrote down, as operations. The files are those of history_file.h; times are nanoseconds of
CLOCK_MONOTONIC, one clock for all processes of the machine."""
import json
import pathlib
from dataclasses import dataclass, field


@dataclass
class Answer:
    """What one call said of an append."""
    outcome: str  # "committed", "rejected", "failed" (definitely not committed), "unknown"
    version: int | None = None
    metadata: str | None = None
    snapshot: int | None = None


@dataclass
class Append:
    """One commit id: every call with it, by whomever, is about one operation."""
    id: str
    writer: int
    number: int
    file: str
    doomed: bool  # made to be rejected
    begin: int    # of the first call
    end: int | None = None  # of the first definite answer; None: nobody was ever told
    calls: int = 0
    answers: list = field(default_factory=list)

    def told(self):
        """The first definite answer."""
        return next((a for a in self.answers if a.outcome != "unknown"), None)


@dataclass
class Read:
    """The table as a writer saw it behind a write barrier."""
    writer: int
    begin: int
    end: int
    version: int
    metadata: str
    snapshot: int | None


@dataclass
class History:
    appends: dict = field(default_factory=dict)  # by commit id
    reads: list = field(default_factory=list)


def events(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def add_process(history, lines):
    """The events of one file, which one process at a time wrote: a call without an answer is its last one before a
    death, or the last of all."""
    open_call = None
    answers = []
    for event in lines:
        kind = event["event"]
        if kind == "append":
            known = history.appends.setdefault(event["id"], Append(
                event["id"], event["writer"], event["number"], event["file"], event["doomed"], event["t"]))
            known.begin = min(known.begin, event["t"])
            known.calls += 1
            open_call = event
        elif kind == "read":
            open_call = event
        elif kind == "appended":
            assert open_call["id"] == event["id"], event
            answers.append((event["t"], event["id"], Answer(
                event["outcome"], event.get("version"), event.get("metadata"), event.get("snapshot"))))
            open_call = None
        elif kind == "had-read":
            assert open_call["event"] == "read", event
            if event["outcome"] == "read":
                history.reads.append(Read(open_call["writer"], open_call["t"], event["t"], event["version"],
                                          event["metadata"], event.get("snapshot")))
            open_call = None
    return answers


def load(folder):
    """All histories in the folder as one."""
    history = History()
    answers = []
    for path in sorted(pathlib.Path(folder).glob("*.history")):
        answers += add_process(history, events(path))
    for time, commit_id, answer in sorted(answers, key=lambda a: a[0]):
        append = history.appends[commit_id]
        append.answers.append(answer)
        if append.end is None and answer.outcome != "unknown":
            append.end = time
    return history
