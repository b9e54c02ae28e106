# SPDX-License-Identifier: Apache-2.0
"""
Images of the programs that wait on databases and APIs (functions/net-*), by `ebb build`, each made once into EBB_CACHE:
npm's drivers for Node, Debian's for Python, the CA of the tests beside them; and curl in a container.
"""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import tempfile

import databases
import oci
import pictures

PYTHON_PACKAGES = ("python3-asyncpg", "python3-psycopg2", "python3-psycopg", "python3-psycopg-pool", "python3-httpx",
                   "python3-requests")
PYTHON_PLACE = "/usr/lib/python3/dist-packages/"
LIBRARIES = "/app/lib"  # of the Python drivers, as a wheel would bring them
C_LIBRARY = re.compile(r"ld-linux|linux-vdso|lib(c|m|dl|rt|pthread|resolv|util)\.so")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
SOURCES = [__file__, databases.__file__]


def authority():
    """The directory of the CA of the tests."""
    path = os.path.join(pictures.CACHE, "test-authority")
    if not os.path.isdir(path):
        new = f"{path}.{os.getpid()}"
        databases.authority(new)
        with contextlib.suppress(OSError):  # somebody else was faster
            os.rename(new, path)
        shutil.rmtree(new, ignore_errors=True)
    return path


# --- Debian's packages beside a program, as `pip install --target` puts them --------------------------
def python_closure(names):
    """These packages and all Python packages that they need."""
    found, todo = set(), list(names)
    while todo:
        name = todo.pop()
        found.add(name)
        needs = subprocess.run(["dpkg-query", "-W", "-f", "${Depends}", name], check=True, capture_output=True, text=True)
        new = {word for word in re.findall(r"\bpython3-[a-z0-9.+-]+", needs.stdout) if word not in found}
        todo += [word for word in new if is_installed(word)]
    return sorted(found)


def is_installed(name):
    return subprocess.run(["dpkg-query", "-W", "-f", "${Status}", name], capture_output=True,
                          text=True).stdout.endswith(" installed")


def copy_packages(names, folder):
    for name in names:
        listed = subprocess.run(["dpkg", "-L", name], check=True, capture_output=True, text=True).stdout.splitlines()
        for path in listed:
            if path.startswith(PYTHON_PLACE) and os.path.isfile(path):
                target = os.path.join(folder, path[len(PYTHON_PLACE):])
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy(path, target)


def libraries_of(programs):
    """The paths of all shared libraries but the C library's own."""
    found = set()
    for program in programs:
        said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        found |= {path for path in re.findall(r"=> (/\S+)", said) if not C_LIBRARY.search(os.path.basename(path))}
    return sorted(found)


def with_drivers(folder):
    copy_packages(python_closure(PYTHON_PACKAGES), folder)
    os.makedirs(folder + "/lib")
    for path in libraries_of(glob.glob(folder + "/**/*.so", recursive=True)):
        shutil.copy(path, folder + "/lib")


# --- images ---------------------------------------------------------------------------------------------
def archive(name, prepare=lambda folder: None):
    """functions/NAME with the CA beside it."""
    source, ca = os.path.join(pictures.FUNCTIONS, name), authority()

    def make(path):
        with tempfile.TemporaryDirectory() as work:
            folder = os.path.join(work, name)
            shutil.copytree(source, folder)
            shutil.copy(ca + "/ca.pem", folder)
            prepare(folder)
            pictures.build(folder, path)
    return pictures.make_once(name + ".oci.tar", [source + "/**", ca + "/*", *SOURCES, *pictures.BUILDERS], make)


def node_archive():
    return archive("net-node")


def python_archive():
    return archive("net-python", with_drivers)


def curl_archive():
    """The probe, and Debian's curl with its libraries and the CA."""
    ca = authority()

    def make(path):
        curl = os.path.realpath(shutil.which("curl"))
        said = subprocess.run(["ldd", curl], check=True, capture_output=True, text=True).stdout
        files = {"usr/bin/curl": curl, "srv/ca.pem": ca + "/ca.pem", AUTHORITIES[1:]: AUTHORITIES}
        files.update({found.lstrip("/"): found for found in re.findall(r"(/\S+) \(0x", said)})
        folders = {"/".join(name.split("/")[:n]) for name in files for n in range(1, name.count("/") + 1)} - {"srv", "etc"}
        entries = [oci.entry(name) for name in sorted(folders)]
        for name, found in sorted(files.items()):
            with open(found, "rb") as f:
                entries.append(oci.entry(name, f.read(), 0o755))
        pictures.probe_image(layers=[*pictures.probe_layers(), oci.layer(*entries)]).write_archive(path)
    return pictures.make_once("curl.oci.tar", [*SOURCES, ca + "/*", oci.__file__], make)
