# SPDX-License-Identifier: Apache-2.0
"""The peers beside which ebb is measured: runc and bwrap with the same static program."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import server
from ebb import free_port


def first_byte_s(address, host, path="/", until_s=10, begun=None):
    """Seconds from begun (now, if none is given) to the first byte of an answer. Connects again and again until
    the peer listens: a peer has no gateway that would hold the request."""
    begun = begun or time.monotonic()
    while True:
        try:
            with socket.create_connection(address, timeout=until_s) as s:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                if s.recv(1):
                    return time.monotonic() - begun
        except ConnectionRefusedError:
            time.sleep(0.0002)
        if time.monotonic() - begun > until_s:
            raise AssertionError("the peer does not answer")


class Bundle:
    """A directory with the server in it. runc and bwrap run the server in the host's network, and so make no
    network namespace, which every instance of ebb has."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="ebb-bench-")
        self.rootfs = os.path.join(self.path, "rootfs")
        os.makedirs(self.rootfs + "/proc")
        shutil.copyfile(server.program(), self.rootfs + "/server")
        os.chmod(self.rootfs + "/server", 0o755)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.name = f"ebb-bench-{os.getpid()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    # --- runc ---------------------------------------------------------------------------------
    def runc(self, *words, **more):
        return subprocess.run(["runc", "--root", self.path + "/state", *words], check=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, **more)

    def runc_spec(self, env=()):
        self.runc("spec", cwd=self.path)
        with open(self.path + "/config.json") as f:
            spec = json.load(f)
        spec["process"].update(terminal=False, args=["/server"], env=[f"PORT={self.port}", *env])
        spec["process"]["capabilities"] = {k: [] for k in spec["process"]["capabilities"]}
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
        spec["linux"]["cgroupsPath"] = "/" + self.name
        with open(self.path + "/config.json", "w") as f:
            json.dump(spec, f)

    def runc_run(self):
        self.runc("run", "--detach", self.name, cwd=self.path)

    def runc_end(self):
        self.runc("delete", "--force", self.name)

    def runc_cold_s(self):
        begun = time.monotonic()
        self.runc_run()
        took = first_byte_s(self.address, "peer", begun=begun)
        self.runc_end()
        return took

    # --- bwrap --------------------------------------------------------------------------------
    def bwrap_cold_s(self):
        begun = time.monotonic()
        process = subprocess.Popen(
            ["bwrap", "--unshare-all", "--share-net", "--die-with-parent", "--ro-bind", self.rootfs,
             "/", "--proc", "/proc", "--setenv", "PORT", str(self.port), "/server"])
        took = first_byte_s(self.address, "peer", begun=begun)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return took
