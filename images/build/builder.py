# SPDX-License-Identifier: Apache-2.0
"""The steps of a build in their order."""
import contextlib
import fcntl
import os
import platform
import shutil
import stat
import tempfile

import base
import collect
import commands
import nextjs
import npm
import oci
import output
from sandbox import Run, Sandbox, lines, pack, script, unpack
from words import Refused, name, say, setting, source_date

SETTINGS = """settings, from the environment:
  EBB_BUILD_MEMORY_MB=2048  EBB_BUILD_SIZE_MB=1024  EBB_BUILD_FILES=200000  EBB_BUILD_PIDS=256
  EBB_BUILD_CPU_MILLI=2000  EBB_BUILD_SECONDS=600   EBB_BAKE_SECONDS=60     limits of a step
  EBB_BUILD_CGROUPS=no   root builds without control groups
  EBB_BASE_SUITE         Debian suite of the bases (default: this host's, else bookworm)
  EBB_NPM_SCRIPTS=1      lets npm packages run their install scripts, without network
  SOURCE_DATE_EPOCH      the time of every file in the image (default: each one's own)"""
CODE = "usr/lib/ebb/code"


class Build:
    def __init__(self, args, cache, work):
        self.runtime, self.entrypoint = args.runtime, args.entrypoint
        self.source, self.output, self.name = args.source, args.output, args.name
        self.cache, self.work = cache, work
        self.framework, self.prebuilt = args.framework, bool(args.prebuilt)
        self.strict, self.commands = bool(args.strict), commands.read(args.commands)
        self.known = read_known(args.known)
        self.addresses = {"STATIC_CLEAN_URLS": args.clean_urls, "STATIC_TRAILING_SLASH": args.trailing_slash}
        self.date = source_date()
        self.sandbox = Sandbox(step_program(args.step), work)
        self.layers, self.env = [], []
        self.tree = self.base = self.deps = self.function = None

    def path(self, word):
        return os.path.join(self.work, word)

    def kept(self, kind, key, make):
        """The path of a layer in the cache; make(file) fills the layer when it is not there. The key is a digest
        of all input of the layer, and only this user can write to the cache, so a build never gets a layer that
        was made from other input."""
        path = os.path.join(self.cache, f"{kind}-{key}.layer")
        if not os.path.exists(path):
            new = self.path(kind + ".layer")
            with open(new, "w+b") as file:
                make(file)
            os.rename(new, path)
        return path


def read_known(path):
    """The names of the pieces that are in the store already; the file has one per line."""
    if not path:
        return frozenset()
    with open(path, encoding="ascii") as file:
        return frozenset(file.read().split())


def step_program(given):
    found = given or os.environ.get("EBB_STEP") or os.path.join(os.path.dirname(oci.HERE), "ebb-step")
    if not os.access(found, os.X_OK):
        raise Refused(f"{found} is missing: it confines what a build runs (make, or make install)")
    return os.path.abspath(found)


def ours(*words):
    return oci.text_of(*(os.path.join(oci.HERE, word) for word in words))


# --- the cache: it belongs to one user, others cannot read it -------------------------------------------
def open_cache(path):
    os.makedirs(path, 0o700, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            raise Refused(f"the cache {name(path)} belongs to somebody else: set EBB_CACHE")
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(fd, 0o700)
    finally:
        os.close(fd)
    return os.path.realpath(path)


def locked(folder, how=fcntl.LOCK_EX):
    """A descriptor of the folder that holds its lock."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, how)
        return fd
    except BaseException:
        os.close(fd)
        raise


@contextlib.contextmanager
def work_directory(cache):
    """Makes the folder of this build and keeps it locked. A folder that a killed build left is unlocked, and is
    removed here. The cache is locked until the new folder is: between its making and its lock it looks like a
    leftover to a build that begins at the same time."""
    whole = locked(cache)
    try:
        for old in os.listdir(cache):
            if old.startswith("work-"):
                with contextlib.suppress(OSError):
                    remove_unused(os.path.join(cache, old))
        work = tempfile.mkdtemp(prefix="work-", dir=cache)
        fd = locked(work)
    finally:
        os.close(whole)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(fd)


def remove_unused(path):
    fd = locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(fd)


# --- the entry point --------------------------------------------------------------------------------------
def check_path(entrypoint):
    """Refuses an entry point that is not the path of a file inside the directory."""
    parts = entrypoint.split("/")
    if (not entrypoint or entrypoint[0] in "/-" or {"", ".."} & set(parts) or parts[-1] == "."
            or any(ord(c) < 32 or ord(c) == 127 for c in entrypoint) or len(os.fsencode(entrypoint)) > 1024):
        raise Refused(f"entrypoint {name(entrypoint)}: it must be the path of a file inside the directory")


def check_folder(build):
    """Refuses static files without a directory that holds them."""
    entry = build.entrypoint.rstrip("/") or build.entrypoint
    if entry != ".":
        check_path(entry)
    found = os.fsencode("" if entry == "." else entry)
    if build.tree.kind(found) != "directory":
        raise Refused(f"entrypoint {name(entry)}: there is no such directory in {name(build.source)}")
    if build.tree.kind(found + b"/index.html") != "file":
        say(f"ebb-build: {name(entry)} has no index.html, so / answers 404")


def check_entry_of_commands(build):
    """Refuses an entry point that is no path inside: whether there is such a file is known behind the commands. The
    directory of static files is looked for in the sandbox."""
    entry = build.entrypoint
    if build.runtime == "python" and ":" in entry:
        entry = entry.partition(":")[0]
    if build.runtime != "static":
        check_path(entry)


def check_entry(build):
    runtime, entry, tree = build.runtime, build.entrypoint, build.tree
    if runtime == "static":
        check_folder(build)
        return
    if runtime == "python" and ":" in entry:
        module = entry.partition(":")[0]
        first = module.partition(".")[0]
        check_path(first)
        known = os.fsencode(first)
        if tree.kind(known) or any(path.startswith(known + b".") and b"/" not in path
                                   for path in tree.found):
            return
        raise Refused(f"entrypoint {name(entry)}: there is no module {name(first)} in {name(build.source)}")
    check_path(entry)
    if runtime == "native" or (runtime == "node" and entry.startswith("node_modules/")):
        return
    if any(tree.kind(os.fsencode(entry + more)) for more in ("", ".js")):
        return
    hint = "" if runtime == "node" else "; an application is MODULE:NAME"
    raise Refused(f"entrypoint {name(entry)}: there is no such file in {name(build.source)}{hint}")


# --- layers -------------------------------------------------------------------------------------------------
def collect_source(build):
    path = build.path("source.tar")
    limits = (setting("EBB_BUILD_SIZE_MB", 1024, 16) << 20, setting("EBB_BUILD_FILES", 200000, 100))
    with open(path, "w+b") as file:
        build.tree = collect.collect(build.source, file, limits, build.date, without(build))
    build.function = path


def without(build):
    """Paths of the source that its kind of build has no use for."""
    if build.prebuilt:
        left = os.path.isfile(os.path.join(build.source, ".vercel/output/config.json"))
        return frozenset((b".next/cache",)) if left else nextjs.UNUSED
    if build.commands and build.framework != "nextjs":
        return frozenset((os.fsencode(commands.OUTPUT),))
    return nextjs.OLD_BUILDS if build.framework == "nextjs" else frozenset()


def look_python(build):
    """Refuses requirements that neither the base nor the directory meets. The base's own Python checks them."""
    if not any(build.tree.kind(one) == "file" for one in (b"requirements.txt", b"pyproject.toml")):
        return
    with open(build.function, "rb") as tar:
        build.sandbox.need(f"{name(build.source)} cannot run on the python runtime", unpack(tar.fileno(), "/app"),
                           Run(build.base.root, script("look.py", "python", "", "")))


def compile_native(build):
    """Compiles C sources into a program, in a sandbox that sees the sources, the library of ebb.h and /usr."""
    out, said = build.path("function.layer"), build.path("verdict")
    with open(build.function, "rb") as source, open(out, "w+b") as layer, \
            open(said, "w+b") as verdict, base.library(build.path("library.tar")) as library:
        build.sandbox.need(
            f"preparing {name(build.source)} for native",
            unpack(source.fileno(), "/app"), unpack(library.fileno(), "/library"),
            Run("host", script("compile.py", str(verdict.fileno()), build.entrypoint, "made" if build.commands else ""),
                keep=[verdict.fileno()], cwd="/app"),
            pack(layer.fileno(), "/app", "app", collect.APP_ID, date=build.date),
            scratch=("/app", "/tmp", "/library"))
        verdict.seek(0)
        if verdict.read(16) == b"own\n":
            build.env = ["EBB_RUNTIME=1"]
    build.function = out


def bake(build):
    """Adds a layer of compiled code, so that no instance has to compile. The layer is kept in the cache, because
    V8 makes other bytes in each run."""
    recipe = BAKES.get(build.runtime)
    if recipe is None:
        return
    key = oci.key_of(build.base.key, oci.digest_file(build.function), build.entrypoint, build.date,
                 oci.digest_file(build.deps) if build.deps else "", ours("builder.py", "pack.py"))
    path = build.kept("code", key, lambda file: recipe(build, file))
    if os.path.getsize(path):
        build.layers.append(path)
    else:
        say("no code is baked into this image: it will start more slowly")


def unpack_all(build, stack):
    for path in filter(None, (build.deps, build.function)):
        file = stack.enter_context(open(path, "rb"))
        yield unpack(file.fileno(), "/app")


def bake_node(build, layer):
    """Starts the function once, without network, until it listens. Every start of an instance then reads the code
    that V8 compiled meanwhile, lazily compiled functions included. Node has a cache for each uid, and an instance
    runs as the same uid as this sandbox, 1000."""
    with contextlib.ExitStack() as stack:
        start = Run(build.base.root, ["/usr/bin/node", "--experimental-async-context-frame",
                                      "--no-memory-reducer", "--require=/usr/lib/ebb/node/boot.cjs", build.entrypoint],
                    cwd="/app", may_fail=True,
                    env=["HOME=/app", "NODE_ENV=production", "PORT=8080", "EBB_BAKE=1"],
                    seconds=setting("EBB_BAKE_SECONDS", 60, 1, 3600))
        code, tail = build.sandbox.run([*unpack_all(build, stack), start,
                                        pack(layer.fileno(), "/code", CODE, date=build.date)],
                                       scratch=("/app", "/tmp", f"/{CODE}=/code"))
    if code:
        layer.truncate(0)
    if tail.strip() and not tail.rstrip().endswith(b"ebb: baked"):
        last = [l for l in lines(tail) if not l.startswith("    at ") and l.strip(" ^}")][-5:]
        say(f"ebb-build: {name(build.entrypoint)} did not start without network and settings; only the code "
            "that it loaded until then is compiled ahead. Its last words:\n  | " + "\n  | ".join(last))


def bake_python(build, layer):
    """Makes .pyc files of everything in /app. They are "unchecked": no file of an image ever changes, so Python
    need not look at the source when it loads one. A file that is not valid for this version of Python is left
    out here and fails when it is imported."""
    with contextlib.ExitStack() as stack:
        compiling = Run(build.base.root, ["/usr/bin/python3", *base.COMPILE, "/app"], may_fail=True,
                        env=["PYTHONHASHSEED=0"])
        code, tail = build.sandbox.run([*unpack_all(build, stack), compiling,
                                        pack(layer.fileno(), "/app", "app", collect.APP_ID, "__pycache__",
                                             build.date)])
    if code:
        layer.truncate(0)
    if tail.strip():
        say("ebb-build: not every file of the function could be compiled:\n  | "
            + "\n  | ".join(lines(tail)[-5:]))


BAKES = {"node": bake_node, "python": bake_python}


def prepare_node(build):
    """Makes the layers of a program of Node: of its packages, and of itself."""
    if build.prebuilt or build.framework:
        build.entrypoint = nextjs.ENTRY
    if build.prebuilt:
        if output.is_output(build.tree):
            output.layer(build, build.strict)
            build.entrypoint = output.ENTRY
        elif nextjs.has_server(build.tree):
            nextjs.from_elsewhere(build)
        elif not nextjs.is_server(build.tree):
            raise Refused(f"{name(build.source)} is no build that ebb knows: a project with .vercel/output/config.json "
                          '(Build Output API), or with .next/standalone, which next build leaves with output: '
                          '"standalone"')
    elif build.framework == "nextjs":
        nextjs.from_source(build)
    else:
        npm.look(build)
        build.deps = npm.layer(build)


def write_image(build):
    runtime, entry = build.runtime, build.entrypoint
    if runtime == "static":
        build.env = ["EBB_RUNTIME=1", *(f"{key}={value}" for key, value in build.addresses.items() if value)]
    elif runtime == "node" or (runtime == "python" and ":" in entry):
        # The image says that its program serves on an inherited socket. Node's runtime leads every listen to that
        # socket. Python's runtime serves applications on it ("module:name"), but not programs that listen
        # themselves. For C, compile_native sets the same variable if the program is linked with ebb.h.
        build.env = ["EBB_RUNTIME=1"]
    image = build.path("image")
    left_out = oci.write_image(os.path.join(base.RUNTIMES, runtime, "config.json"), entry, build.env, build.name,
                               image, build.layers, build.known)
    shutil.move(image, build.output)
    there = f", {left_out} of {len(build.layers)} layers are in the store already" if left_out else ""
    say(f"built {name(build.source)}: {os.path.getsize(build.output) / 1e6:.1f} MB{there}")


def build(args):
    if args.runtime not in base.NAMES:
        raise Refused(f"runtime '{name(args.runtime)}' is unknown: use {', '.join(base.NAMES)}")
    if not os.path.isdir(args.source):
        raise Refused(f"{name(args.source)} is not a directory")
    cache = open_cache(args.cache)
    with work_directory(cache) as work:
        one = Build(args, cache, work)
        collect_source(one)
        if not one.framework and not one.prebuilt:
            (check_entry_of_commands if one.commands else check_entry)(one)
        one.base = base.get(one, one.runtime, platform.machine())
        one.layers.append(one.base.layer)
        if one.commands and not one.framework:
            commands.from_source(one)
        if one.runtime == "native":
            compile_native(one)
        if one.runtime == "python":
            look_python(one)
        if one.runtime == "node" and (one.framework or not one.commands):
            prepare_node(one)
        one.layers += [path for path in (one.deps, one.function) if path]
        bake(one)
        write_image(one)
