# SPDX-License-Identifier: Apache-2.0
"""
Servers that functions wait for, as Debian has them, in a world of the test's own (worlds.py): PostgreSQL, Redis, NATS,
nginx with a certificate of a CA of the tests, a gRPC server. Each has a directory of its own and is gone behind its `with`.
"""
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import leaks
import pictures
import worlds
from waiting import slow, wait_for

POSTGRES4, CACHE_PORT, API4, GRPC4, NATS4 = "10.0.0.6", 6379, "198.51.100.80", "198.51.100.81", "198.51.100.82"
PASSWORD = "not-a-secret"
BIN = "/usr/lib/postgresql/15/bin/"


def url(address=POSTGRES4):
    return f"postgresql://postgres:{PASSWORD}@{address}:5432/postgres"


class Server:
    """A process in a namespace of the world; ready() says whether it answers."""

    def __init__(self, command, ready, log, ends_by=signal.SIGTERM, env=None):
        self.command, self.ready, self.log, self.ends_by, self.env = command, ready, log, ends_by, env
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env={**os.environ, **(self.env or {})})
        leaks.RUNNING.add(self.process.pid)  # no ebbd has to account for it
        try:
            wait_for(lambda: self._lives() and self.ready(), 60, f"{self.command[-1]} to answer")
        except BaseException:
            self.stop()
            raise
        return self

    def _lives(self):
        assert self.process.poll() is None, leaks.read(self.log)[-2000:]
        return True

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(self.ends_by)
        try:
            process.wait(slow(30))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        leaks.RUNNING.discard(process.pid)


def answers(world, where, *words):
    return lambda: subprocess.run(world.inside(where, *words), capture_output=True).returncode == 0


@contextlib.contextmanager
def folder_of(user):
    """A directory that this user may write into and reach."""
    path = tempfile.mkdtemp(prefix="ebb-db-")
    try:
        who = pwd.getpwnam(user)
        os.chown(path, who.pw_uid, who.pw_gid)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def as_user(user, *words):
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *words]


class Postgres(Server):
    def sessions(self):
        """How many clients it has, beside this question."""
        said = worlds.run(*self.asking, "select count(*) from pg_stat_activity where backend_type = 'client backend'"
                          " and pid <> pg_backend_pid()", env={**os.environ, "PGPASSWORD": PASSWORD})
        return int(said)


@contextlib.contextmanager
def postgres(world, address=POSTGRES4, **settings):
    """PostgreSQL 15 with these settings; passwords are asked for (SCRAM)."""
    with folder_of("postgres") as folder:
        data = folder + "/data"
        with open(folder + "/password", "w") as f:
            f.write(PASSWORD + "\n")
        os.chmod(folder + "/password", 0o644)
        worlds.run(*as_user("postgres", BIN + "initdb", "--no-sync", "--auth=scram-sha-256", "--encoding=UTF8",
                            "--locale=C", f"--pwfile={folder}/password", data), cwd="/")
        with open(data + "/pg_hba.conf", "a") as f:
            f.write("host all all 0.0.0.0/0 scram-sha-256\n")
        options = {"listen_addresses": address, "unix_socket_directories": folder, "fsync": "off",
                   "shared_buffers": "16MB", "max_connections": "150", "autovacuum": "off", **settings}
        words = [w for key, value in options.items() for w in ("-c", f"{key}={value}")]
        server = Postgres(world.inside(world.world, *as_user("postgres", BIN + "postgres", "-D", data, *words)),
                          answers(world, world.world, BIN + "pg_isready", "-q", "-h", address), folder + "/log",
                          ends_by=signal.SIGINT)  # clients are told
        server.asking = world.inside(world.world, BIN + "psql", "-h", address, "-U", "postgres", "-tAc")
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def redis(world, where, address, port=CACHE_PORT, more=()):
    with folder_of("redis") as folder:
        words = ["redis-server", "--bind", address, "--port", str(port), "--save", "", "--dir", folder,
                 "--requirepass", PASSWORD, *more]  # without a password it talks to the loopback only
        server = Server(world.inside(where, *as_user("redis", *words)),
                        answers(world, where, "redis-cli", "-h", address, "-p", str(port), "ping"), folder + "/log")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def nats_answers(address, port):
    try:
        with socket.create_connection((address, port), 5) as one:
            return one.recv(4096).startswith(b"INFO ")
    except OSError:
        return False


@contextlib.contextmanager
def nats(world, address=NATS4, port=4222):
    with tempfile.TemporaryDirectory(prefix="ebb-db-") as folder:
        server = Server(world.inside(world.world, "nats-server", "-a", address, "-p", str(port)),
                        lambda: nats_answers(address, port), folder + "/log")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def nats_publish(text, address=NATS4, port=4222):
    """One message to the subject `messages`; returns when the server has it."""
    with socket.create_connection((address, port), 5) as one:
        one.sendall(b'CONNECT {"verbose":false}\r\nPUB messages %d\r\n%b\r\nPING\r\n' % (len(text), text.encode()))
        said = b""
        while b"PONG\r\n" not in said:
            said += one.recv(4096)


# --- an API by HTTPS ----------------------------------------------------------------------------------
def authority(path):
    """The CA of the tests: its certificate and its key in one directory, made once."""
    os.makedirs(path)
    worlds.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-days", "3650", "-subj", "/CN=CA of tests", "-keyout", path + "/key.pem", "-out", path + "/ca.pem")


def certificate(ca, folder, name):
    """(certificate, key) for a name, signed by that CA."""
    key, request, signed, extra = (f"{folder}/{file}" for file in ("key.pem", "request.pem", "signed.pem", "extra"))
    with open(extra, "w") as f:
        f.write(f"subjectAltName=DNS:{name}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n")
    worlds.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    worlds.run("openssl", "x509", "-req", "-in", request, "-CA", ca + "/ca.pem", "-CAkey", ca + "/key.pem",
               "-CAcreateserial", "-CAserial", folder + "/serial", "-days", "2", "-extfile", extra, "-out", signed)
    return signed, key


NGINX = """
daemon off; master_process off; error_log stderr; pid {folder}/pid;
events {{ worker_connections 256; }}
http {{
	access_log off; keepalive_timeout 600; keepalive_requests 100000; types {{ text/plain txt; }}
	client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
	server {{
		listen {address}:443 ssl; server_name {name};
		ssl_certificate {certificate}; ssl_certificate_key {key};
		location = /hello {{ return 200 "hello from {name}, connection $connection"; }}
	}}
}}
"""


@contextlib.contextmanager
def https(world, name, ca, address=API4):
    """nginx at https://NAME with a certificate of that CA."""
    world.ip(world.world, "addr", "add", f"{address}/32", "dev", "lo")
    with tempfile.TemporaryDirectory(prefix="ebb-db-") as folder:
        signed, key = certificate(ca, folder, name)
        with open(folder + "/conf", "w") as f:
            f.write(NGINX.format(folder=folder, address=address, name=name, certificate=signed, key=key))
        server = Server(world.inside(world.world, "nginx", "-e", "stderr", "-c", folder + "/conf"),
                        answers(world, world.world, "curl", "-sfk", f"https://{address}/hello"), folder + "/log")
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def grpc(world, address=GRPC4, port=50051):
    world.ip(world.world, "addr", "add", f"{address}/32", "dev", "lo")
    with tempfile.TemporaryDirectory(prefix="ebb-db-") as folder:
        server = Server(world.inside(world.world, sys.executable, "-B", pictures.FUNCTIONS + "/grpc_server.py"),
                        lambda: "listens" in leaks.read(folder + "/log"), folder + "/log",
                        env={"PORT": str(port), "PYTHONUNBUFFERED": "1"})
        server.start()
        try:
            yield server
        finally:
            server.stop()
