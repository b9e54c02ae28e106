# SPDX-License-Identifier: Apache-2.0
"""The work of functions in Python: serve, asyncio, threads, processes, files, sqlite, names, mmap, TLS."""
import asyncio
import fcntl
import hashlib
import http.server
import mmap
import multiprocessing
import os
import pathlib
import random
import resource
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time


def files():
    with tempfile.TemporaryDirectory() as work:
        p = pathlib.Path(work)
        (p / "a").write_bytes(b"x" * 100000)
        shutil.copy2(p / "a", p / "b")
        shutil.copytree(p, p.with_name(p.name + "-2"), symlinks=True)
        shutil.rmtree(p.with_name(p.name + "-2"))
        os.link(p / "a", p / "c")
        os.symlink("a", p / "l")
        os.utime(p / "a", (1, 1))
        os.chmod(p / "a", 0o600)
        os.mkfifo(p / "f")
        os.statvfs(p)
        with open(p / "a", "r+b") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            fcntl.lockf(f, fcntl.LOCK_EX)
            os.fsync(f.fileno())
            os.fdatasync(f.fileno())
            os.posix_fallocate(f.fileno(), 0, 200000)
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            os.pread(f.fileno(), 1, 0)
            os.pwrite(f.fileno(), b"a", 0)
            os.sendfile(os.open(p / "b", os.O_RDWR), f.fileno(), 0, 10)
            with mmap.mmap(f.fileno(), 0) as m:
                m[0] = 1
                m.flush()
                m.madvise(mmap.MADV_DONTNEED)
        db = sqlite3.connect(p / "d")
        db.execute("pragma journal_mode=wal")
        db.execute("create table t(a)")
        db.execute("insert into t values(1)")
        db.commit()
        db.close()


def processes():
    subprocess.run(["/bin/sh", "-c", "echo a | cat"], capture_output=True, check=True)
    with subprocess.Popen(["sleep", "9"], start_new_session=True) as child:
        child.terminate()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(abs, [1, 2])
    queue = multiprocessing.Queue()
    queue.put(1)
    queue.get()
    master, slave = os.openpty()
    os.write(master, b"a")
    os.get_terminal_size(slave)
    os.ttyname(slave)


def sockets():
    a, b = socket.socketpair()
    a.setblocking(False)
    b.send(b"a")
    select.select([a], [], [], 1)
    poll = select.poll()
    poll.register(a, select.POLLIN)
    poll.poll(1)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(("127.0.0.1", 0))
    u.sendto(b"a", u.getsockname())
    u.recvmsg(10)
    socket.getaddrinfo("localhost", 80)
    socket.if_nameindex()
    ssl.create_default_context()
    six = socket.socket(socket.AF_INET6)
    six.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def loops():
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    await asyncio.to_thread(time.sleep, 0.001)
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read()
    writer.close()
    server.close()


def ask():
    os.cpu_count(), os.sched_getaffinity(0), os.getloadavg(), os.uname(), os.getgroups()
    os.times(), os.getrandom(8), random.SystemRandom().random(), hashlib.sha256(b"a").digest()
    resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.getpgid(0), os.getsid(0), os.getresuid(), os.nice(0), os.umask(0o22)
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.kill(os.getpid(), signal.SIGUSR1)
    time.clock_gettime(time.CLOCK_MONOTONIC), time.sleep(0.001)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        for part in (files, processes, sockets, ask):
            part()
        asyncio.run(loops())
        thread = threading.Thread(target=lambda: time.sleep(0.01))
        thread.start()
        thread.join()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"done")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
