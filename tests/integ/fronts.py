# SPDX-License-Identifier: Apache-2.0
"""The fronts of packaging/fronts, as they stand there, on ports and with certificates of the test."""
import os
import shutil
import socket
import ssl
import subprocess

from ebb import BIN, PROJECT, Ebb, hold_port
from waiting import slow, wait_for

FOLDER = os.path.join(PROJECT, "packaging/fronts")
HOST = "shop.example"
NOT_YET_VALID = 9  # X509_V_ERR_CERT_NOT_YET_VALID


def text_of(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def replaced(text, places):
    """Each place stands in the text, and is replaced all over."""
    for place, other in places:
        assert place in text, place
        text = text.replace(place, str(other))
    return text


class Certificates:
    """A CA of the test, and a certificate of it for these names."""

    def __init__(self, folder, names="DNS:shop.example,DNS:chat.example,DNS:*.wild.example"):
        self.folder = str(folder)
        self.ca, self.ca_key = self.path("ca.pem"), self.path("ca.key")
        self.pem, self.key = self.path("shop.pem"), self.path("shop.key")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl("req", "-x509", *curve, "-subj", "/CN=CA of a test", "-days", "2", "-keyout", self.ca_key, "-out", self.ca)
        self.openssl("req", *curve, "-subj", f"/CN={HOST}", "-keyout", self.key, "-out", self.path("csr"))
        with open(self.path("names"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName = {names}\n")
        self.openssl("x509", "-req", "-in", self.path("csr"), "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial",
                     "-days", "2", "-extfile", self.path("names"), "-out", self.pem)
        with open(self.pem, "a", encoding="utf-8") as pem, open(self.key, encoding="utf-8") as key:
            pem.write(key.read())  # HAProxy reads both from one file

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    def context(self):
        return ssl.create_default_context(cafile=self.ca)


class Behind(Ebb):
    """An ebbd with the settings of packaging/fronts/ebbd.conf."""

    def __init__(self):
        super().__init__()
        self.more = [hold_port() for _ in range(2)]
        self.introduced, self.status = (holder.getsockname()[1] for holder in self.more)
        self.settings = {"log_level": "debug"}
        with open(os.path.join(self.root, "ebbd.conf"), "w", encoding="utf-8") as file:
            file.write(replaced(text_of("ebbd.conf"), [
                (":8080", f":{self.port}"), (":8081", f":{self.introduced}"), (":8079", f":{self.status}"),
                ("api_group = ebb\n", "")]))

    def command(self, *more):
        return [os.path.join(BIN, "ebbd"), "--root", self.root, "--gateways", "1", "--set", "log_level=debug", "--config",
                os.path.join(self.root, "ebbd.conf"), *more]

    def remove(self):
        for holder in self.more:
            holder.close()
        super().remove()


# Caddy's global options in a test: its own CA in place of a public one, and no change of the host.
CADDY = """{
	admin off
	skip_install_trust
	local_certs
	default_bind 127.0.0.1
	http_port %(plain)d
	https_port %(port)d
	storage file_system %(work)s/caddy
	pki {
		ca local {
			root {
				format pem_file
				cert %(ca)s
				key %(ca_key)s
			}
		}
	}
"""


class Front:
    """One of the fronts, running in front of this ebbd."""

    def __init__(self, kind, ebb, certificates, work):
        self.kind, self.ebb, self.certificates, self.work = kind, ebb, certificates, str(work)
        self.holders = [hold_port() for _ in range(3)]
        self.plain, self.port, other = (holder.getsockname()[1] for holder in self.holders)
        self.log = os.path.join(self.work, "front.log")
        if kind == "haproxy-passed":
            self.port, other = other, self.port
        command = getattr(self, kind.split("-")[0])(other)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.work, start_new_session=True,
                                            env={**os.environ, "HOME": self.work, "XDG_DATA_HOME": self.work,
                                                 "XDG_CONFIG_HOME": self.work})
        try:
            wait_for(self.listens, 20, lambda: f"{kind} listens: {self.said()}")
        except AssertionError:
            self.stop()
            raise

    def nginx(self, _other):
        text = replaced(text_of("nginx.conf"), [
            ("127.0.0.1:8080", f"127.0.0.1:{self.ebb.port}"), ("listen 80;", f"listen 127.0.0.1:{self.plain};"),
            ("listen 443 ", f"listen 127.0.0.1:{self.port} "), ("/etc/ssl/ebb", self.certificates.folder),
            ("/run/nginx.pid", self.work + "/pid"), ("/var/log/nginx/error.log", self.work + "/error.log")])
        return [program("nginx"), "-g", "daemon off;", "-c", self.config(text)]

    def haproxy(self, other):
        read, passed = (other, self.port) if self.kind == "haproxy-passed" else (self.port, other)
        text = replaced(text_of("haproxy.cfg"), [
            ("127.0.0.1:8080", f"127.0.0.1:{self.ebb.port}"), ("127.0.0.1:8081", f"127.0.0.1:{self.ebb.introduced}"),
            ("port 8079", f"port {self.ebb.status}"), ("bind :80\n", f"bind 127.0.0.1:{self.plain}\n"),
            ("bind :443 ", f"bind 127.0.0.1:{read} "), ("bind :8443 ", f"bind 127.0.0.1:{passed} "),
            ("/etc/ssl/ebb", self.certificates.folder)])
        return [program("haproxy"), "-db", "-f", self.config(text)]

    def caddy(self, _other):
        text = replaced(text_of("Caddyfile"), [
            ("127.0.0.1:8080", f"127.0.0.1:{self.ebb.port}"), ("127.0.0.1:8079", f"127.0.0.1:{self.ebb.status}"),
            ("health_port 8079", f"health_port {self.ebb.status}")])
        head = CADDY % {"plain": self.plain, "port": self.port, "work": self.work, "ca": self.certificates.ca,
                        "ca_key": self.certificates.ca_key}
        return [program("caddy"), "run", "--adapter", "caddyfile", "--config", self.config(text.replace("{\n", head, 1))]

    def config(self, text):
        path = os.path.join(self.work, "config")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]

    def listens(self):
        assert self.process.poll() is None, f"the front ended: {self.said()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except OSError:
            return False
        return True

    def curl(self, *words, host=HOST, path="/", source="127.0.0.3", ok=True, stdin=None):
        """curl checks the certificate with the test's CA. Its output."""
        self.certified(host)
        done = subprocess.run(
            ["curl", "-sS", "--max-time", str(slow(30)), "--cacert", self.certificates.ca, "--interface", source,
             "--resolve", f"{host}:{self.port}:127.0.0.1", *words, f"https://{host}:{self.port}{path}"],
            capture_output=True, check=False, input=stdin)
        assert not ok or done.returncode == 0, f"{done}\n{self.said()}"
        return done.stdout.decode("utf-8", "replace") if ok else done

    def certified(self, host=HOST):
        """
        Caddy makes a certificate at the first handshake of a name, valid from this second on. Its clock is exact; time(2)
        of a client lags up to a tick behind, so in the first milliseconds of a second the certificate is of the future.
        """
        if self.kind == "caddy":
            wait_for(lambda: self.handshake(host) != NOT_YET_VALID)

    def handshake(self, host):
        """The error of openssl-verify(1) for the certificate of this name; 0 where all is well or none came."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), slow(30)) as plain:
                self.certificates.context().wrap_socket(plain, server_hostname=host).close()
        except (ssl.SSLError, ConnectionError) as error:
            return getattr(error, "verify_code", 0)
        return 0

    def status(self, host=HOST):
        """"200"; "000" where no answer came."""
        return self.curl("-o", "/dev/null", "-w", "%{http_code}", host=host, ok=False).stdout.decode()

    def connect(self, host=HOST):
        """A TLS connection that speaks HTTP/1.1."""
        self.certified(host)
        plain = socket.create_connection(("127.0.0.1", self.port), slow(30))
        return self.certificates.context().wrap_socket(plain, server_hostname=host)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(slow(20))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for holder in self.holders:
            holder.close()


def program(name):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    assert found, f"{name} is not installed: make deps FOR=check"
    return found
