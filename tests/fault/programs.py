#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""programs.py SHIM DIR - the examples in DIR, with each call of libc failing in turn.

  programs.py --skip REASON

A run has the n-th call of one name failing, n = 1, 2, ... until none failed, and then all from the
n-th on (tests/fault/shim.c).  Whatever fails, a program ends with status 0 and the right output, or
with another status and a message on standard error; it never crashes and never hangs.  sks-gzip -o
leaves no file under the final name unless it is whole, and none beside it.
"""
import concurrent.futures
import gzip
import os
import re
import subprocess
import sys
import tempfile
import time

HANG_S = 20
N_MAX = 400
CALLS = ("malloc", "calloc", "realloc", "posix_memalign", "pthread_create", "pthread_atfork",
         "sigaction", "eventfd", "membarrier", "open", "read", "write", "short write", "poll",
         "close", "rename", "rename,unlink", "write,unlink")


class Program:
    """One way to run a program."""

    def __init__(self, name, command, stdin=None, env=None):
        self.name, self.command, self.stdin, self.env = name, command, stdin, env or {}
        self.expected = None
        self.receipt = "--receipt" in command

    def right(self, out):
        return out == self.expected

    def files_wrong(self, work, good):
        return None


class Shutdown(Program):
    """Its numbers depend on the time; none is right, too, when the flag was first."""

    def right(self, out):
        found = re.search(rb"sent (\d+), count = (\d+), sum = (\d+)\n\Z", out)
        if not found:
            return False
        sent, count, total = map(int, found.groups())
        return sent == count and total == count * (count + 1)


class Gzip(Program):
    """Standard output."""

    def __init__(self, name, command, plain, **more):
        super().__init__(name, command, **more)
        self.plain = plain

    def right(self, out):
        return self.unpacked(out)

    def unpacked(self, packed):
        try:
            return gzip.decompress(packed) == self.plain
        except (OSError, EOFError):
            return False


class GzipFile(Gzip):
    """-o out.gz"""

    def right(self, out):
        return out == b""

    def files_wrong(self, work, good):
        path = os.path.join(work, "out.gz")
        if not os.path.exists(path):
            return "there is no output" if good else None
        with open(path, "rb") as f:
            whole = self.unpacked(f.read())
        return None if whole else "the output is not whole"


def run(program, shim, call, n, on):
    """(how many calls failed, what is wrong or None)"""
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryFile() as faults:
        env = dict(os.environ, LD_PRELOAD=shim, NO_COLOR="1", FAULT_FD=str(faults.fileno()))
        env.update(program.env)
        if call:
            env.update(FAULT_CALL=call, FAULT_N=str(n), FAULT_FROM="1" if on else "0")
        try:
            done = subprocess.run(program.command, cwd=work, env=env, input=program.stdin or b"",
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=HANG_S, pass_fds=[faults.fileno()])
        except subprocess.TimeoutExpired as e:
            return 1, f"it hangs\n{(e.stderr or b'').decode()}"
        met = os.fstat(faults.fileno()).st_size
        good = done.returncode == 0
        wrong = program.files_wrong(work, good)
        if good and program.receipt and not re.search(rb"pipeline sks-gzip|receipt", done.stderr):
            wrong = "exit status 0 without a receipt"
        left = [name for name in os.listdir(work) if ".part." in name]
        if done.returncode < 0:
            wrong = f"killed by signal {-done.returncode}"
        elif not good and not met:
            wrong = f"exit status {done.returncode}, and nothing has failed"
        elif not good and not done.stderr.strip():
            wrong = f"exit status {done.returncode} without a message"
        elif good and not program.right(done.stdout):
            wrong = "exit status 0, and the output is wrong"
        elif left and not (call and "unlink" in call):
            wrong = f"left behind: {left[0]}"
        if wrong:
            wrong += "\n" + done.stderr.decode(errors="replace")
        return met, wrong


def sweep_call(program, shim, call):
    """(runs, calls that failed, [what is wrong])"""
    runs, total, findings = 0, 0, []
    for on in (False, True):
        for n in range(1, N_MAX):
            met, wrong = run(program, shim, call, n, on)
            runs += 1
            total += met
            if wrong:
                findings.append(f"{program.name}: {call} fails, n = {n}"
                                f"{' and on' if on else ''}: {wrong}")
            if not met or len(findings) > 3:
                break
    return runs, total, findings


def programs(directory):
    plain = b"".join(b"line %d of the text\n" % (i * i) for i in range(16000))  # three blocks
    pack = os.path.join(directory, "sks-gzip")
    log = {"SKS_LOG": "trace", "SKS_LOG_FORMAT": "json"}
    quiet = {"SKS_LOG": ""}
    found = [
        Program("basic_usage", ["basic_usage"], env=quiet),
        Program("basic_usage, log", ["basic_usage"], env=log),
        Program("multi_stage_pipeline", ["multi_stage_pipeline"], env=quiet),
        Shutdown("graceful_shutdown", ["graceful_shutdown"], env=quiet),
        Gzip("sks-gzip", [pack, "-p", "2", "--progress"], plain, stdin=plain, env=quiet),
        GzipFile("sks-gzip -o", [pack, "-p", "2", "--receipt", "-o", "out.gz", "-", "/dev/null"],
                 plain, stdin=plain, env=quiet),
    ]
    for program in found:
        program.command[0] = os.path.join(directory, program.command[0])
    return [p for p in found if os.path.exists(p.command[0])]


def full_device(program, shim):
    """What is wrong when there is no room for standard output."""
    env = dict(os.environ, LD_PRELOAD=shim, **program.env)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(program.command, env=env, input=program.stdin or b"", stdout=full,
                              stderr=subprocess.PIPE, timeout=HANG_S)
    if done.returncode <= 0 or not done.stderr:
        return f"exit status {done.returncode}, standard error: {done.stderr.decode()!r}"
    return None


def report(name, findings, note=""):
    """1 when it failed."""
    for finding in findings:
        print(finding)
    print(f"[{'  FAILED  ' if findings else '       OK '}] {name}{note}", flush=True)
    return bool(findings)


def main():
    if sys.argv[1] == "--skip":
        print(f"[  SKIPPED ] programs: {sys.argv[2]}")
        print("fault/programs: 0 passed, 0 failed, 1 skipped")
        return 0
    shim, directory = map(os.path.abspath, sys.argv[1:3])
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program in programs(directory):
            start = time.monotonic()
            if not isinstance(program, (Shutdown, Gzip)):
                program.expected = subprocess.run(program.command, stdout=subprocess.PIPE,
                                                  env=dict(os.environ, LD_PRELOAD=shim)).stdout
            wrong = run(program, shim, None, 0, False)[1]
            findings = [f"{program.name}: nothing fails: {wrong}"] if wrong else []
            runs, met, counts = 1, 0, []
            for call, one in zip(CALLS, pool.map(lambda c: sweep_call(program, shim, c), CALLS)):
                runs += one[0]
                met += one[1]
                findings += one[2]
                counts.append(f"{call} {one[1]}")
            if not met:
                findings.append(f"{program.name}: no call has failed; is the shim there?")
            note = f" ({runs} runs, {met} calls failed, {time.monotonic() - start:.1f} s)"
            if report(program.name, findings, note):
                failed += 1
            else:
                passed += 1
            print("  " + ", ".join(counts))
        for program in programs(directory):
            if isinstance(program, GzipFile) or "log" in program.name:
                continue
            wrong = full_device(program, shim)
            name = program.name + ", standard output is full"
            if report(name, [f"{name}: {wrong}"] if wrong else []):
                failed += 1
            else:
                passed += 1
    print(f"fault/programs: {passed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
