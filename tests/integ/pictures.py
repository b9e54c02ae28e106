# SPDX-License-Identifier: Apache-2.0
"""
The images that the tests use, each made once and kept in EBB_CACHE.

`probe` is the C function of tests/integ/functions, packed here byte by byte; skopeo, umoci and buildah make the foreign
images, and `ebb build`, which needs npm and apt, the examples. In the guest (EBB_VM=1) all are in the cache already:
tests/integ/prebuild.sh makes them on the host.
"""
import functools
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

import oci
from ebb import BIN, CACHE, LIBEXEC, PROJECT

FUNCTIONS = os.path.join(PROJECT, "tests/integ/functions")
EXAMPLES = ["c-hello", "node-express", "python-starlette"]
IN_VM = os.environ.get("EBB_VM") == "1"
# The examples for tests of all kinds of applications. An interpreter takes half a minute to start under emulation, so
# in the guest only test_fluid has one.
APPLICATIONS = EXAMPLES[:1] if IN_VM else EXAMPLES


def newest(patterns):
    paths = [p for pattern in patterns for p in glob.glob(pattern, recursive=True)]
    return max((os.path.getmtime(p) for p in paths
                if os.path.isfile(p) and "node_modules" not in p), default=0)


def make_once(name, sources, make):
    """The path of this file of the cache; make(path) makes it when a source is newer."""
    path = os.path.join(CACHE, name)
    if os.path.exists(path) and (IN_VM or os.path.getmtime(path) >= newest(sources)):
        return path
    if IN_VM:
        raise AssertionError(f"{path} is missing: run tests/integ/prebuild.sh on the host")
    os.makedirs(CACHE, exist_ok=True)
    new = f"{path}.{os.getpid()}"
    try:
        make(new)
        os.rename(new, path)
    finally:
        if os.path.exists(new):
            os.unlink(new)
    return path


def cached(name):
    """A function of one path, which writes there, becomes one that returns where it stands."""
    def wrap(make):
        @functools.wraps(make)
        def get():
            return make_once(name, [FUNCTIONS + "/*", __file__, oci.__file__], make)
        return get
    return wrap


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


@cached("probe")
def probe_program(path):
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-static", "-pthread", "-Wall",
                    *sorted(glob.glob(FUNCTIONS + "/*.c")), "-o", path], check=True)


def probe_binary():
    with open(probe_program(), "rb") as f:
        return f.read()


PASSWD = b"root:x:0:0::/:/bin/sh\nalice:x:1234:1235::/home/alice:/bin/sh\n"
GROUP = b"root:x:0:\nalice:x:1235:\nstaff:x:2000:alice\n"


def probe_layers():
    """Two layers: the program, and the files of a small system around it."""
    program = oci.layer(oci.entry("srv"), oci.entry("srv/probe", probe_binary(), 0o755))
    files = oci.layer(
        oci.entry("etc"), oci.entry("etc/passwd", PASSWD), oci.entry("etc/group", GROUP),
        oci.entry("etc/secret", b"for root only\n", 0o600), oci.entry("tmp", mode=0o1777),
        oci.entry("home", mode=0o755), oci.entry("home/alice", mode=0o755, uid=1234, gid=1235))
    return [program, files]


def probe_image(config=None, layers=None, **more):
    return oci.Image(layers or probe_layers(),
                     {"Entrypoint": ["/srv/probe"], **(config or {})}, **more)


@cached("probe.oci.tar")
def probe_archive(path):
    probe_image().write_archive(path)


@cached("own.oci.tar")
def own_archive(path):
    """The probe as a runtime of ours: it inherits its listening socket."""
    probe_image({"Env": ["EBB_RUNTIME=1"]}).write_archive(path)


# --- by other people's tools ----------------------------------------------------------------------
@cached("probe.docker.tar")
def docker_archive(path):
    with tempfile.TemporaryDirectory() as work:
        probe_image().write_dir(work + "/layout")
        run("skopeo", "copy", f"oci:{work}/layout:latest", f"docker-archive:{work}/d.tar:probe:latest")
        shutil.move(work + "/d.tar", path)


@cached("probe.zstd.tar")
def zstd_archive(path):
    with tempfile.TemporaryDirectory() as work:
        probe_image(zip_layers=False).write_dir(work + "/layout")
        run("skopeo", "copy", "--dest-compress-format", "zstd", f"oci:{work}/layout:latest",
            f"oci-archive:{work}/z.tar:latest")
        shutil.move(work + "/z.tar", path)


@cached("umoci.oci.tar")
def umoci_archive(path):
    with tempfile.TemporaryDirectory() as work:
        layout, bundle = work + "/layout", work + "/bundle"
        run("umoci", "init", "--layout", layout)
        run("umoci", "new", "--image", layout + ":v1")
        run("umoci", "unpack", "--image", layout + ":v1", bundle)
        shutil.copy(probe_program(), bundle + "/rootfs/probe")
        run("umoci", "repack", "--image", layout + ":v1", bundle)
        run("umoci", "config", "--image", layout + ":v1", "--config.entrypoint", "/probe",
            "--config.env", "MADE=by umoci")
        run("umoci", "gc", "--layout", layout)
        run("tar", "-cf", path, "-C", layout, ".")


@cached("foreign.oci.tar")
def foreign_archive(path):
    """buildah from a Dockerfile; nothing of ebb is in it."""
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(probe_program(), work + "/probe")
        common = ["buildah", "--root", work + "/store", "--runroot", work + "/run",
                  "--storage-driver", "vfs"]
        run(*common, "bud", "--isolation", "chroot", "-t", "foreign", "-f",
            FUNCTIONS + "/Dockerfile", work)
        run(*common, "push", "foreign", f"oci-archive:{work}/image.tar")
        shutil.move(work + "/image.tar", path)


# --- by ebb build -----------------------------------------------------------------------------------
BUILDERS = [os.path.join(PROJECT, "images", kind, "**") for kind in ("build", "runtimes")]


def build(source, path):
    """The directory as `ebb build -o` writes it."""
    process = subprocess.Popen([os.path.join(BIN, "ebb"), "build", source, "-o", path], text=True,
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               env={**os.environ, "EBB_CACHE": CACHE, "EBB_LIBEXEC": LIBEXEC})
    for line in process.stderr:  # a slow step; not the name that make_once gave it
        if line.strip() and not line.startswith("built "):
            print("      " + line, end="", flush=True)
    if process.wait():
        raise AssertionError(f"ebb build {source} ended with {process.returncode}")


def built_archive(source):
    return make_once(os.path.basename(source) + ".oci.tar", [source + "/**", *BUILDERS],
                     lambda path: build(source, path))


def example_archive(name):
    return built_archive(os.path.join(PROJECT, "examples", name))


def apps_archive(name):
    """A directory of tests/integ/functions: programs the tests run by `command`."""
    return built_archive(os.path.join(FUNCTIONS, name))


def npm_installed(source):
    """A copy of the directory with the packages it asks for, for programs that run on the host."""
    files = sorted(glob.glob(source + "/*.*"))
    key = hashlib.sha256(b"".join(open(path, "rb").read() for path in files)).hexdigest()[:20]
    path = os.path.join(CACHE, f"installed-{key}")
    if os.path.isdir(path):
        return path
    new = f"{path}.{os.getpid()}"
    os.makedirs(new)
    try:
        for file in files:
            shutil.copy(file, new)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=new, check=True,
                       stdout=subprocess.DEVNULL)
        os.rename(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return path


# --- ways out of a sandbox ------------------------------------------------------------------------
ESCAPES = os.path.join(PROJECT, "tests/integ/escapes/*.[ch]")


def escapes_program(path):
    run("gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-static", "-pthread", "-Wall",
        *sorted(glob.glob(ESCAPES.replace("[ch]", "c"))), FUNCTIONS + "/http.c", "-o", path)


def escapes_archive():
    def make(path):
        program = make_once("escapes", [ESCAPES, FUNCTIONS + "/http.*"], escapes_program)
        with open(program, "rb") as f:
            layer = oci.layer(oci.entry("srv"), oci.entry("srv/escapes", f.read(), 0o755),
                              oci.entry("tmp", mode=0o1777))
        oci.Image([layer], {"Entrypoint": ["/srv/escapes"]}).write_archive(path)
    return make_once("escapes.oci.tar", [ESCAPES, __file__, oci.__file__], make)


# Scripts of a hostile image: their first lines name files of the process that executes them.
HOSTILE = {"exe": b"#!/proc/self/exe\n", "fd": b"#!/proc/self/fd/3\n", "high": b"#!/proc/self/fd/64\n"}
LOADER = os.path.join(PROJECT, "tests/integ/hostile_loader.c")
SHELL_TOOLS = ("sh", "cat", "ls", "sleep", "stty", "id", "env", "readlink", "head", "wc", "tty", "kill", "yes")


def hostile_loader(path):
    run("gcc", "-O2", "-nostdlib", "-static", "-fno-stack-protector", LOADER, "-o", path)


def shell_archive():
    """The probe with a shell beside it, and with what a hostile image would have in the place of one."""
    def make(path):
        with open(shutil.which("busybox"), "rb") as f:
            busybox = f.read()
        with open(make_once("hostile-loader", [LOADER], hostile_loader), "rb") as f:
            loader = f.read()
        tools = oci.layer(
            oci.entry("bin"), oci.entry("bin/busybox", busybox, 0o755),
            *(oci.entry(f"bin/{name}", kind=b"2", target="busybox") for name in SHELL_TOOLS),
            *(oci.entry(f"bin/hostile-{name}", text, 0o755) for name, text in HOSTILE.items()),
            oci.entry("lib64"), oci.entry("lib64/ld-linux-x86-64.so.2", loader, 0o755))
        probe_image(layers=[*probe_layers(), tools], config={"Env": ["PATH=/bin", "A=b"]}).write_archive(path)
    return make_once("shell.oci.tar", [FUNCTIONS + "/*", LOADER, __file__, oci.__file__], make)


def all_archives():
    yield from (make() for make in (probe_program, probe_archive, own_archive, docker_archive, zstd_archive,
                                    umoci_archive, foreign_archive, escapes_archive, shell_archive))
    yield apps_archive("native")
    yield from map(example_archive, [*EXAMPLES, "c-ring"])
    yield from map(apps_archive, ["node-timers", "python-timers", "talks-node", "talks-python", "queue-node", "world-node",
                                  "flow-node"])
    import sites  # which need this module
    import umoci_trees
    yield sites.archive()
    yield from umoci_trees.prepare()
