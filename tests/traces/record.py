#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Writes tests/traces/NAME.calls: the system calls of real programs, seen by strace while they serve a request that does
what functions in that language do (work/).

usage: record.py [NAME...]        as root, on a machine that has the programs (Debian's packages)

A line is NAME NUMBER [ARGUMENT=VALUE...], with only the arguments that policies look at (ARGUMENTS). Calls that the
recording kernel lacks (ENOSYS) are left out. tests/unit/test_policy_traces.c checks that the policies let the listed
calls pass.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.join(HERE, "work")
PORT = 18431
ARGUMENTS = {"ioctl": (1,), "fcntl": (1,), "prctl": (0,), "clone": (0,), "socket": (0, 1, 2),
             "socketpair": (0, 1, 2), "personality": (0,), "mmap": (3,), "madvise": (2,),
             "memfd_create": (1,), "seccomp": (0,), "shmget": (2,), "arch_prctl": (0,),
             "setsockopt": (1, 2), "getsockopt": (1, 2), "sched_setscheduler": (1,),
             "unshare": (0,), "mknod": (1,), "mknodat": (2,)}
# Calls that an instance refuses are refused while recording, so that the calls are seen which libraries make instead.
REFUSED = ["-e", "inject=clone3,io_uring_setup:error=ENOSYS"]
LINE = re.compile(r"^\[ *(\d+)\] (\w+)\((.*?)(?:\)\s+= (.*)|<unfinished.*)?$")


class Program:
    """One list: how to start it, what to ask of it, how to end it."""

    def __init__(self, version, words, ask=None, files=None, build=None, before=None):
        self.version, self.words, self.ask = version, words, ask
        self.files, self.build, self.before = files or {}, build, before


def http(where):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{where}", timeout=60) as reply:
        return reply.read()


def twice():
    http("/")
    http("/")


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120, **more)


NGINX = """daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log; worker_processes 2;
user www-data; events {{ }}
http {{ access_log {dir}/access.log; sendfile on; aio threads; gzip on; gzip_types *;
  upstream self {{ server 127.0.0.1:{port}; keepalive 2; }}
  proxy_cache_path {dir}/cache keys_zone=c:1m;
  server {{ listen 127.0.0.1:{port} default_server;
    location / {{ root {dir}; autoindex on; }}
    location /up/ {{ proxy_pass http://self/; proxy_cache c; proxy_http_version 1.1; }} }} }}
"""
FPM = """[global]
daemonize = no
error_log = {dir}/fpm.log
[www]
user = www-data
listen = {dir}/fpm.sock
pm = dynamic
pm.max_children = 3
pm.start_servers = 2
pm.min_spare_servers = 1
pm.max_spare_servers = 3
"""
CADDY = "{{ \nadmin off\nauto_https off\n}}\nhttp://127.0.0.1:{port} {{\nroot * {dir}\nfile_server browse\nencode gzip\n}}\n"
HAPROXY = """global
 maxconn 50
defaults
 mode http
 timeout client 9s
 timeout server 9s
 timeout connect 9s
frontend f
 bind 127.0.0.1:{port}
 http-request return status 200 content-type text/plain string done if {{ path / }}
 default_backend b
backend b
 server s 127.0.0.1:{port} check
"""


def fpm_ask():
    """A page through FastCGI, without a web server: one record each way."""
    import socket
    import struct

    def pair(key, value):
        return bytes([len(key), len(value)]) + key + value

    def record(kind, body):
        return struct.pack(">BBHHBB", 1, kind, 1, len(body), 0, 0) + body

    name = os.path.join(WORK, "work.php").encode()
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(Here.dir, "fpm.sock"))
            s.sendall(record(1, b"\0\1\0\0\0\0\0\0") +
                      record(4, pair(b"SCRIPT_FILENAME", name) + pair(b"REQUEST_METHOD", b"GET")) +
                      record(4, b"") + record(5, b""))
            while s.recv(4096):
                pass


def redis_ask():
    for words in (["set", "a", "1"], ["bgsave"], ["bgrewriteaof"], ["lpush", "l", "1"], ["info"],
                  ["config", "set", "appendonly", "yes"], ["flushall", "async"], ["memory", "purge"]):
        subprocess.run(["redis-cli", "-p", str(PORT), *words], capture_output=True, timeout=30)
    time.sleep(1)


def postgres_server():
    """A server for the client; it is not traced."""
    home = sorted(os.listdir("/usr/lib/postgresql"))[-1]
    tools = f"/usr/lib/postgresql/{home}/bin/"
    data = Here.dir + "/data"
    os.chmod(Here.dir, 0o777)
    run("runuser", "-u", "postgres", "--", tools + "initdb", "-A", "trust", "-D", data)
    Here.extra = subprocess.Popen(
        ["runuser", "-u", "postgres", "--", tools + "postgres", "-D", data, "-p", str(PORT), "-k", "/tmp"],
        stderr=subprocess.DEVNULL)
    for _ in range(300):
        if subprocess.run([tools + "pg_isready", "-h", "127.0.0.1", "-p", str(PORT)],
                          capture_output=True).returncode == 0:
            return
        time.sleep(0.1)


PSQL = ("create table t(a int); insert into t select generate_series(1,1000); select * from t; "
        "\\copy t to /tmp/t.out\n\\! echo a\n\\d t\n")
BUSYBOX = ("cd $(mktemp -d); echo a > a; cp -a a b; mv b c; ln -s a l; touch -d @1 a; chmod 600 a; "
           "mkfifo f; tar cf t.tar a c; tar xf t.tar; gzip t.tar; gunzip t.tar.gz; sed -i s/a/b/ a; "
           "grep b a; find .; ls -la; ps; df .; du .; sleep 0.01; sort a; wc a; head -1 a; id; "
           "hostname; uname -a; date; dd if=a of=d bs=1; nslookup localhost; stat a; sync; "
           "wget -O w http://127.0.0.1:%d/a; ifconfig lo; kill -0 $$; timeout 1 true; stty; "
           "echo a | cat; (sleep 9 & kill $!; wait)" % PORT)
SHELL = ("cd $(mktemp -d); echo a > a; cp -a a b; cp --reflink=auto a r; mv b c; ln -s a l; touch -d @1 a; "
         "mkfifo f; tar cf t.tar a c; tar xf t.tar; gzip t.tar; gunzip t.tar.gz; sed -i s/a/b/ a; "
         "find . -ls; ls -la --color; df .; du .; sort a; install -m 600 a i; truncate -s 10 a; "
         "fallocate -l 10 z; flock a true; nice true; nohup true; timeout 1 true; setsid true; "
         "stdbuf -o0 true; script -qc 'stty -a; tty' s; mktemp; sync a; shred -u i; getent hosts localhost; "
         "curl -s http://127.0.0.1:%d/a; xz -k z; tail -c1 a; split -b1 a; id; env; nproc; free" % PORT)

PROGRAMS = {
    "node": Program(["node", "--version"], ["node", WORK + "/work.js"], twice),
    "python": Program(["/usr/bin/python3", "--version"], ["/usr/bin/python3", WORK + "/work.py"], twice),
    "go": Program(["go", "version"], ["{dir}/work"], twice,
                  build=["go", "build", "-o", "{dir}/work", WORK + "/work.go"]),
    "caddy": Program(["caddy", "version"], ["caddy", "run", "--config", "{dir}/Caddyfile"],
                     twice, {"Caddyfile": CADDY}),
    "java": Program(["java", "--version"], ["java", "-Xmx200m", "-cp", "{dir}", "Work"], twice,
                    build=["javac", "-d", "{dir}", WORK + "/Work.java"]),
    "php": Program(["php", "--version"], ["php", "-S", f"127.0.0.1:{PORT}", WORK + "/work.php"], twice),
    "php-fpm": Program(["php-fpm8.2", "--version"], ["php-fpm8.2", "-R", "-y", "{dir}/fpm.conf"], fpm_ask,
                       {"fpm.conf": FPM}),
    "ruby": Program(["ruby", "--version"], ["ruby", WORK + "/work.rb"], twice),
    "perl": Program(["perl", "-e", "print $^V"], ["perl", WORK + "/work.pl"]),
    "rust": Program(["rustc", "--version"], ["{dir}/work"], twice,
                    build=["rustc", "-O", "-o", "{dir}/work", WORK + "/work.rs"]),
    "psql": Program(["psql", "--version"], ["psql", "-h", "127.0.0.1", "-p", str(PORT), "-U", "postgres",
                                            "-f", "{dir}/q"], files={"q": PSQL}, before=postgres_server),
    "nginx": Program(["nginx", "-v"], ["nginx", "-c", "{dir}/nginx.conf"],
                     lambda: (twice(), http("/up/"), http("/nginx.conf"), http("/up/nginx.conf")),
                     {"nginx.conf": NGINX}),
    "haproxy": Program(["haproxy", "-v"], ["haproxy", "-f", "{dir}/h.cfg"], twice, {"h.cfg": HAPROXY}),
    "redis": Program(["redis-server", "--version"],
                     ["redis-server", "--port", str(PORT), "--dir", "{dir}", "--save", "1 1"], redis_ask),
    "busybox": Program(["busybox"], ["busybox", "sh", "-c",
                                     f"busybox httpd -f -p 127.0.0.1:{PORT} -h /etc & {BUSYBOX}; kill %1"]),
    "shell": Program(["bash", "--version"], ["bash", "-c", SHELL]),
}


class Here:
    """The directory of this recording."""
    dir = None
    extra = None


def numbers(text):
    return [int(word, 0) for word in re.findall(r"0x[0-9a-f]+|\b\d+\b", text)]


def shown(name, arguments):
    values = numbers(arguments)
    wanted = ARGUMENTS.get(name, ())
    if name == "prlimit64":  # of itself, or of another process
        return [f"0={0 if values and values[0] == 0 else 1}"]
    return [f"{at}={values[at] & 0xffffffff:#x}" for at in wanted if at < len(values)]


def read_traces(work):
    calls = set()
    for name in os.listdir(work):
        with open(os.path.join(work, name), errors="replace") as f:
            for line in f:
                m = LINE.match(line.rstrip("\n"))
                if not m or "ENOSYS" in (m[4] or "") or "errno 38" in (m[4] or ""):
                    continue
                calls.add((m[2], int(m[1]), *shown(m[2], m[3])))
    return sorted(calls)


def wait_for(program, process):
    for _ in range(600):
        if process.poll() is not None or not program.ask:
            return
        if subprocess.run(["ss", "-Hltn", f"sport = :{PORT}"], capture_output=True).stdout or \
                os.path.exists(Here.dir + "/fpm.sock"):
            return
        time.sleep(0.1)


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def record(name, program):
    with tempfile.TemporaryDirectory(prefix="traces-") as work:
        Here.dir, Here.extra = work, None
        os.chmod(work, 0o755)
        places = {"dir": work, "port": PORT}
        for file, text in program.files.items():
            with open(os.path.join(work, file), "w") as f:
                f.write(text.format(**places))
        if program.build:
            run(*[w.format(**places) for w in program.build],
                env={**os.environ, "GOCACHE": work + "/go", "GO111MODULE": "off"})
        if program.before:
            program.before()
        traces = work + "/traces"
        os.mkdir(traces)
        words = [w.format(**places) if w.startswith("{") else w for w in program.words]
        process = subprocess.Popen(
            ["strace", "-ff", "-n", "-qq", "-s0", "-e", "raw=all", *REFUSED, "-o", traces + "/t", *words],
            env={**os.environ, "PORT": str(PORT), "SELF": f"127.0.0.1:{PORT}"}, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            wait_for(program, process)
            if program.ask:
                program.ask()
                os.killpg(process.pid, 15)
            process.wait(20)
        except subprocess.TimeoutExpired:
            pass  # it does not end by a signal; its calls are written
        finally:
            for one in filter(None, (process, Here.extra)):
                end(one)
        calls = read_traces(traces)
    version = subprocess.run(program.version, capture_output=True, text=True)
    version = (version.stdout + version.stderr).strip().splitlines()[0]
    with open(os.path.join(HERE, name + ".calls"), "w") as f:
        f.write(f"# {version}; made by record.py, do not edit\n")
        f.writelines(" ".join(map(str, call)) + "\n" for call in calls)
    print(f"{name:10} {len({c[0] for c in calls}):4} calls, {len(calls):4} with their arguments", flush=True)


def main(wanted):
    for name, program in PROGRAMS.items():
        if wanted and name not in wanted:
            continue
        if not shutil.which(program.version[0]):
            print(f"{name:10} is not here: its list stays as it is")
            continue
        record(name, program)


if __name__ == "__main__":
    main(sys.argv[1:])
