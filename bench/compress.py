# SPDX-License-Identifier: MIT
"""compress.py - our example sks-gzip against pigz: wall time, size, memory."""

import hashlib
import os
import subprocess
import tarfile
import time

ROOTS = ["/usr/share/doc", "/usr/include"]
PEERS = ["sks-gzip", "pigz"]
METRICS = [
    ("gzip-wall", "-p 2 -6 on a tar of texts and headers: seconds", "wall"),
    ("gzip-size", "the same: bytes of output", "size"),
    ("gzip-memory", "the same: most resident bytes", "memory"),
]


def corpus(path, limit):
    """Makes a tar of up to limit bytes, once; the same files in the same order."""
    if os.path.exists(path):
        return
    total = 0
    with tarfile.open(path + ".part", "w") as tar:
        for root in ROOTS:
            for folder, folders, names in os.walk(root):
                folders.sort()
                for name in sorted(names):
                    file = os.path.join(folder, name)
                    if os.path.islink(file) or not os.path.isfile(file):
                        continue
                    total += os.path.getsize(file) + 1024
                    if total > limit:
                        break
                    tar.add(file)
    os.rename(path + ".part", path)


def digest(command, path):
    with open(path, "rb") as f:
        p = subprocess.Popen(command, stdin=f, stdout=subprocess.PIPE)
        h = hashlib.sha256()
        while block := p.stdout.read(1 << 20):
            h.update(block)
        return h.hexdigest() if p.wait() == 0 else "failed"


class Compress:
    def __init__(self, build, quick):
        self.programs = {"sks-gzip": os.path.join(build, "examples", "sks-gzip"), "pigz": "pigz"}
        self.tar = os.path.join(build, "bench", "corpus-10.tar" if quick else "corpus-100.tar")
        self.limit = 10_000_000 if quick else 100_000_000
        self.out = os.path.join(build, "bench", "corpus.gz")
        self.digest = None
        self.checked = set()

    def missing(self):
        return [p for p in self.programs.values()
                if subprocess.run(["sh", "-c", 'command -v "$0"', p],
                                  capture_output=True).returncode != 0]

    def run(self, peer):
        """{metric: value}; raises RuntimeError when the output is wrong."""
        corpus(self.tar, self.limit)
        self.digest = self.digest or digest(["cat"], self.tar)
        with open(self.tar, "rb") as f, open(self.out, "wb") as g:
            t0 = time.monotonic()
            p = subprocess.Popen([self.programs[peer], "-p", "2", "-6"], stdin=f, stdout=g)
            peak = self.peak(p)
            status = p.wait()
            wall = time.monotonic() - t0
        if status != 0:
            raise RuntimeError(f"status {status}")
        if peer not in self.checked:
            if digest(["gzip", "-dc"], self.out) != self.digest:
                raise RuntimeError("the output is not the input")
            self.checked.add(peer)
        return {"wall": wall, "size": os.path.getsize(self.out), "memory": peak}

    @staticmethod
    def peak(p):
        """The most resident bytes since exec; wait4's figure begins with ours, before it."""
        most = 0
        while p.poll() is None:
            try:
                with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
                    lines = [x.split() for x in f if x.startswith("VmHWM")]
            except OSError:
                break
            most = max(most, int(lines[0][1]) * 1024 if lines else 0)
            time.sleep(0.005)
        return most
