# SPDX-License-Identifier: MIT
"""models.py - builds the programs of model/: for tools/model and tools/weaken.

Production code and the models are compiled with -fsanitize=thread, unchanged, and linked with the
explorer in place of the sanitizer's own library.
"""
import concurrent.futures
import os
import subprocess

# The explorer itself; every other source of model/ is a program.
ENGINE = ("depend", "explore", "hooks", "memory", "port", "private", "search", "shadow", "thread",
          "trace")
PRODUCTION = ("src/wait/gate.c", "src/wait/lock.c", "src/wait/turns.c", "src/channel/")

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wundef", "-Wmissing-prototypes"]
COMMON = ["-std=gnu11", "-g", "-D_GNU_SOURCE", "-DSKSI_MODEL"]
# The explorer sees calls, not what a compiler makes of memcpy.
WATCHED = ["-O1", "-fsanitize=thread", "-Wno-tsan", "-fno-builtin", "-Dmemcpy=model_memcpy",
           "-Dmemset=model_memset", "-Dmemmove=model_memmove"]


class Broken(Exception):
    """The compiler's words."""


def call(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Broken(" ".join(command) + "\n" + done.stdout)


class Models:
    """The objects and programs in `out`, of the sources in `top`; `tree` has src/ and include/ in
    place of top's, for a mutant."""

    def __init__(self, top, out, tree=None):
        self.top, self.out, self.tree = top, out, tree or top
        os.makedirs(out, exist_ok=True)
        self.names = sorted(n[:-2] for n in os.listdir(os.path.join(top, "model"))
                            if n.endswith(".c") and n[:-2] not in ENGINE)

    def production(self):
        found = []
        for place in PRODUCTION:
            if place.endswith(".c"):
                found.append(place)
            else:
                folder = os.path.join(self.tree, place)
                found += [place + n for n in sorted(os.listdir(folder)) if n.endswith(".c")]
        return found

    def compile(self, source, watched):
        top = self.tree if source.startswith("src/") else self.top
        target = os.path.join(self.out, source.replace("/", "_")[:-2] + ".o")
        call([os.environ.get("MODEL_CC", "gcc")] + COMMON + (WATCHED if watched else ["-O2"]) +
             WARNINGS + ["-I" + os.path.join(self.tree, "src"),
                         "-I" + os.path.join(self.tree, "include"),
                         "-I" + os.path.join(self.top, "model"),
                         "-MMD", "-c", os.path.join(top, source), "-o", target])
        return target

    def includes(self, source, header):
        """Does a source that was compiled here include this header, however far down?"""
        name = os.path.join(self.out, source.replace("/", "_")[:-2] + ".d")
        with open(name, encoding="utf-8") as f:
            return any(word.endswith("/" + header) for word in f.read().split())

    def build(self, jobs=2):
        """All of it.  Returns {name: program}."""
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            engine = [pool.submit(self.compile, f"model/{n}.c", False) for n in ENGINE]
            code = [pool.submit(self.compile, s, True) for s in self.production()]
            mains = {n: pool.submit(self.compile, f"model/{n}.c", True) for n in self.names}
        self.engine = [f.result() for f in engine]
        self.code = [f.result() for f in code]
        self.mains = {n: f.result() for n, f in mains.items()}
        return {n: self.link(n) for n in self.names}

    def link(self, name):
        program = os.path.join(self.out, name)
        call(["gcc", "-o", program, self.mains[name]] + self.engine + self.code)
        return program
