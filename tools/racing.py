# SPDX-License-Identifier: MIT
"""racing.py - judges mutants by the unit tests of their folder under ThreadSanitizer: for
tools/weaken --tsan, where no model reaches."""
import glob
import os
import re
import shutil
import subprocess

TEST_S = 120


class Races:
    """A copy of the tree with a build of its own: a mutant costs one object and the links."""

    def __init__(self, top, folder):
        self.tree = os.path.join(folder, "tree")
        self.build = os.path.join(folder, "build")
        names = subprocess.run(["git", "-C", top, "ls-files"], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.split()
        for name in names:
            target = os.path.join(self.tree, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(os.path.join(top, name), target)
        self.call("meson", "setup", self.build, self.tree, "-Db_sanitize=thread", "-Dwerror=false")

    @staticmethod
    def call(*command):
        env = dict(os.environ, CC="gcc", CXX="g++")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=env)
        if done.returncode:
            raise SystemExit(" ".join(command) + "\n" + done.stdout)

    def tests(self, path):
        """{test: program} of the folder of a source."""
        place = os.path.basename(os.path.dirname(path))
        sources = glob.glob(os.path.join(self.tree, "tests/unit", place, "*_test.c"))
        return {f"{place}/{name}": f"tests/{place}_{name}_test"
                for name in sorted(os.path.basename(s)[:-len("_test.c")] for s in sources)}

    def judge(self, mutant):
        """Sets mutant.caught, as the models do."""
        path = os.path.join(self.tree, mutant.path)
        with open(path, encoding="utf-8") as f:
            before = f.readlines()
        lines = list(before)
        mutant.apply(lines)
        assert lines != before, mutant.key()
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(lines)
        try:
            mutant.caught = self.verdict(mutant)
        finally:
            with open(path, "w", encoding="utf-8") as f:
                f.writelines(before)

    def verdict(self, mutant):
        tests = self.tests(mutant.path)
        self.call("ninja", "-C", self.build, *tests.values())
        likely = re.sub(r"^test ([^:]*).*", r"\1", mutant.likely or "")
        for name in sorted(tests, key=lambda n: n != likely):
            said = self.run(tests[name])
            if said == "failed":  # a busy machine may be the reason: once more
                said = self.run(tests[name])
            if said == "took too long":
                mutant.notes.append(f"test {name} took more than {TEST_S} s")
            elif said:
                return f"test {name}: {said}"
        return None

    def run(self, program):
        # ThreadSanitizer of gcc 12 does not know the layouts that strong randomization gives.
        command = ["setarch", "-R", os.path.join(self.build, program)]
        env = dict(os.environ, SKS_TEST_TIMEOUT="6", TSAN_OPTIONS="halt_on_error=1")
        try:
            done = subprocess.run(command, env=env, timeout=TEST_S, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace")
        except subprocess.TimeoutExpired:
            return "took too long"
        if done.returncode == 0:
            return None
        return "data race" if "ThreadSanitizer: data race" in done.stdout else "failed"
