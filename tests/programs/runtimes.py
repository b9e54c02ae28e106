# SPDX-License-Identifier: Apache-2.0
"""Images of run-times that the host has, for tests of the limits that a run-time sees: a JVM that jlink makes, with the
host's libraries, and Go's static server. Making them needs no network."""
import glob
import os
import re
import shutil

import images
import oci

MODULES = "java.base,jdk.httpserver"
HAS_JAVA = bool(shutil.which("jlink") and shutil.which("javac"))


def libraries(folder):
    """Libraries that its programs are linked with, by the host's loader; (name in the image, path)."""
    found = set()
    for path in glob.glob(folder + "/**", recursive=True):
        if os.path.isfile(path) and (path.endswith(".so") or path.endswith("/bin/java")):
            found |= set(re.findall(r"(/\S+\.so\S*) \(0x", images.run(["ldd", path])))
    return sorted((name.lstrip("/"), os.path.realpath(name)) for name in found if not name.startswith(folder))


def java_image():
    def make(path):
        images.run(["jlink", "--add-modules", MODULES, "--strip-debug", "--no-man-pages", "--no-header-files",
                    "--output", path + "/jre"])
        images.run(["javac", "-d", path + "/classes", os.path.join(images.APPS, "java/Limits.java")])
    version = images.run(["javac", "-version"])
    folder = images.kept("jlink", [version, MODULES, *images.texts(images.files_of("java"))], make, "d")
    files = [(os.path.relpath(p, folder), p) for p in glob.glob(folder + "/**", recursive=True) if os.path.isfile(p)]
    return image("jlink", files + libraries(folder + "/jre"),
                 {"Cmd": ["/jre/bin/java", "-cp", "/classes", "Limits"], "Env": [images.PATH]})


def image(name, files, config):
    entries = []
    for where, path in files:
        with open(path, "rb") as file:
            entries.append((where, file.read(), 0o755))
    return images.image(name, [oci.layer(oci.entry("tmp", mode=0o1777)), images.tree_layer(entries)], config)
