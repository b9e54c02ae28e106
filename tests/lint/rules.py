# SPDX-License-Identifier: Apache-2.0
"""The rules that are lists. A change here is a change of the architecture: say why in the commit."""

EBBD = "runtime/supervisor"

# The rooms of the gateway, the lowest first: each may include those below it and no other.
GATEWAY_FLOORS = ("ring", "message", "route", "tell", "frames", "upstream", "body", "exchange", "client", "h2",
                  "hear")


def gateway_floors():
    """Rows of LAYERS: each floor by its path, the floors it stands on, the libraries."""
    libraries = ("runtime/base", "runtime/wire", "runtime/http", "runtime/rules")
    paths = [f"runtime/gateway/{room}" for room in GATEWAY_FLOORS] + ["runtime/gateway"]
    return {path: (*libraries, *paths[:at]) for at, path in enumerate(paths)}


# Folder -> the folders whose headers its files may include, besides its own. The longest folder that a path begins
# with decides. No row names a folder above its own; the libraries of ebbd never include each other.
LAYERS = {
    "runtime/base": (),
    "runtime/wire": ("runtime/base",),
    "runtime/settings": ("runtime/base", "runtime/wire"),
    "runtime/http": ("runtime/base",),
    "runtime/rules": ("runtime/base",),
    "runtime/cron": ("runtime/base",),
    "runtime/sql": ("runtime/base",),
    "sandbox": ("runtime/base", "runtime/wire"),  # records.h: a file to execute travels unchanged
    "sandbox/init": (),
    "netns": ("runtime/base",),
    "cgroups": ("runtime/base",),
    "images": ("runtime/base", "runtime/wire"),
    "images/unpack": ("runtime/base", "runtime/wire"),
    "images/step": ("runtime/base", "cgroups"),
    "images/runtimes": (),
    # The rooms of ebbd, from the ground up: each knows those above it in this list that it names.
    f"{EBBD}/host": ("runtime/base", "runtime/wire"),
    f"{EBBD}/programs": ("runtime/base", "runtime/wire", f"{EBBD}/host"),
    f"{EBBD}/service": ("runtime/base", "runtime/wire", "runtime/settings", "images", "sandbox", f"{EBBD}/host"),
    f"{EBBD}/look": ("runtime/base", "netns", "cgroups"),
    f"{EBBD}/decide": ("runtime/base", "runtime/wire", f"{EBBD}/look"),
    f"{EBBD}/instance": ("runtime/base", "runtime/wire", "sandbox", "netns", "cgroups", f"{EBBD}/host",
                         f"{EBBD}/service", f"{EBBD}/look", f"{EBBD}/decide"),
    f"{EBBD}/freeze": ("runtime/base", "runtime/wire", "cgroups", f"{EBBD}/host", f"{EBBD}/service",
                       f"{EBBD}/look", f"{EBBD}/decide", f"{EBBD}/instance"),
    f"{EBBD}/scale": ("runtime/base", "runtime/wire", "netns", "cgroups", f"{EBBD}/host", f"{EBBD}/service",
                      f"{EBBD}/decide", f"{EBBD}/instance", f"{EBBD}/freeze"),
    f"{EBBD}/peers": ("runtime/base", "runtime/wire", "netns", "images", f"{EBBD}/host", f"{EBBD}/programs",
                      f"{EBBD}/service", f"{EBBD}/decide", f"{EBBD}/instance", f"{EBBD}/scale"),
    EBBD: ("runtime/base", "runtime/wire", "sandbox", "cgroups", "images", f"{EBBD}/host", f"{EBBD}/programs",
           f"{EBBD}/service", f"{EBBD}/scale", f"{EBBD}/peers"),
    **gateway_floors(),
    "runtime/api": ("runtime/base", "runtime/wire", "runtime/settings", "runtime/http", "runtime/rules", "runtime/cron", "netns"),
    "runtime/ledger": ("runtime/base", "runtime/wire", "runtime/sql"),
    "runtime/flow": ("runtime/base", "runtime/wire", "runtime/http", "runtime/cron", "runtime/sql"),
    "runtime/ipc": ("runtime/base", "runtime/wire"),
    "runtime/net": ("runtime/base", "runtime/wire", "netns"),
    "runtime/dns": ("runtime/base", "runtime/wire", "netns"),
    "runtime/cli": ("runtime/base", "runtime/settings", "runtime/http", "runtime/rules", "netns"),
}

# Header that shows the inside of a thing -> the folders whose files may include it, directly or through other headers.
# A header named NAME_inside.h or inside.h is for its own folder without a row.
SEEN_BY = {
    f"{EBBD}/instance/instance.h": (f"{EBBD}/instance", f"{EBBD}/freeze", f"{EBBD}/scale"),
    f"{EBBD}/instance/ground.h": (f"{EBBD}/instance", f"{EBBD}/freeze", f"{EBBD}/scale"),
    f"{EBBD}/ebbd.h": (EBBD,),
    "cgroups/tree.h": ("cgroups",),
    "images/import.h": ("images",),
    "images/store.h": ("images",),
    "images/jail.h": ("images",),
}

# Folders whose rooms are one program, whatever LAYERS says of the rooms.
PROGRAMS = ("runtime/gateway", EBBD)

# Work that one place does for all: call -> (files or folders that may, the replacement for others).
ONE_PLACE = {
    "epoll_create1": (("runtime/base/", "images/runtimes/"), "the loop of runtime/base"),
}

# must() and static_assert per 1,000 lines that are not blank, at least: folders, and files of a room by the beginning
# of their names.
ASSERTS_MIN = {"runtime/gateway/": 8, "runtime/supervisor/": 8, "runtime/net/": 8, "runtime/api/exec.": 8,
               "runtime/api/operations.": 8, "runtime/supervisor/instance/exec.": 8,
               "runtime/supervisor/scale/execs.": 8, "sandbox/exec.": 8}

# Structs whose every field some product code reads: (folder of the header, struct).
SETTINGS = ((EBBD, "config"),)

# Each third-party header has one folder (or file) that may include it.
LIBRARIES = {
    "yajl/": ("runtime/base/json",),
    "seccomp.h": ("runtime/base/filter.c",),
    "openssl/": ("runtime/base/sha256.c", "runtime/base/seal.c"),
    "llhttp.h": ("runtime/http/",),
    "liburing.h": ("runtime/gateway/ring/", "images/runtimes/native/"),
    "nghttp2/": ("runtime/gateway/h2/", "runtime/gateway/frames/", "runtime/gateway/upstream/h2up"),
    "sqlite3.h": ("runtime/sql/",),
    "archive.h": ("images/unpack/",),
    "archive_entry.h": ("images/unpack/",),
    "sys/capability.h": ("sandbox/",),
    "netlink/": ("netns/",),
    "libnftables": ("netns/",),
    "ldns/": ("runtime/dns/packet.c",),
    "nftables/": ("netns/",),
}

# Libraries return errors; only programs log (runtime/base/log.h) or exit.
SILENT = ("runtime/base", "runtime/wire", "runtime/settings", "runtime/http", "runtime/rules", "runtime/cron", "runtime/sql", "sandbox", "netns", "cgroups", "images")
SILENT_BUT = ("runtime/base/log", "runtime/base/rehearse", "runtime/base/program", "images/unpack/", "images/step/",
              "sandbox/init/", "images/runtimes/")

# Calls that no product code makes, and what to do instead.
CALLS = {
    "sleep": "wait for the fact (poll, a timerfd)",
    "usleep": "wait for the fact (poll, a timerfd)",
    "strcpy": "text_copy",
    "strcat": "text_format",
    "sprintf": "text_format or snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fd_read_all",
    "atoi": "text_parse_u64",
    "atol": "text_parse_u64",
    "strtok": "strsep on a copy of your own",
    "readdir": "fd_next_entry, which tells the end from an error",
    "system": "fork and exec, with a list of arguments",
    "popen": "fork and exec, with a list of arguments",
    "tmpnam": "openat with O_TMPFILE",
    "alloca": "a bounded array",
}
CALLS_OF_LIBRARIES = {"exit": "return -errno", "abort": "must() or return -errno",
                      "perror": "return -errno"}
# Where such a call lives: must_failed(), and what is to be used instead of readdir.
CALLS_OWNED = {("runtime/base/log.c", "abort"), ("runtime/base/fd.c", "readdir")}

# Calls of libc that make system calls of their own, which no reader expects and a filter forbids.
CALLS_OF_FILTERED = {
    "qsort": "sort_items (it asks for the host's memory)",
    **{name: "runtime/base/clock.h (it opens the time zone)" for name in (
        "gmtime", "gmtime_r", "localtime", "localtime_r", "mktime", "timegm", "strftime", "strptime", "ctime",
        "asctime", "tzset")},
    **{name: "nothing: it opens files" for name in (
        "getpwnam", "getpwuid", "getgrnam", "getgrgid", "getaddrinfo", "gethostbyname", "iconv_open", "dlopen",
        "syslog", "sysconf", "get_nprocs")},
}
FILTERED = ("runtime/base/", "runtime/wire/", "runtime/http/", "runtime/rules/", "runtime/api/", "runtime/ipc/", "runtime/ledger/",
            "runtime/flow/", "runtime/cron/", "runtime/sql/",
            "runtime/net/", "runtime/dns/", "netns/", "runtime/gateway/", "images/unpack/")

# Folders whose README.md says what lives there.
FOLDERS = tuple(LAYERS)
FOLDERS_WITHOUT_README = ("images/runtimes",)
README_LINES_MAX = 40

# Documents (*.md), as a stranger can read them. Tables and code are exempt.
PROSE_COLUMNS_MAX = 110
PROSE_WORDS_MAX = 90
PAGE_LINES_MAX = 150  # of a page of docs/internals

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600

# Texts that must not be committed: each machine says in its own files where its packages come from (sources.list,
# .npmrc, registries.conf), and a path of one developer's machine means nothing to the next reader. The patterns are
# written in pieces, so that this file passes the check, too.
FORBIDDEN = (
    (r"\bregistry\.np" r"mjs\.org\b", "a package registry's host"),
    (r"\bregistry-1\.doc" r"ker\.io\b|\bindex\.doc" r"ker\.io\b", "a package registry's host"),
    (r"\b(gh" r"cr|gc" r"r|qua" r"y)\.io\b", "a package registry's host"),
    (r"\bpy" r"pi\.org\b|\bfiles\.python" r"hosted\.org\b", "a package registry's host"),
    (r"\b(deb|security|snap" r"shot)\.debian\.org\b", "a package registry's host"),
    (r"\bproxy\.gol" r"ang\.org\b|\bcra" r"tes\.io\b", "a package registry's host"),
    (r"/wo" r"rk/(main|shared)\b", "a path of somebody's machine"),
)
FORBIDDEN_IN_DOCS = (
    (r"/tm" r"p/ebb-\w+", "a path of somebody's machine"),
    (r"(?<![\w.])/(ho" r"me|ro" r"ot)/\w+", "a path of somebody's machine"),
)

# Programs that the Makefile does not build: functions, and what is put beside them.
FOREIGN = ("examples/", "images/runtimes/", "tests/integ/functions/")
WITHOUT_OBJECTS = ("sandbox/init/",)  # ebb-init is compiled at once

# Pages whose paths are not ours.
PAGES_NOT_READ = ("examples/", "tests/fuzz/corpus/")

# Paths in comments and pages: those of these folders, and bare names of files, must exist.
TOP_FOLDERS = ("cgroups", "docs", "examples", "images", "netns", "packaging", "runtime", "sandbox", "tests")
NAMES_OF_OTHERS = ("config.md", "descriptor.md", "layer.md", "manifest.md",  # of the OCI image specification
                   "sqlite3.h", "x.policy", "file.py", "hello.c")  # of libraries; in examples
