# SPDX-License-Identifier: Apache-2.0
"""The static C function of the benches: examples/c-hello, with THREADS - 1 idle threads beside it."""
import os
import subprocess

import oci
import pictures

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = [os.path.join(pictures.PROJECT, "examples/c-hello/server.c"),
           os.path.join(HERE, "idle_threads.c")]


def program():
    def make(path):
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-static", "-pthread",
                        *SOURCES, "-o", path], check=True)
    return pictures.make_once("bench-server", SOURCES, make)


def archive():
    def make(path):
        with open(program(), "rb") as f:
            layer = oci.layer(oci.entry("srv"), oci.entry("srv/server", f.read(), 0o755))
        oci.Image([layer], {"Entrypoint": ["/srv/server"]}).write_archive(path)
    return pictures.make_once("bench-server.oci.tar", SOURCES + [__file__], make)
