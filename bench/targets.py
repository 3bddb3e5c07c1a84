# SPDX-License-Identifier: MIT
"""targets.py - what sockstream is to reach, and whether a run did: one Target a line.

A ratio is the median over the rounds of ours/peer; with several peers, of the one whose
median is the best.  For "faster" it is turned so that more is better.
"""

from dataclasses import dataclass
from statistics import median

import report

RINGS = ["boost", "ck", "rte", "atomic_queue"]
BEST_RINGS = ["boost", "ck", "rte"]
CHANNELS = ["crossbeam", "flume", "std", "go", "mutex", "glib", "zmq", "nng", "pipe", "unix",
            "seqpacket"]
FIFO = ["boost", "ck", "rte-hts", "rte-mpmc", "crossbeam", "flume", "go", "mutex", "glib"]
WHERE = ["pin", "free", "one"]


@dataclass
class Target:
    name: str  # P1..P11
    row: str
    places: list
    peers: list  # the best of them counts; none: an absolute figure
    bound: float
    faster: bool = True  # ours at least `bound` times as good; else: ours/peer at most that
    ours: str = "ours"
    better: str = "higher"  # of the figure
    other_row: str = ""  # of the peers, where it is not the same
    extra: str = ""  # absolute: this key in place of the value


def targets():
    t = []
    for name, size in (("P1", 8), ("P2", 64)):
        row, many = f"spsc{size}", f"spsc{size}-many"
        t += [Target(name, row, WHERE, BEST_RINGS, 1.0),
              Target(name, row, WHERE, ["crossbeam"], 1.5), Target(name, row, WHERE, ["go"], 3),
              Target(name, row, WHERE, ["mutex"], 8),
              Target(name, many, WHERE, ["ours"], 2, ours="ours-many", other_row=row)]
    t += [
        Target("P2", "spsc64", WHERE, ["ours"], 1.0, ours="ours-inplace"),
        Target("P2", "spsc64-many", WHERE, ["ours-many"], 1.0, ours="ours-inplace"),
    ]
    lower = {"better": "lower"}
    most = {"better": "lower", "faster": False}
    two = ["pin", "free"]
    t += [
        Target("P3", "rtt8", two, RINGS, 1.0, **most),
        Target("P3", "rtt8", two, ["line"], 1.5, **most),
        Target("P3", "rtt8", two, ["unix"], 0.15, **most),
        Target("P3", "rtt8", ["one"], RINGS + CHANNELS, 1.0, **most),
        Target("P3", "rtt8-sleep", two, ["unix"], 1.0, **most),
        Target("P3", "rtt8-sleep", two, ["futex"], 1.1, **most),
        Target("P4", "mpmc2x2", two, FIFO, 1.0),
        Target("P4", "mpmc2x2", two, ["crossbeam"], 1.5),
        Target("P4", "mpmc4x4", ["free"], FIFO, 1.0),
        Target("P4", "mpmc4x4", ["free"], ["crossbeam"], 1.5),
        Target("P5", "rendezvous", WHERE, ["go", "crossbeam"], 1.5),
        Target("P5", "rendezvous-rtt", WHERE, ["go", "crossbeam"], 1.5, **lower),
    ]
    for row in ("select-rx4", "select-2s2r"):
        t += [Target("P6", row, two, ["crossbeam"], 1.5), Target("P6", row, two, ["go"], 2)]
    t += [
        Target("P7", "churn-pair", ["pin"], ["crossbeam"], 1.5, ours="ours-stream"),
        Target("P7", "churn-chan", ["pin"], ["crossbeam"], 1.5),
        Target("P7", "bytes-pair", ["free"], [], 600, ours="ours-stream", **most),
    ]
    for row in ("idle", "idle-pipeline"):
        t += [Target("P8", row, ["free"], [], 0, **most),
              Target("P8", row, ["free"], [], 0, extra="sleeps", **most)]
    t += [
        Target("P9", "pipeline-1024", ["free"], ["tbb"], 2),
        Target("P9", "pipeline-64", ["free"], ["tbb"], 2),
        Target("P9", "work", ["free"], ["tbb", "tbb-4"], 2),
        Target("P9", "hop", WHERE, ["wired"], 1.2, **most),
    ]
    for row, bound in (("gzip-wall", 1.0), ("gzip-size", 1.02), ("gzip-memory", 1.5)):
        t.append(Target("P10", row, ["free"], ["pigz"], bound, ours="sks-gzip", **most))
    t.append(Target("P11", "bare", WHERE, ["ours-bare"], 0.99))
    return t


def value(results, key):
    numbers = results.values[key].values()
    return median(numbers) if numbers else None


def best_peer(results, target, place):
    row = target.other_row or target.row
    found = [(value(results, (row, place, p)), p) for p in target.peers]
    found = [f for f in found if f[0]]
    if not found:
        return None
    return (max if target.better == "higher" else min)(found)[1]


def ratios(results, target, place, peer):
    """Of each round: how many times as good ours is, or ours/peer."""
    a = results.values[target.row, place, target.ours]
    b = results.values[target.other_row or target.row, place, peer]
    turn = target.faster and target.better == "lower"
    return [(b[r] / a[r] if turn else a[r] / b[r]) for r in a if b.get(r, 0) > 0 and a[r] > 0]


def absolute(results, target, place):
    key = (target.row, place, target.ours)
    got = results.extras[key + (target.extra,)] if target.extra else results.values[key].values()
    if not got:
        return None
    unit = " " + target.extra if target.extra else ""
    reached = max(got) <= target.bound if target.bound == 0 else median(got) <= target.bound
    return [report.short(max(got) if target.bound == 0 else median(got)) + unit, "",
            f"<= {target.bound:g}{unit}", "", reached]


def compared(results, target, place):
    peer = best_peer(results, target, place)
    found = ratios(results, target, place, peer) if peer else []
    if not found:
        return None
    ratio = median(found)
    sign, reached = (">=", ratio >= target.bound) if target.faster else ("<=",
                                                                         ratio <= target.bound)
    ours = value(results, (target.row, place, target.ours))
    theirs = value(results, (target.other_row or target.row, place, peer))
    best = "best: " if len(target.peers) > 1 else ""
    name = f"{best}{peer}" + (f" of {target.other_row}" if target.other_row else "")
    return [report.short(ours), f"{name} {report.short(theirs)}", f"{sign} {target.bound:g}x",
            report.times(ratio), reached]


def table(results):
    """Which targets were reached, of the rows that the results have."""
    lines, reached = [], 0
    for target in targets():
        for place in target.places:
            check = compared if target.peers else absolute
            found = check(results, target, place)
            if found is None and not results.values[target.row, place, target.ours]:
                continue
            found = found or ["", ", ".join(target.peers), "", "not measured", False]
            reached += found[-1]
            lines.append([target.name, target.row, place, target.ours] + found[:-1] +
                         ["yes" if found[-1] else "NO"])
    if not lines:
        return ""
    head = ["", "row", "place", "peer", "ours", "against", "target", "measured", "reached"]
    return (f"### targets\n\n{reached} of {len(lines)} reached.\n\n" +
            report.grid([head] + lines, left=4))
