# SPDX-License-Identifier: Apache-2.0
"""Runs inside a sandbox of a build. Compiles the C files in /app into the static program ENTRYPOINT, together with the
library in /library if one of them includes ebb.h. Without C files ENTRYPOINT must be a program already.

compile.py FD ENTRYPOINT [made]: writes "own" to FD if the program serves on the socket it inherits. A program that is
made already, by the project's own build, is checked only.
"""
import os
import re
import struct
import subprocess
import sys

FLAGS = ["-std=gnu11", "-O2", "-Wall", "-ffile-prefix-map=/library=ebb", "-I/library"]
EBB_H = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]ebb\.h[>"]', re.MULTILINE)


def run(*words):
    """Runs a tool, which prints its own errors."""
    if status := subprocess.run(words, check=False).returncode:
        sys.exit(f"{os.path.basename(words[0])} ended with {status}")


def fail(text):
    sys.exit("ebb: " + text)


def sources(folder):
    found = sorted(os.fsencode(n) for n in os.listdir(folder))
    return [n for n in found if n.endswith(b".c") and os.path.isfile(os.path.join(folder.encode(), n))]


def compile_all(folder, names, objects, flags):
    """Compiles C files. Each name gets ./ in front, so that gcc never takes a name for an option."""
    os.chdir(folder)
    for i, one in enumerate(names):
        run("/usr/bin/gcc", *FLAGS, *flags, "-c", "-o", f"{objects}-{i:04}.o", b"./" + one)


def includes_ebb(names):
    for one in names:
        with open(b"/app/" + one, "rb") as file:
            if EBB_H.search(file.read()):
                return True
    return False


def build(names, entrypoint):
    if not os.path.exists("/usr/bin/gcc"):
        fail("gcc is missing on this host: install the Debian packages gcc and libc6-dev")
    own, newest = includes_ebb(names), 0
    compile_all("/app", names, "/tmp/app", [])
    if own:
        compile_all("/library", sources("/library"), "/tmp/library", ["-D_GNU_SOURCE"])
    objects = sorted("/tmp/" + o for o in os.listdir("/tmp") if o.endswith(".o"))
    run("/usr/bin/gcc", "-static", "-Wl,--build-id=none", "-o", "/tmp/program", *objects, "-lpthread")
    run("/usr/bin/strip", "--strip-debug", "/tmp/program")
    for one in os.listdir(b"/app"):
        if one.endswith((b".c", b".h")) and os.path.isfile(b"/app/" + one):
            newest = max(newest, os.stat(b"/app/" + one).st_mtime)
            os.unlink(b"/app/" + one)
    install(entrypoint, newest)
    return own


def install(entrypoint, newest):
    """Puts the program in its place. The sources are gone by now, because without a given entry point the program
    has the name of a source, such as hello.c."""
    target = b"/app/" + entrypoint
    if os.path.isdir(target):
        fail(f"entrypoint {entrypoint!r}: there is a directory of that name")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open("/tmp/program", "rb") as program, open(target + b".new", "wb") as out:
        out.write(program.read())
    os.chmod(target + b".new", 0o755)
    os.replace(target + b".new", target)
    os.utime(target, (newest, newest))  # so that the same sources make the same layer


def interpreter(data):
    """The loader that an ELF program names: b"" if it names none, None if data is no ELF program."""
    if len(data) < 64 or data[:4] != b"\x7fELF" or data[4] != 2:
        return None
    offset, size, count = (*struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54))
    for i in range(count):
        at = offset + i * size
        if at + 56 > len(data):
            return None
        kind = struct.unpack_from("<I", data, at)[0]
        if kind == 3:
            where, length = struct.unpack_from("<Q", data, at + 8)[0], struct.unpack_from("<Q", data, at + 32)[0]
            return data[where:where + min(length, 255)].rstrip(b"\0") or b"?"
    return b""


def check(entrypoint):
    """Refuses a program that the image cannot run, so that the build fails and not the first request."""
    path, shown = b"/app/" + entrypoint, os.fsdecode(entrypoint)
    if not os.path.isfile(path):
        fail(f"{shown} is not there, and there is no C source to make it")
    with open(path, "rb") as file:
        data = file.read(1 << 20)
    if data.startswith(b"#!"):
        line = data[2:200].split(b"\n")[0]
        shell = line.strip().split(b" ")[0]
        more = " (its lines end in CR LF, too: dos2unix)" if line.endswith(b"\r") else ""
        fail(f"{shown} is a script for {os.fsdecode(shell)}, and the native runtime has no program but yours"
             f"{more}. Bring an image with that interpreter: ebb image import")
    loader = interpreter(data)
    if loader is None:
        fail(f"{shown} is no program for this machine (64-bit ELF)")
    if loader:
        fail(f"{shown} is linked dynamically: it wants the loader {os.fsdecode(loader)}, which is not in the native "
             "runtime's image. Link it with -static (Go: CGO_ENABLED=0; Rust: a musl target), or bring an image")
    if not os.stat(path).st_mode & 0o111:
        fail(f"{shown} is not executable: chmod +x")


def main():
    entrypoint = os.fsencode(sys.argv[2])
    names = [] if sys.argv[3:] == ["made"] else sources("/app")
    own = build(names, entrypoint) if names else False
    check(entrypoint)
    with os.fdopen(int(sys.argv[1]), "w") as verdict:
        verdict.write("own\n" if own else "\n")


if __name__ == "__main__":
    main()
