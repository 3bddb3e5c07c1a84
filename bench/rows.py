# SPDX-License-Identifier: MIT
"""rows.py - what is measured: one Row a table, the first peer of each is ours."""

import os
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
    once: bool = False  # in the first round only, whatever others do meanwhile
    only: dict = field(default_factory=dict)  # label: places, where not all


PIN, FREE, ONE = "pin", "free", "one"
ALL = [PIN, FREE, ONE]
RUST = ["crossbeam", "flume", "std"]
SPIN = ["boost", "ck", "rte", "atomic_queue"]
MESSAGE = ["glib", "zmq", "nng"]
KERNEL = ["pipe", "unix", "seqpacket"]
STEPS = 750  # of work_on() in c/harness.h: 1 us on this machine; row work-time says it of yours


def command(label, rest):
    """Command line of the peer called label for the workload in rest."""
    if label in RUST:
        return ["peer-rust", label] + rest
    if label.endswith("-many"):
        return ["peer-" + label[:-5]] + rest + ["api=many"]
    if label.endswith("-inplace"):
        batch = [] if any(r.startswith("batch=") for r in rest) else ["batch=1"]
        return ["peer-" + label[:-8]] + rest + ["api=inplace"] + batch
    return ["peer-" + label] + rest


def peers(labels, rest, rename=None):
    """{label: command}; rename gives a label another program."""
    rename = rename or {}
    return {l: command(rename.get(l, l), rest.split()) for l in labels}


def spsc(size):
    singles = (["ours", "ours-typed", "ours-inplace"] + SPIN + RUST + ["go", "mutex"] + MESSAGE +
               KERNEL)
    batches = ["ours-many", "ours-inplace", "boost-many", "rte-many", "mutex-many", "pipe-many",
               "unix-many"]
    return [
        Row(f"spsc{size}", f"one sender, one receiver, {size}-byte items, capacity 1024: items/s",
            "higher", ALL, peers(singles, f"spsc size={size} cap=1024")),
        Row(f"spsc{size}-many", "the same in batches of 64: items/s",
            "higher", ALL, peers(batches, f"spsc size={size} cap=1024 batch=64")),
    ]


def round_trips():
    busy = (["ours", "ours-stream", "line", "futex"] + SPIN + RUST + ["go", "mutex"] + MESSAGE +
            KERNEL)
    asleep = ["ours", "ours-stream", "futex"] + RUST + ["go", "mutex"] + MESSAGE + KERNEL
    return [
        Row("rtt8", "round trip of 8 bytes, both sides waiting for nothing else: ns",
            "lower", ALL, peers(busy, "rtt cap=1024"), extra="mean sleeps"),
        Row("rtt8-sleep", "the same where each side works 50 us before it sends, so that the "
            "other one has gone to sleep; without the work: ns",
            "lower", ALL, peers(asleep, "rtt-sleep cap=1024 gap=50"), extra="sleeps"),
    ]


def many():
    rename = {"boost": "boost-mpmc", "ck": "ck-mpmc"}
    four = ["ours", "crossbeam", "flume", "go", "boost", "rte-hts", "mutex", "glib"] + KERNEL
    # These two all but stop with more threads than CPUs.
    two = four[:6] + ["rte-mpmc", "ck"] + four[6:]
    return [
        Row("mpmc2x2", "two senders, two receivers, 8-byte items, capacity 1024: items/s",
            "higher", [PIN, FREE], peers(two, "mpmc senders=2 receivers=2", rename),
            only={"ck": [FREE], "rte-mpmc": [FREE]}),
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
    two = ["ours-stream", "ours", "boost"] + RUST + ["go", "mutex", "glib"] + KERNEL + ["nng"]
    one = ["ours", "boost", "ck", "rte"] + RUST + ["go", "mutex", "glib", "pipe"]
    out = [
        Row("churn-pair", "make a pair of two directions (capacity 16), one message each way, "
            "drop it: pairs/s", "higher", [PIN], peers(two, "churn dirs=2 cap=16")),
        Row("churn-chan", "the same with one direction: channels/s",
            "higher", [PIN], peers(one, "churn dirs=1 cap=16")),
        Row("bytes-pair", "memory of an idle pair of two directions, capacity 16, 8-byte items: "
            "bytes", "lower", [FREE], peers(two, "bytes dirs=2 cap=16"), extra="kernel"),
        Row("bytes-chan", "the same with one direction: bytes",
            "lower", [FREE], peers(one, "bytes dirs=1 cap=16"), extra="kernel"),
    ]
    out[2].peers["nng"] += ["pairs=1000"]
    return out


def idle():
    return [
        Row("idle", "one thread blocked for an item and one for room, for 10 s: CPU ns they use "
            "per second (Go: the whole process)",
            "lower", [FREE], peers(["ours", "crossbeam", "go", "mutex"], "idle cap=16"),
            extra="sleeps", secs=10, once=True),
        Row("idle-pipeline", "a pipeline of three stages that wait, for 10 s: CPU ns they use "
            "per second", "lower", [FREE], {"ours": command("ours-pipeline", ["idle"])},
            extra="sleeps", secs=10, once=True),
    ]


def stages(workload, cap, labels, rest=""):
    """{label: command} of peers of ours_pipeline.c; wired is by hand, over our channels."""
    rest = [f"cap={cap}"] + rest.split()
    out = {"ours": command("ours-pipeline", [workload] + rest),
           "wired": command("ours-pipeline", ["wired-" + workload] + rest)}
    out.update({l: command(l, [workload] + rest) for l in labels})
    return out


def pipelines():
    out = []
    for cap in (1024, 64):
        out.append(Row(f"pipeline-{cap}", f"three stages, 8-byte items, links of {cap}: items/s",
                       "higher", [PIN, FREE], stages("pipeline", cap, ["tbb", "crossbeam", "go"]),
                       only={"tbb": [FREE]}))
    out.append(Row("hop", "from source to sink over a link of 1024, 8-byte items: ns an item",
                   "lower", ALL, stages("hop", 1024, [])))
    # 64 items in flight: a window, tokens, or four workers with 16 a channel.
    work = Row("work", "three stages; four workers work about 1 us on each item, in order; "
               "64 in flight: items/s", "higher", [FREE], stages("work", 64, []))
    for label in ("wired", "crossbeam", "go"):
        rest = ["work", "cap=16", "workers=4", f"steps={STEPS}"]
        work.peers[label] = (command("ours-pipeline", ["wired-work"] + rest[1:])
                             if label == "wired" else command(label, rest))
    work.peers["ours"] += ["workers=4", f"steps={STEPS}"]
    for label, workers in (("tbb", 0), ("tbb-4", 4)):
        work.peers[label] = command("tbb", ["work", "cap=64", f"workers={workers}",
                                            f"steps={STEPS}"])
    cpus = len(os.sched_getaffinity(0))
    work.peers["limit"] = command("limits", ["work", f"workers={cpus}", f"steps={STEPS}"])
    return out + [work]


def bare():
    """What statistics and logging cost; ours-again is what two samples differ by anyway."""
    rest = "spsc size=8 cap=1024"
    return [Row("bare", "spsc8 again: as it is, and without statistics and logging compiled in: "
                "items/s", "higher", ALL,
                peers(["ours", "ours-again", "ours-bare"], rest, {"ours-again": "ours"}))]


def all_rows():
    limits = [
        Row("memcpy", "64 KiB within the cache: bytes/s", "higher", [PIN],
            {"limits": ["peer-limits", "memcpy", "size=65536"]}),
        Row("getppid", "into the kernel and back: ns", "lower", [PIN],
            {"limits": ["peer-limits", "getppid"]}),
        Row("work-time", "the work of an item in row work, one thread: ns", "lower", [FREE],
            {"limits": ["peer-limits", "work-time", f"steps={STEPS}"]}),
    ]
    return (limits + spsc(8) + spsc(64) + round_trips() + many() + rendezvous() + selects() +
            pairs() + idle() + pipelines() + bare())
