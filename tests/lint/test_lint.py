# SPDX-License-Identifier: Apache-2.0
"""Every check of `make lint` fails on an input made to break it, and passes on the same made right."""
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lint  # noqa: E402
import measures  # noqa: E402
import named  # noqa: E402
import rules  # noqa: E402
import source  # noqa: E402
import symbols  # noqa: E402
import tools  # noqa: E402

SPDX = "SPDX-License-Identifier: Apache-2.0"
LONG_FUNCTION = "int long_one(int x)\n{\n" + "\tx++;\n" * 70 + "\treturn x;\n}\n"
SETTING = {"runtime/supervisor/config.h": "struct config {\n\tint port, scratch;\n\tchar name[8];\n};\n",
           "runtime/supervisor/config.c": "#define NUMBER(n) {#n, offsetof(struct config, n)}\n"}
MODEL, LIMITS = "docs/internals/barriers.md", "docs/internals/limits.md"
WALKS = "docs/internals/walks.md"
WALK = "## One\n| 1 | ebbd | `{}()` | x |\n| 2 | ebbd | `{}()` | y |\n"
WALKED = "void a(void)\n{\n\tc();\n}\nvoid c(void)\n{\n}\n"
MODELS = "docs/internals/threat-model.md"
A_MODEL = "## Assets\n\n## Attackers\n| attacker | x |\n|---|---|\n| {} | bytes |\n\n## Not defended\n"
BARRIER = "## Barriers\n| a wall | all | {} | {} |\n"
A_WALL = {MODEL: BARRIER.format("`netns/a.c`", "`test_x.py::test_there`").replace("| all |", "| a thief |"), "netns/a.c": "",
          "tests/integ/test_x.py": "def test_there(): pass\n"}

# check -> list of (what is wrong, files, part of the fault, the files made right, rules for the case)
CASES = {
    "layers": [("a library includes a program", {"runtime/base/a.c": '#include "runtime/wire/w.h"\n'},
                "runtime/base may not include runtime/wire", {"runtime/wire/a.c": '#include "runtime/base/b.h"\n'}, {})],
    "insides": [("over another header", {"netns/a_inside.h": "struct a { int b; };\n", "netns/a.h": '#include "netns/a_inside.h"\n',
                                         "images/a.c": '#include "netns/a.h"\n'}, "images/a.c: sees the inside of netns/a_inside.h, by netns/a.h",
                 {"netns/a_inside.h": "struct a { int b; };\n", "netns/a.c": '#include "netns/a_inside.h"\n', "netns/a.h": "struct a;\n",
                  "images/a.c": '#include "netns/a.h"\n'}, {}),
                ("a header that is named", {"netns/a.h": "", "images/a.c": '#include "netns/a.h"\n'}, "that is for netns",
                 {"netns/a.h": "", "netns/a.c": '#include "netns/a.h"\n'}, {"SEEN_BY": {"netns/a.h": ("netns",)}})],
    "libraries": [("a parser in the supervisor", {"runtime/supervisor/a.c": "#include <yajl/yajl_parse.h>\n"},
                   "belongs to", {"runtime/base/json_read.c": "#include <yajl/yajl_parse.h>\n"}, {})],
    "spdx": [("no licence", {"a.c": "int a;\n"}, "no SPDX", {"a.c": f"// {SPDX}\nint a;\n"}, {})],
    "readme": [("no README", {"netns/a.c": ""}, "missing", {"netns/README.md": "# netns\n"}, {"FOLDERS": ("netns",)}),
               ("a long README", {"netns/README.md": "x\n" * 41}, "41 lines", {"netns/README.md": "x\n" * 40},
                {"FOLDERS": ("netns",)})],
    "calls": [("sleep", {"runtime/api/a.c": "void f(void) { sleep(1); }\n"}, "sleep(): use",
               {"runtime/api/a.c": "void f(void) { g(\"sleep(1)\"); } /* sleep(1) */\n"}, {}),
              ("exit in a library", {"netns/a.c": "void f(void) { exit(1); }\n"}, "exit(): use",
               {"runtime/api/a.c": "void f(void) { exit(1); }\n"}, {})],
    "threat-model": [("no such test", {MODEL: BARRIER.format("`netns/a.c`", "`test_x.py::test_gone`"), "netns/a.c": "",
                                       "tests/integ/test_x.py": "def test_there(): pass\n"}, "test_x has no test test_gone",
                      {MODEL: BARRIER.format("`netns/a.c`", "`test_x.py::test_there`"), "netns/a.c": "",
                       "tests/integ/test_x.py": "def test_there(): pass\n"}, {}),
                     ("a barrier without a test", {MODEL: BARRIER.format("`netns/a.c`", "we looked"), "netns/a.c": ""},
                      "names a file and a test", {LIMITS: "| a | b | c | `netns/a.c` |\n", "netns/a.c": ""}, {}),
                     ("a model without attackers", {MODELS: "## Assets\n\n## Not defended\n"}, "no section Attackers",
                      {**A_WALL, MODELS: A_MODEL.format("a thief")}, {}),
                     ("an attacker without a barrier", {**A_WALL, MODELS: A_MODEL.format("a thief |  |\n| a liar")},
                      "no barrier is against a liar", {**A_WALL, MODELS: A_MODEL.format("a thief")}, {}),
                     ("a barrier against somebody else", {**A_WALL, MODELS: A_MODEL.format("a liar")}, "has no attacker a thief",
                      {**A_WALL, MODELS: A_MODEL.format("a thief")}, {}),
                     ("a row twice", {LIMITS: "| a | `netns/a.c` |\n| b | c |\n| a | d |\n", "netns/a.c": ""},
                      f"{LIMITS}:3: line 1 of the same table", {LIMITS: "| a | `netns/a.c` |\n| b | c |\n\n| a | d |\n", "netns/a.c": ""}, {})],
    "commit-safe": [("a path of a machine", {"a.md": "see /ho" "me/me/x\n"}, "somebody's machine", {"a.md": "see $HOME/x\n"}, {})],
    "file-length": [("601 lines", {"a.c": "\n" * 601}, "601 lines", {"a.c": "\n" * 600}, {})],
    "function-length": [("74 lines", {"a.c": LONG_FUNCTION}, "long_one: 74 lines", {"a.c": LONG_FUNCTION.replace("\tx++;\n", "", 4)},
                         {})],
    "globals": [("a counter at file scope", {"netns/a.c": "static int count;\n"}, "count: a variable",
                 {"netns/a.c": "static const int count = 1;\n"}, {})],
    "python": [("no Python", {"a.py": "def f(:\n"}, "a.py:1", {"a.py": "def f(): pass\n"}, {})],
    "circles": [("two files that call each other", {"netns/a.c": "void b(void); void a(void) { b(); }\n",
                                                    "netns/b.c": "void a(void); void b(void) { a(); }\n"},
                 "netns: a circle of 2 files: a.c b.c",
                 {"netns/a.c": "void b(void); void a(void) { b(); }\n", "netns/b.c": "void b(void) { }\n"}, {}),
                ("over three files and two rooms", {"runtime/gateway/ring/a.c": "void b(void); void a(void) { b(); }\n",
                                                    "runtime/gateway/body/b.c": "void c(void); void b(void) { c(); }\n",
                                                    "runtime/gateway/c.c": "void a(void); void c(void) { a(); }\n"},
                 "runtime/gateway: a circle of 3 files: body/b.c c.c ring/a.c",
                 {"runtime/gateway/ring/a.c": "void b(void); void a(void) { b(); }\n",
                  "runtime/gateway/body/b.c": "void b(void) { }\n"}, {}),
                ("a file that is not built", {"netns/a.c": "void a(void) { }\n", "netns/unbuilt.c": ""}, "is missing: run make",
                 {"netns/a.c": "void a(void) { }\n"}, {})],
    "links": [("declared by hand", {"runtime/base/a.c": "void b(void); void a(void) { b(); }\n", "runtime/wire/b.c": "void b(void) { }\n"},
               "runtime/base may not need b of runtime/wire",
               {"runtime/wire/a.c": "void b(void); void a(void) { b(); }\n", "runtime/base/b.c": "void b(void) { }\n"}, {}),
              ("a room above", {"runtime/gateway/ring/a.c": "void b(void); void a(void) { b(); }\n", "runtime/gateway/h2/b.c": "void b(void) { }\n"},
               "runtime/gateway/ring may not need b of runtime/gateway/h2",
               {"runtime/gateway/h2/a.c": "void b(void); void a(void) { b(); }\n", "runtime/gateway/ring/b.c": "void b(void) { }\n"}, {})],
    "dead-code": [("nobody calls it", {"netns/a.c": "void a(void) { }\n"}, "a(): nobody calls it",
                   {"netns/a.c": "void a(void) { }\n", "netns/b.c": "void a(void); int main(void) { a(); }\n"}, {}),
                  ("only tests call it", {"netns/a.c": "void a(void) { }\n", "tests/unit/test_a.c": "a();\n"}, "only tests call it",
                   {"netns/a.c": "void a_fini(void) { }\n", "tests/unit/test_a.c": "a_fini();\n"}, {}),
                  ("only its own file calls it", {"netns/a.c": "void a(void) { }\nint main(void) { a(); }\n"}, "make it static",
                   {"netns/a.c": "static void a(void) { }\nint main(void) { a(); }\n"}, {})],
    "machines": [("a state set in two files", {"runtime/api/a.c": "c->state = ONE;\n", "runtime/api/b.c": "c->state = TWO;\n"},
                  "c->state of runtime/api is set here and in 1 other", {"runtime/api/a.c": "c->state = ONE; c->state = TWO;\n",
                                                                       "runtime/api/b.c": "if (c->state == TWO) x.y = (struct s){.state = 1};\n"}, {}),
                 ("by another name", {"runtime/api/a.c": "f(struct conn *c) { c->state = ONE; }\n", "runtime/api/b.c": "g(struct conn *d) { d->state = TWO; }\n"},
                  "conn->state of runtime/api is set here", {"runtime/api/a.c": "f(struct conn *c) { c->state = ONE; }\n",
                                                             "runtime/api/b.c": "g(struct other *d) { d->state = TWO; }\n"}, {}),
                 ("by no name", {"runtime/api/a.c": "(&c[0])->state = ONE;\n"}, "without the name", {"runtime/api/a.c": "c->state = ONE;\n"}, {})],
    "one-place": [("a second loop", {"runtime/api/a.c": "fd = epoll_create1(0);\n"}, "epoll_create1(): the loop",
                   {"runtime/base/loop.c": "fd = epoll_create1(0);\n"}, {})],
    "tables": [("an array as long as the enum", {"netns/a.c": 'enum e { A, B, E_COUNT };\nconst char *n[E_COUNT] = {"a, }", "b"};\n'},
                "netns/a.c:2: n[] is indexed by an enum",
                {"netns/a.c": 'enum e { A, B, E_COUNT };\nconst char *n[E_COUNT] = {[A] = "a", [B] = "b"};\nint x[2] = {1, 2};\n'}, {}),
               ("an array that an enum indexes", {"netns/a.c": 'const char *n[] = {"a", "b"};\nf(enum e kind) { return n[kind]; }\n'},
                "n[] is indexed", {"netns/a.c": 'const char *n[] = {"a", "b"};\nf(int i) { return n[i]; }\n'}, {}),
               ("a macro's list is as good", {"netns/a.c": "enum e { A, B, E_COUNT };\nint n[E_COUNT] = {1, 2};\n"}, "n[]",
                {"netns/a.c": "enum e { ES(X) E_COUNT };\nint n[E_COUNT] = {ES(X)};\n"}, {})],
    "asserts": [("few of them", {"runtime/gateway/a.c": "int a;\n" * 200 + "must(x);\n"}, "1 asserts in 201 lines, at least 2",
                 {"runtime/gateway/a.c": "int a;\n" * 200 + "must(x);\nstatic_assert(y);\n"}, {})],
    "settings": [("a field without a reader", {**SETTING, "runtime/supervisor/a.c":
                                               "void f(const struct config *c) { g(c->port, c->name, d->scratch); }\n"},
                  "nothing reads scratch", {**SETTING, "runtime/supervisor/a.c":
                                            "void f(const struct config *c) { g(c->port, c->name, c->scratch); }\n"}, {})],
    "prose": [("a long line", {"docs/a.md": "x" * 111 + "\n"}, "111 columns", {"docs/a.md": "| " + "x" * 200 + " |\n\ny\n"}, {}),
              ("a long paragraph", {"docs/a.md": "word word word\n" * 31}, "docs/a.md:1: a paragraph of 93 words",
               {"docs/a.md": "word word word\n" * 15 + "\n" + "- word word\n" * 60 + "```\n" + "code code\n" * 50 + "```\n"}, {}),
              ("a number twice", {"docs/notes/0001-a.md": "", "docs/notes/0001-b.md": ""}, "has that number",
               {"docs/notes/0001-a.md": "a\n", "docs/notes/README.md": "[a](0001-a.md)\n"}, {}),
              ("not in the index", {"docs/notes/0001-a.md": "", "docs/notes/README.md": "none\n"}, "not in docs/notes/README.md", None, {}),
              ("a dead link", {"docs/a.md": "[b](b.md)\n"}, "no file b.md", {"docs/a.md": "[a](a.md#a)\n"}, {})],
    "words": [("in a comment of C", {"netns/a.c": "int a; /* what is left is lost */\n"}, "netns/a.c:1: a clause begins with a pronoun",
               {"netns/a.c": "int a; /* the rest is lost. (what: for messages; what=1) */\n"}, {}),
              ("on a later line", {"netns/a.c": "/* One goes.\n * Who waits goes on. */\n"}, "netns/a.c:2:",
               {"netns/a.c": "/* The clients\n * who wait go on. */\n"}, {}),
              ("behind the licence", {"a.policy": f"# {SPDX}\n# What it may ask.\n"}, "a.policy:2:",
               {"a.policy": f"# {SPDX}\n# The calls of a program, and\n# what they mean.\n"}, {}),
              ("in the middle", {"docs/a.md": "It is billed, so what\nwas used is known.\n"}, "a pronoun is the subject",
               {"docs/a.md": "It says what\nit used, and to whom.\n"}, {}),
              ("whoever", {"docs/a.md": "It belongs to whoever has it.\n"}, "a pronoun stands for a noun",
               {"docs/a.md": "The same, whatever its method.\n"}, {}),
              ("that which", {"docs/a.md": "All that which came\n"}, "two pronouns in a row", {"docs/a.md": "All that came\n"}, {}),
              ("a chain", {"docs/a.md": "Half of it and the end of it.\n"}, "a chain of", {"docs/a.md": "Half of it. The end of it.\n"}, {}),
              ("a page of a manual", {"docs/a.scd": "*a*\n\n\tIt goes; who comes waits.\n"}, "docs/a.scd:3", {"docs/a.scd": "*a*\n\n\tIt goes.\n"}, {}),
              ("a cell", {"docs/a.md": "| a | what it is |\n|---|---|\n| b | what is c |\n"}, "docs/a.md:3",
               {"docs/a.md": "## What to do\n\nWhat is b? **What then.** See [What is c](a.md).\n\n```\nwhat is d\n```\n"}, {}),
              ("a docstring", {"tests/a.py": 'def f():\n    """What is left."""\n'}, "tests/a.py:2",
               {"tests/a.py": '# A text\nX = "What is left of it."\n'}, {}),
              ("a text of the product", {"netns/a.c": 'f("what was " "asked is so");\n'}, "netns/a.c:1",
               {"netns/a.c": 'f("what", "%s is so, done as asked");\n'}, {}),
              ("a log line of Python", {"images/a.py": 'f(f"no {x}: what is there is kept")\n'}, "images/a.py:1",
               {"images/a.py": '# A text\nf("what it is")\n'}, {})],
    "walks": [("no such function", {WALKS: WALK.format("a", "b"), "netns/a.c": WALKED}, "no function b in ebbd", {WALKS: WALK.format("a", "c"),
               "netns/a.c": WALKED}, {}),
              ("of another program", {WALKS: WALK.format("a", "c"), "netns/a.c": WALKED.replace("c(", "d("), "runtime/api/c.c": "void c(void)\n{\n}\n"},
               "no function c in ebbd", None, {}),
              ("the wrong order", {WALKS: WALK.format("c", "a"), "netns/a.c": WALKED}, "a is called before c", None, {}),
              ("over another one", {WALKS: WALK.format("c", "a"), "netns/a.c": WALKED.replace("\tc()", "\td()"),
                                    "netns/d.c": "static void d(void)\n{\n}\n", "netns/e.c": "void d(void)\n{\n\tc();\n}\n"},
               "a is called before c", None, {}),
              ("one behind the other", {WALKS: WALK.format("a", "c"), "netns/a.c": WALKED.replace("\tc()", "\te()"),
                                        "netns/d.c": "void d(void)\n{\n\tc();\n\ta();\n}\n"}, "c is called before a",
               {WALKS: WALK.format("a", "c"), "netns/a.c": WALKED.replace("\tc()", "\te()"),
                "netns/d.c": "void d(void)\n{\n\ta();\n\tc();\n}\n"}, {}),
              ("a number left out", {WALKS: WALK.format("a", "c").replace("| 2", "| 3"), "netns/a.c": WALKED}, "row 2 has the number 3", None, {}),
              ("no row of a walk", {WALKS: WALK.format("a", "c") + "| x | `a()` |\n", "netns/a.c": WALKED}, "3 functions are named, 2", None, {}),
              ("too many", {WALKS: "## One\n" + "".join(f"| {n} | ebbd | `a()` | x |\n" for n in range(1, 14)), "netns/a.c": WALKED},
               "names 13 functions", None, {})],
    "drawings": [("a table in a comment", {"netns/a.c": "/*\n *  GET    /x     a page\n *  PUT    /y     another page\n */\n"},
                  "netns/a.c:2: a drawing", {"netns/a.c": "/* clang-format off */\n/*\n *  GET    /x     a page\n *  PUT    /y     another page\n"
                                             " */\n/* clang-format on */\n/* words and  words\n * more words */\n"}, {})],
    "paths": [("in a comment of C", {"netns/a.c": "/* as netns/gone.c does */\n"}, "there is no netns/gone.c",
               {"netns/a.c": '/* as netns/a.c and a.c do, and /etc/passwd, and NAME.c */ f("netns/gone.c");\n'}, {}),
              ("a bare name", {"netns/a.c": "int x; /* (gone.c) */\n"}, "there is no gone.c", {"netns/a.c": "int x; /* (a.c) */\n"}, {}),
              ("in a page", {"docs/a.md": "see `tests/integ/test_gone.py`\n"}, "test_gone.py",
               {"docs/a.md": "see `docs/notes/0001` and `docs/a.md`\n", "docs/notes/0001-x.md": ""}, {}),
              ("in a text of Python", {"tests/a.py": 'def f():\n    """As netns/gone.c."""\n'}, "tests/a.py:2: there is no netns/gone.c",
               {"tests/a.py": 'PATH = "netns/gone.c"  # not tests/a.py\n'}, {})],
    "under-filters": [("too few lines", {"docs/internals/system-calls.md": "| ebb-a | 9 | 1 | 89.9 % | 1 |\n"}, "ebb-a ran 89.9 %",
                       {"docs/internals/system-calls.md": "| ebb-a | 9 | 1 | 90.0 % | 1 |\n"}, {}),
                      ("no row", {"docs/internals/system-calls.md": "| ebb-a | 9 | 1 | 90.0 % | 1 |\n", "runtime/b/seccomp.policy": ""},
                       "ebb-b has a filter and no row", {"docs/internals/system-calls.md": "| ebb-b | 9 | 1 | 90.0 % | 1 |\n"}, {}),
                      ("no table", {"docs/internals/system-calls.md": "none\n"}, "no table", None, {})],
    "generated": [("an old document", {"Makefile": "docs-check:\n\t@echo 'docs/a.md is old: run make docs'; false\n", "tests/docs/generate.py": ""},
                   "run make docs", {"Makefile": "docs-check:\n", "tests/docs/generate.py": '    "docs/a.md": x\n'}, {}),
                  ("no way to look", {"Makefile": "", "tests/docs/generate.py": ""}, "make docs-check", None, {})],
    "proofs": [("or True", {"tests/a.py": "assert f() or True\n"}, "or with a constant", {"tests/a.py": "assert f() or g()\n"}, {}),
               ("a tuple", {"tests/a.py": 'assert (f(), "why")\n'}, "a tuple is true", {"tests/a.py": 'assert f(), "why"\n'}, {}),
               ("all of nothing", {"tests/a.py": "assert all(f(x) for x in y if x)\n"}, "true of nothing",
                {"tests/a.py": "z = [x for x in y if x]\nassert z and all(f(x) for x in z)\n"}, {}),
               ("a sleep", {"tests/a.py": "throughout(1, lambda: None, 1)\n"}, "is a sleep", {"tests/a.py": "assert throughout(1, lambda: f())\n"}, {}),
               ("any error", {"tests/a.py": "with pytest.raises(Exception): f()\n"}, "name the error",
                {"tests/a.py": "assert 1 < x\nwith pytest.raises(OSError): f()\n"}, {}),
               ("passed over", {"tests/a.py": "try: f()\nexcept Exception: pass\n"}, "every error is passed over",
                {"tests/a.py": "assert x\ntry: f()\nexcept OSError: pass\n"}, {}),
               ("in a thread", {"tests/a.py": "def f():\n    assert x\nThread(target=f).start()\n"}, "fails no test",
                {"tests/a.py": "def f():\n    y.append(x)\nThread(target=f).start()\nassert y == [x]\n"}, {})],
    "shellcheck": [("an unquoted word", {"a.sh": "#!/bin/sh\nrm $1\n"}, "SC2086", {"a.sh": '#!/bin/sh\nrm "$1"\n'}, {})],
    "manuals": [("a table that is indented", {"a.1.scd": "a(1)\n\n# NAME\n\n\t[a\n"}, "Tables cannot be indented",
                 {"a.1.scd": "a(1)\n\n# NAME\n\na\n"}, {})],
    "clang-format": [("spaces", {"a.c": "int a;\nint   b;\n"}, "a.c:2", {"a.c": "int a;\nint b;\n"}, {})],
    "headers": [("a header that needs another", {"netns/a.h": "uint32_t a(void);\n"}, "uint32_t",
                 {"netns/a.h": "#include <stdint.h>\nuint32_t a(void);\n"}, {})],
    "warnings-gcc": [("an unused variable", {"netns/a.c": "int f(void);\nint f(void) { int x; return 1; }\n"}, "unused variable",
                      {"netns/a.c": "int f(void);\nint f(void) { return 1; }\n"}, {})],
    "warnings-clang": [("an unused variable", {"netns/a.c": "int f(void);\nint f(void) { int x; return 1; }\n"}, "unused variable",
                        {"netns/a.c": "int f(void);\nint f(void) { return 1; }\n"}, {})],
    "cppcheck": [("beyond the end", {"netns/a.c": "int f(void) { int a[2] = {1, 2}; return a[2]; }\n"}, "arrayIndexOutOfBounds",
                  {"netns/a.c": "int f(void) { int a[2] = {1, 2}; return a[1]; }\n"}, {})],
    "clang-tidy": [("the same on both sides", {"netns/a.c": "int f(int);\nint f(int a) { return a > 1 && a > 1; }\n"}, "redundant",
                    {"netns/a.c": "int f(void);\nint f(void) { return 1; }\n"}, {})],
}
BUILT = ("circles", "links", "dead-code")
CHECKS = {name: check for name, _, check in lint.CHECKS}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A function that makes a project of the given files, with objects where they are asked for, and returns it."""
    monkeypatch.setattr(tools, "CFLAGS", ["-std=gnu11", "-I.", "-Wall", "-Wextra", "-Werror"])
    monkeypatch.setattr(symbols, "OBJECTS", "build/release/obj")
    with open(".clang-tidy", encoding="utf-8") as file:
        tidy = file.read()
    with open(".clang-format", encoding="utf-8") as file:
        style = file.read()

    def make(name, files, built=False):
        top = tmp_path / name
        always = {".clang-tidy": tidy, ".clang-format": style, "tests/lint/cppcheck.txt": "", "docs/notes/README.md": "#\n",
                  **dict.fromkeys(named.PAGES, "")}
        for path, text in {**always, **files}.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text, encoding="utf-8")
        monkeypatch.chdir(top)
        for path in files if built else ():
            if path.endswith(".c") and "unbuilt" not in path:
                (top / "build/release/obj" / path).parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["gcc", "-w", "-I.", "-c", path, "-o", f"build/release/obj/{path[:-2]}.o"], check=not path.startswith("tests/"),
                               stderr=subprocess.DEVNULL)
        return source.Project()
    return make


def test_every_check_has_an_input_that_fails_it():
    assert set(CASES) == set(CHECKS) and all(CASES.values())


@pytest.mark.parametrize("name,case", [(name, n) for name, cases in CASES.items() for n in range(len(cases))],
                         ids=lambda value: CASES.get(value) and value or str(value))
def test_what_is_wrong_fails_and_the_same_made_right_passes(tree, monkeypatch, name, case):
    _, wrong, part, right, changed = CASES[name][case]
    for rule, value in changed.items():
        monkeypatch.setattr(rules, rule, value)
    _, faults = CHECKS[name](tree("wrong", wrong, name in BUILT))
    assert any(part in fault for fault in faults), faults
    if right:
        count, faults = CHECKS[name](tree("right", right, name in BUILT))
        assert faults == [] and (count or name in ("machines", "tables", "drawings")), (count, faults)


RATCHET = {"tests/lint/ratchet.txt": "machines runtime/api:c 2 # soon\n"}
TWO = {"runtime/api/a.c": "c->state = ONE;\n", "runtime/api/b.c": "c->state = TWO;\n"}


def test_a_ratchet_lets_todays_number_be_and_no_more(tree):
    assert CHECKS["machines"](tree("same", {**TWO, **RATCHET}))[1] == []
    _, faults = CHECKS["machines"](tree("more", {**TWO, **RATCHET, "runtime/api/c.c": "c->state = TWO;\n"}))
    assert faults[-1] == "machines runtime/api:c: 3, at most 2", faults


def test_an_exempt_fault_does_not_count_for_a_ratchet(tree):
    files = {**TWO, "tests/lint/exemptions.txt": "machines runtime/api/ # two of them, because\n"}
    project = tree("exempt", files)
    assert project.exempt("machines", CHECKS["machines"](project)[1]) == []
    project = tree("needless", {**files, "runtime/api/b.c": ""})
    assert "nothing needs" in project.exempt("machines", CHECKS["machines"](project)[1])[0]


def test_a_ratchet_that_may_go_down_is_told(tree):
    project = tree("fewer", {**RATCHET, "runtime/api/a.c": "c->state = ONE;\n"})
    assert CHECKS["machines"](project)[1] == []
    assert project.ratchet_slack("machines") == [("runtime/api:c", 0, 2)]


def test_a_ratchet_is_tightened_to_todays_number(tree):
    project = tree("tight", {"tests/lint/ratchet.txt": "# head 3\nmachines runtime/api:c 3 # soon\nmachines runtime/ipc:c 3 # soon\n"
                             "tables all 3 # other\n", **TWO})
    CHECKS["machines"](project)
    project.tighten("machines")
    with open("tests/lint/ratchet.txt", encoding="utf-8") as file:
        assert file.read() == "# head 3\nmachines runtime/api:c 2 # soon\ntables all 3 # other\n"
    assert project.ratchet_slack("machines") == []


def test_a_ratchet_gives_a_reason(tree):
    _, faults = CHECKS["machines"](tree("why", {**TWO, "tests/lint/ratchet.txt": "machines runtime/api:c 2\n"}))
    assert any("gives no reason" in fault for fault in faults), faults


def test_circles_are_the_strongly_connected_files():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": {"d"}, "f": {"f", "a"}, "g": set()}
    assert symbols.circles_of(graph) == [["a", "b", "c"], ["d", "e"]]
    assert symbols.pairs_of(graph) == (1, 6)
    chain = {str(n): {str(n + 1)} for n in range(5000)} | {"5000": {"0"}}
    assert [len(c) for c in symbols.circles_of(chain)] == [5001]


def test_measures_count_what_is_there(tree):
    project = tree("measures", {"netns/a.c": "/* one\n * two */\nvoid b(void);\nvoid a(void)\n{\n\tb(); // three\n\tmust(1);\n}\n",
                                "netns/b.c": "void a(void);\nvoid b(void)\n{\n\ta();\n}\n"}, built=True)
    row = measures.row_of(project, "netns")
    assert (row.files, row.lines, row.functions, row.median) == (2, 13, 2, 4.5)
    assert (row.asserts, row.comments, row.circle, row.pairs) == (1, 2, 2, (1, 1))
