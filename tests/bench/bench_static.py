# SPDX-License-Identifier: Apache-2.0
"""Static files: the server of the runtime `static` beside nginx, each one process plainly on this host, in alternating
rounds: CPU per request as the kernel counts it, and requests per second. 1 KB, 100 KB, 10 MB; 1 and 32 connections.
Last the same server as an instance, behind the gateway."""
import os
import re
import subprocess
import tempfile

import gateway_cpu
import leaks
import pictures
from figures import Row
from waiting import wait_for

SIZES = {"1 KB": 1000, "100 KB": 100_000, "10 MB": 10_000_000}
NGINX = """daemon off; master_process off; worker_processes 1; pid /dev/null; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; etag on;
  client_body_temp_path {work}; proxy_temp_path {work}; fastcgi_temp_path {work}; uwsgi_temp_path {work}; scgi_temp_path {work};
  server {{ listen 127.0.0.1:{port} backlog=1024; root {work}/www; }} }}
"""


def cpu_us(pid):
    """CPU of the main thread, which is all that either server has."""
    return int(leaks.read(f"/proc/{pid}/schedstat").split()[0]) / 1000


UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


def load(url, connections, seconds, size, host=None):
    """Requests, and requests per second. Large files are counted by their bytes, because many are under way when the
    round ends."""
    done = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s",
                           "--timeout", "60s", *(["-H", f"Host: {host}"] if host else []), url], check=True, capture_output=True, text=True)
    assert "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, done.stdout
    count, took, unit, amount, scale = re.search(r"(\d+) requests in ([\d.]+)(m?s), ([\d.]+)([KMG]?B) read", done.stdout).groups()
    requests = int(count) if size < 10_000 else float(amount) * UNITS[scale] / size
    return requests, requests / (float(took) / (1000 if unit == "ms" else 1))


class Server:
    def __init__(self, words, port, env=None):
        self.port = port
        self.process = subprocess.Popen(words, env={**os.environ, **(env or {})}, stderr=subprocess.DEVNULL)
        wait_for(lambda: subprocess.run(["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{port}/1000"],
                                        check=False).returncode == 0)

    def round(self, size, connections, seconds):
        before = cpu_us(self.process.pid)
        answered, rate = load(f"http://127.0.0.1:{self.port}/{size}", connections, seconds, size)
        return (cpu_us(self.process.pid) - before) / answered, rate

    def end(self):
        self.process.kill()
        self.process.wait()


def program(work):
    """The server as the base of the runtime builds it."""
    runtimes = os.path.join(pictures.PROJECT, "images/runtimes")
    subprocess.run(["sh", runtimes + "/static/base", work + "/root", work], check=True,
                   env={**os.environ, "runtimes": runtimes})
    return work + "/root/usr/lib/ebb/static/serve"


def start_both(work):
    os.mkdir(work + "/www")
    for size in SIZES.values():
        with open(f"{work}/www/{size}", "wb") as file:
            file.write(os.urandom(size))
    port = gateway_cpu.free_port()
    with open(work + "/nginx.conf", "w", encoding="ascii") as file:
        file.write(NGINX.format(work=work, port=port))
    own = gateway_cpu.free_port()
    return {"ebb": Server([program(work), work + "/www"], own, {"PORT": str(own)}),
            "nginx": Server(["nginx", "-e", "stderr", "-p", work, "-c", work + "/nginx.conf"], port)}


def plain_rows(servers, quick):
    rows = []
    for label, size in SIZES.items():
        for connections in (1, 32):
            taken = {name: [] for name in servers}
            for _ in range(1 if quick else 7):
                for name, server in servers.items():
                    taken[name].append(server.round(size, connections, 1 if quick else 2))
            what = f"static, {label}, {connections} connection{'s' if connections > 1 else ''}"
            rows.append(Row(f"{what}: CPU per request", "us", [t[0] for t in taken["ebb"]],
                            [t[0] for t in taken["nginx"]], "nginx"))
            rows.append(Row(f"{what}: per second", "", [t[1] for t in taken["ebb"]],
                            [t[1] for t in taken["nginx"]], "nginx"))
    return rows


def instance_rows(ebb, work, quick):
    """CPU of the instance per request, as cpu.stat counts it; the gateway's own is in the bench `gateway`."""
    folder = work + "/static-bench"
    os.mkdir(folder)
    os.rename(work + "/www", folder + "/www")
    with open(folder + "/ebb.json", "w", encoding="ascii") as file:
        file.write('{"services": {"a": {"root": ".", "runtime": "static", "entrypoint": "www"}}}')
    archive = pictures.built_archive(folder)
    ebb.import_image("oci-archive:" + archive, "files")
    os.unlink(archive)
    ebb.apply({"files": {"runtime": "container", "entrypoint": "files", "maxInstances": 1, "maxConcurrency": 1000, "memory": 2048}})
    rows = []
    for label, size in SIZES.items():
        taken = []
        ebb.get("files", f"/{size}")
        for _ in range(1 if quick else 5):
            ebb.wait_frozen("files")
            before = ebb.instance("files")["cpu_us"]
            answered, _ = load(f"http://127.0.0.1:{ebb.port}/{size}", 32, 1 if quick else 2, size, "files.localhost")
            ebb.wait_frozen("files")
            taken.append((ebb.instance("files")["cpu_us"] - before) / answered)
        rows.append(Row(f"static, {label}, 32 connections: CPU of the instance per request", "us", taken))
    return rows


def rows(ebb, quick):
    with tempfile.TemporaryDirectory(prefix="ebb-bench-") as work:
        os.chmod(work, 0o755)
        os.mkdir(work + "/root")
        servers = start_both(work)
        try:
            found = plain_rows(servers, quick)
        finally:
            for server in servers.values():
                server.end()
        return found + instance_rows(ebb, work, quick)
