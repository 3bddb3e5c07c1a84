#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tidy_test.py - each rule of tools/tidy can fail, and clean files pass."""
import os
import subprocess
import sys
import tempfile
import traceback

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TIDY = os.path.join(TOP, "tools", "tidy")
C = "/* SPDX-License-Identifier: MIT */\n"
PY = "# SPDX-License-Identifier: MIT\n"


def tidy(files):
    """Exit status and output for a tree of {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
        done = subprocess.run([sys.executable, TIDY, root], stdout=subprocess.PIPE,
                              universal_newlines=True)
        return done.returncode, done.stdout


def finds(files, *messages):
    status, output = tidy(files)
    assert status == 1, output
    for message in messages:
        assert message in output, f"{message!r} is not in:\n{output}"


def passes(files):
    status, output = tidy(files)
    assert status == 0, output
    assert output.endswith("0 findings\n"), output


def source(code, head=""):
    """A source of folder ring with its test."""
    return {"src/ring/a.c": C + head + code, "tests/unit/ring/a_test.c": C}


def table(*rows):
    return "/*\n" + "".join(f" *   {row}\n" for row in rows) + " */\n"


PAIR = table("R1   push: x_n    release  A1     the item", "A1   pop: x_n     acquire  R1")
STORE = "atomic_store_explicit(&n, 1, memory_order_release);"
LOAD = "atomic_load_explicit(&n, memory_order_acquire);"
RELAXED = "atomic_load_explicit(&n, memory_order_relaxed);\n"


def test_clean_tree_passes():
    passes(source(f"/* [R1] */\n{STORE}\n/* [A1] */\n{LOAD}\n/* relaxed: owner. */\n" + RELAXED,
                  PAIR))


def test_long_file_is_found():
    passes({"src/ring/a.h": C + "\n" * 499})
    finds({"src/ring/a.h": C + "\n" * 500}, "src/ring/a.h:501: 501 lines")


def test_long_function_is_found():
    passes({"src/ring/a.h": C + "void f(void)\n{\n" + "x;\n" * 68 + "}\n"})
    finds({"src/ring/a.h": C + "void f(void)\n{\n" + "x;\n" * 69 + "}\n"},
          "src/ring/a.h:3: a function of 71 lines")


def test_long_python_function_is_found():
    passes({"tools/a.py": PY + "def f():\n" + "    x = 1\n" * 69})
    finds({"tools/a.py": PY + "def f():\n" + "    x = 1\n" * 70}, "a function of 71 lines")


def test_python_that_does_not_parse_is_found():
    finds({"tools/a.py": PY + "def f(:\n"}, "tools/a.py:2: does not parse")


def test_wide_line_is_found():
    passes({"src/ring/a.h": C + "/*" + "x" * 96 + "*/\n"})
    finds({"src/ring/a.h": C + "/*" + "x" * 97 + "*/\n"}, "src/ring/a.h:2: 101 columns")


def test_columns_are_counted_in_characters():
    passes({"src/ring/a.h": C + "/*" + "\u00e9" * 96 + "*/\n"})


def test_missing_spdx_is_found():
    finds({"src/ring/a.h": "int a;\n"}, "src/ring/a.h:1: no SPDX line")
    finds({"meson.build": "project('x', 'c')\n"}, "meson.build:1: no SPDX line")


def test_script_without_suffix_is_read():
    finds({"tools/a": "#!/bin/sh\n\n"}, "tools/a:1: no SPDX line")


def test_white_space_at_line_end_is_found():
    finds({"src/ring/a.h": C + "int a; \n"}, "src/ring/a.h:2: white space")


def test_missing_newline_at_the_end_is_found():
    finds({"src/ring/a.h": C + "int a;"}, "src/ring/a.h:2: no newline")


def test_marks_are_found():
    for mark in ("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"):
        finds({"src/ring/a.h": C + f"/* {mark}: later */\n"}, "src/ring/a.h:2: left-over mark")


def test_switched_off_assertions_are_found():
    finds({"src/ring/a.h": C + "#ifdef N" "DEBUG\n#endif\n"}, "src/ring/a.h:2: assertions must")


def test_what_is_not_utf8_is_found():
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "src/ring"))
        with open(os.path.join(root, "src/ring/a.h"), "wb") as f:
            f.write(C.encode() + b"\xff\n")
        done = subprocess.run([sys.executable, TIDY, root], stdout=subprocess.PIPE)
        assert done.returncode == 1 and b"is not UTF-8" in done.stdout


def test_include_of_a_higher_layer_is_found():
    passes({"src/wait/a.h": C + '#include "ring/a.h"\n#include "wait/b.h"\n'})
    finds({"src/wait/a.h": C + '#include "channel/a.h"\n'}, "channel is above wait")
    finds({"src/ring/a.h": C + '#include "plat/a.h"\n'}, "plat is above ring")


def test_include_without_or_of_an_unknown_folder_is_found():
    finds({"src/wait/a.h": C + '#include "b.h"\n'}, 'say the folder, "wait/b.h"')
    finds({"src/wait/a.h": C + '#include "misc/b.h"\n'}, "folder misc is not in the list")
    finds({"src/misc/a.h": C + '#include "wait/b.h"\n'}, "folder misc is not in the list")


def test_public_header_that_includes_an_inner_one_is_found():
    passes({"include/sockstream/a.h": C + "#include <sockstream/b.h>\n"})
    finds({"include/sockstream/a.h": C + '#include "wait/b.h"\n'}, "a public header includes")


def test_source_without_test_is_found():
    finds({"src/ring/a.c": C}, "src/ring/a.c:1: no tests/unit/ring/a_test.c")
    finds({"src/ring/a.c": C, "tests/unit/wait/a_test.c": C}, "src/ring/a.c:1: no tests/unit")


def test_source_that_another_test_covers_passes():
    covers = "/* SPDX-License-Identifier: MIT */\n/* Covers: a.c b.c */\n#include <x.h>\n"
    passes({"src/ring/a.c": C, "src/ring/b.c": C, "tests/unit/ring/both_test.c": covers})
    finds({"src/ring/a.c": C, "tests/unit/ring/both_test.c": covers},
          "Covers: src/ring/b.c, which is not there")


def test_test_without_source_is_found():
    passes({"src/ring/a.h": C, "tests/unit/ring/a_test.c": C})
    finds({"tests/unit/ring/a_test.c": C}, "there is no src/ring/a.c or .h")


def test_source_or_test_that_is_not_listed_is_found():
    files = source("")
    files["src/meson.build"] = PY + "sources = files('ring/a.c')\n"
    files["tests/meson.build"] = PY + "unit_tests = {\n  'ring': ['a'],\n  'wait': ['b'],\n}\n"
    passes(files)
    files.update({"src/wait/c.c": C, "tests/unit/wait/c_test.c": C})
    finds(files, "src/wait/c.c:1: is not in the list of src/meson.build",
          "tests/unit/wait/c_test.c:1: is not in the list of tests/meson.build")


def test_access_without_order_is_found():
    for access in ("atomic_load(&n)", "atomic_fetch_add(&n, 1)",
                   "atomic_compare_exchange_weak(&n, &m, 1)", "atomic_flag_clear(&n)"):
        finds(source(f"x = {access};\n"), "src/ring/a.c:2: an atomic access without an order")


def test_access_in_a_comment_or_string_is_none():
    passes(source('/* atomic_load(&n) */\nconst char *s = "atomic_load(&n)";\n'))


def test_relaxed_without_reason_is_found():
    finds(source(RELAXED), "src/ring/a.c:2: relaxed, and no")
    finds(source("/* relaxed: because. */\n" + RELAXED), "relaxed, and no")
    finds(source("/* relaxed: owner. */\n" + "\n" * 4 + RELAXED), "relaxed, and no")


def test_every_reason_for_relaxed_passes():
    for why in ("owner", "hint", "stat", "count", "fence"):
        passes(source(f"/* relaxed: {why}, so it is. */\n" + RELAXED))
    passes(source(f"/* [R1] */\n{STORE}\n/* [A1] */\n{LOAD}\n\n\n\n\n\n"
                  "/* relaxed: stored before [R1]. */\n" + RELAXED, PAIR))


def test_ordered_access_without_tag_is_found():
    finds(source(STORE + "\n"), "src/ring/a.c:2: release without a [tag]")
    finds(source("atomic_thread_fence(memory_order_seq_cst);\n"), "seq_cst without a [tag]")


def test_access_over_several_lines_is_read_whole():
    code = "atomic_store_explicit(&n,\n    f(1),\n    memory_order_release);\n"
    finds(source(code), "src/ring/a.c:2: release without a [tag]")


def test_nested_access_is_judged_alone():
    code = ("/* relaxed: owner. */\natomic_store_explicit(&n, 1 +\n"
            "    atomic_load_explicit(&n, memory_order_acquire), memory_order_relaxed);\n")
    finds(source(code), "src/ring/a.c:4: acquire without a [tag]")


def test_tag_that_is_not_in_the_table_is_found():
    finds(source(f"/* [R9] */\n{STORE}\n"), "[R9] is not in the table")


def test_row_that_no_access_has_is_found():
    finds(source(f"/* [R1] */\n{STORE}\n", PAIR), "A1 is in the table but nowhere in the code")


def test_row_of_another_file_needs_no_access():
    rows = table("R1   push: x_n          release  A1     the item",
                 "A1   pop in b.h: x_n    acquire  R1")
    passes(source(f"/* [R1] */\n{STORE}\n", rows))


def test_pair_that_does_not_pair_back_is_found():
    code = f"/* [R1] */\n{STORE}\n\n\n\n\n\n/* [A1] */\n{LOAD}\n/* [A2] */\n{LOAD}\n"
    rows = table("R1   push    release  A2     x", "A1   pop     acquire  R1",
                 "A2   pop     acquire  R1")
    finds(source(code, rows), "A1 pairs with R1, but R1 does not pair back")
    passes(source(code, rows.replace("release  A2 ", "release  A1, A2 ")))


def test_pair_without_row_is_found():
    rows = table("R1   push    release  A1     x")
    finds(source(f"/* [R1] */\n{STORE}\n", rows), "R1 pairs with A1, which is not in the table")


def test_order_other_than_in_the_table_is_found():
    code = f"/* [R1] */\n{STORE}\n\n\n\n\n\n/* [A1] */\n{LOAD.replace('acquire', 'seq_cst')}\n"
    finds(source(code, PAIR), "seq_cst, but the table gives its tags another order")


def test_table_of_an_included_header_counts():
    files = {"src/ring/a.h": C + PAIR + f"/* [R1] */\n{STORE}\n",
             "src/ring/a.c": C + f'#include "ring/a.h"\n/* [A1] */\n{LOAD}\n',
             "tests/unit/ring/a_test.c": C}
    passes(files)
    files["src/ring/a.c"] = files["src/ring/a.c"].replace("ring/a.h", "ring/b.h")
    finds(files, "[A1] is not in the table", "A1 is in the table but nowhere")


def main():
    count = {"passed": 0, "failed": 0}
    for name, test in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            count["passed"] += 1
            print(f"[       OK ] {name[5:]}")
        except Exception:
            count["failed"] += 1
            print(f"[  FAILED  ] {name[5:]}")
            traceback.print_exc(file=sys.stdout)
    print(f"tidy: {count['passed']} passed, {count['failed']} failed, 0 skipped")
    return count["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
