# SPDX-License-Identifier: MIT
"""report.py - medians, ratios, and the tables of bench/run."""

import csv
import os
import platform
import subprocess
from collections import defaultdict
from statistics import median

FIELDS = ["round", "row", "place", "peer", "value", "unit", "extra", "foreign", "error"]


class Results:
    """One sample for each (row, place, peer, round)."""

    def __init__(self):
        self.samples = []
        self.values = defaultdict(dict)  # (row, place, peer): {round: value}
        self.extras = defaultdict(list)  # (row, place, peer, key): values
        self.errors = defaultdict(list)

    def add(self, sample):
        self.samples.append(sample)
        key = (sample["row"], sample["place"], sample["peer"])
        if sample["error"]:
            self.errors[key].append(sample["error"])
            return
        self.values[key][int(sample["round"])] = float(sample["value"])
        for item in sample["extra"].split():
            name, _, number = item.partition("=")
            self.extras[key + (name,)].append(float(number))

    def save(self, path):
        with open(path, "w", newline="") as f:
            out = csv.DictWriter(f, FIELDS)
            out.writeheader()
            out.writerows(self.samples)

    @staticmethod
    def load(path):
        results = Results()
        with open(path, newline="") as f:
            for sample in csv.DictReader(f):
                results.add(sample)
        return results

    def ratio(self, row, place, base, peer, better):
        """(median of base/peer over the rounds that have both, rounds base won, rounds)"""
        a, b = self.values[row, place, base], self.values[row, place, peer]
        ratios = [a[r] / b[r] for r in a if r in b and b[r] > 0]
        if not ratios:
            return None
        won = sum(r > 1 if better == "higher" else r < 1 for r in ratios)
        return median(ratios), won, len(ratios)


def short(x):
    """Three digits and a letter."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(x) >= size * 0.9995:
            return f"{x / size:.3g}{letter}"
    return f"{x:.3g}" if abs(x) >= 0.01 else "0"


def times(ratio):
    if ratio >= 10:
        return f"{ratio:.3g}x" if ratio < 100 else f"{ratio:.0f}x"
    return f"{ratio:.2f}x" if ratio >= 0.1 else f"{ratio:.2g}x"


def cell(results, row, place, peer):
    key = (row.name, place, peer)
    values = sorted(results.values[key].values())
    if not values:
        return "failed" if results.errors[key] else ""
    text = short(median(values))
    base = next(iter(row.peers))
    if peer == base:
        quarter = len(values) // 4
        spread = (values[-1 - quarter] - values[quarter]) / 2 / max(median(values), 1e-9)
        text += f" ±{spread:.0%}"
    else:
        ratio = results.ratio(row.name, place, base, peer, row.better)
        if ratio and ratio[0] > 0:
            text += f" ({times(ratio[0])}, {ratio[1]}/{ratio[2]})"
    for name in row.extra.split():
        numbers = results.extras[key + (name,)]
        if numbers:
            text += f" {name} {short(median(numbers))}"
    if results.errors[key]:
        text += f" {len(results.errors[key])} failed"
    return text


def table(results, row):
    """A Markdown table with aligned columns: peers down, places across."""
    base = next(iter(row.peers))
    places = [p for p in row.places if any(results.values[row.name, p, x] or
              results.errors[row.name, p, x] for x in row.peers)]
    if not places:
        return ""
    lines = [["peer"] + places]
    for peer in row.peers:
        cells = [cell(results, row, p, peer) for p in places]
        if any(cells):
            lines.append([f"**{peer}**" if peer == base else peer] + cells)
    text = f"### {row.name}\n\n{row.title}; {row.better} is better.\n\n"
    return text + grid(lines, left=1)


def grid(lines, left):
    """Cells as a table; the first line is the head, the first `left` columns are words."""
    width = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = []
    for n, line in enumerate(lines):
        text.append("| " + " | ".join(c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in
                                      enumerate(zip(line, width))) + " |")
        if n == 0:
            text.append("|" + "|".join("-" * (w + 2) if i < left else "-" * (w + 1) + ":"
                                       for i, w in enumerate(width)) + "|")
    return "\n".join(text) + "\n"


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def cpu_model():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.lower().startswith(("model name", "cpu part")):
                return line.partition(":")[2].strip()
    return platform.machine()


def packages(names):
    lines = []
    for name in names:
        version = output_of("dpkg-query", "-W", "-f", "${Version}", name)
        if version:
            lines.append(f"{name} {version}")
    return ", ".join(lines)


def heading(conf):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = output_of("git", "-C", conf["source"], "rev-parse", "--short", "HEAD")
    return "\n".join([
        f"- machine: {cpu_model()}, {len(os.sched_getaffinity(0))} CPUs, {memory:.0f} GiB, "
        f"Linux {platform.release()}",
        f"- library: commit {commit or 'none yet'}",
        f"- compilers: {output_of('cc', '--version')}; {output_of('/usr/bin/rustc', '--version')};"
        f" {output_of('go', 'version')}",
        f"- peers: {packages(conf['packages'])}",
        f"- {conf['rounds']} rounds, windows of {conf['secs']} s; {conf['retaken']} samples taken "
        f"again, {conf['kept']} kept although other processes used the CPUs",
        "",
    ]) + "\n"
