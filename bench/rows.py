# SPDX-License-Identifier: MIT
"""rows.py - what is measured: one Row a table, the first peer of each is ours."""

from dataclasses import dataclass, field


@dataclass
class Row:
    name: str
    title: str
    better: str  # "higher" or "lower"
    places: list  # of "pin", "free", "one"
    peers: dict  # label: command line without place and secs
    extra: str = ""  # keys of what the peers print behind the value, shown too
    secs: float = 0  # 0: as the command line says
    only: dict = field(default_factory=dict)  # label: places, where not all


PIN, FREE, ONE = "pin", "free", "one"
ALL = [PIN, FREE, ONE]
RUST = ["crossbeam", "flume", "std"]
SPIN = ["boost", "ck", "atomic_queue"]
KERNEL = ["pipe", "unix", "seqpacket"]


def command(label, rest):
    """Command line of the peer called label for the workload in rest."""
    if label in RUST:
        return ["peer-rust", label] + rest
    if label.endswith("-many"):
        return ["peer-" + label[:-5]] + rest + ["api=many"]
    if label.endswith("-inplace"):
        return ["peer-" + label[:-8]] + rest + ["api=inplace"]
    return ["peer-" + label] + rest


def peers(labels, rest, rename=None):
    """{label: command}; rename gives a label another program."""
    rename = rename or {}
    return {l: command(rename.get(l, l), rest.split()) for l in labels}


def spsc(size):
    singles = ["ours", "ours-typed"] + SPIN + RUST + ["go", "mutex"] + KERNEL
    batches = ["ours-many", "ours-inplace", "boost-many", "mutex-many", "pipe-many", "unix-many"]
    return [
        Row(f"spsc{size}", f"one sender, one receiver, {size}-byte items, capacity 1024: items/s",
            "higher", ALL, peers(singles, f"spsc size={size} cap=1024")),
        Row(f"spsc{size}-many", "the same in batches of 64: items/s",
            "higher", ALL, peers(batches, f"spsc size={size} cap=1024 batch=64")),
    ]


def round_trips():
    busy = ["ours", "ours-stream", "line", "futex"] + SPIN + RUST + ["go", "mutex"] + KERNEL
    asleep = ["ours", "ours-stream", "futex"] + RUST + ["go", "mutex"] + KERNEL
    return [
        Row("rtt8", "round trip of 8 bytes, both sides waiting for nothing else: ns",
            "lower", ALL, peers(busy, "rtt cap=1024"), extra="mean sleeps"),
        Row("rtt8-sleep", "the same where each side works 50 us before it sends, so that the "
            "other one has gone to sleep; without the work: ns",
            "lower", ALL, peers(asleep, "rtt-sleep cap=1024 gap=50"), extra="sleeps"),
    ]


def many():
    rename = {"boost": "boost-mpmc", "ck": "ck-mpmc"}
    two = ["ours", "crossbeam", "flume", "go", "boost", "ck", "mutex"] + KERNEL
    four = [l for l in two if l != "ck"]  # it all but stops with more threads than CPUs
    return [
        Row("mpmc2x2", "two senders, two receivers, 8-byte items, capacity 1024: items/s",
            "higher", [PIN, FREE], peers(two, "mpmc senders=2 receivers=2", rename)),
        Row("mpmc4x4", "four senders, four receivers: items/s",
            "higher", [FREE], peers(four, "mpmc senders=4 receivers=4", rename)),
    ]


def rendezvous():
    labels = ["ours", "go"] + RUST
    return [
        Row("rendezvous", "one sender, one receiver, 8-byte items, capacity 0: items/s",
            "higher", ALL, peers(labels, "spsc cap=0")),
        Row("rendezvous-rtt", "round trip over two of those: ns",
            "lower", ALL, peers(labels, "rtt cap=0"), extra="mean sleeps"),
    ]


def selects():
    labels = ["ours", "crossbeam", "go"]
    rename = {"ours": "ours-select"}
    return [
        Row("select-rx4", "select over four receivers with a sender thread each: items/s",
            "higher", [PIN, FREE], peers(labels, "select-rx senders=4", rename)),
        Row("select-2s2r", "two threads, each selects over two sends and two receives: items/s",
            "higher", [PIN, FREE], peers(labels, "select-both", rename)),
    ]


def pairs():
    two = ["ours-stream", "ours", "boost"] + RUST + ["go", "mutex", "pipe", "unix", "seqpacket"]
    one = ["ours", "boost", "ck"] + RUST + ["go", "mutex", "pipe"]
    return [
        Row("churn-pair", "make a pair of two directions (capacity 16), one message each way, "
            "drop it: pairs/s", "higher", [PIN], peers(two, "churn dirs=2 cap=16")),
        Row("churn-chan", "the same with one direction: channels/s",
            "higher", [PIN], peers(one, "churn dirs=1 cap=16")),
        Row("bytes-pair", "memory of an idle pair of two directions, capacity 16, 8-byte items: "
            "bytes", "lower", [FREE], peers(two, "bytes dirs=2 cap=16"), extra="kernel"),
        Row("bytes-chan", "the same with one direction: bytes",
            "lower", [FREE], peers(one, "bytes dirs=1 cap=16"), extra="kernel"),
        Row("idle", "one thread blocked for an item and one for room: CPU ns they use "
            "per second (Go: the whole process)",
            "lower", [FREE],
            peers(["ours", "crossbeam", "go", "mutex", "unix", "pipe"], "idle cap=16"),
            extra="sleeps", secs=1),
    ]


def pipelines():
    out = []
    for cap in (1024, 64):
        rest = f"pipeline cap={cap}"
        row = Row(f"pipeline-{cap}", f"three stages, 8-byte items, links of {cap}: items/s",
                  "higher", [PIN, FREE], peers(["ours"], rest, {"ours": "ours-pipeline"}))
        row.peers["wired"] = command("ours-pipeline", ["pipeline-wired", f"cap={cap}"])
        row.peers.update(peers(["tbb", "crossbeam", "go"], rest))
        row.only["tbb"] = [FREE]
        out.append(row)
    return out


def all_rows():
    limits = [
        Row("memcpy", "64 KiB within the cache: bytes/s", "higher", [PIN],
            {"limits": ["peer-limits", "memcpy", "size=65536"]}),
        Row("getppid", "into the kernel and back: ns", "lower", [PIN],
            {"limits": ["peer-limits", "getppid"]}),
    ]
    return (limits + spsc(8) + spsc(64) + round_trips() + many() + rendezvous() + selects() +
            pairs() + pipelines())
