# SPDX-License-Identifier: Apache-2.0
"""
`sudo make demo` runs this: a C, a Node and a Python function get many requests at once, are frozen between them,
and get their bill. All files are below build/demo; no process is left running.

PORT=8081 serves elsewhere, KEEP=1 goes on serving until Ctrl-C.
"""
import os
import shutil
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(PROJECT, "tests/integ"))

import leaks  # noqa: E402
import pictures  # noqa: E402
import web  # noqa: E402
from ebb import Ebb  # noqa: E402
from waiting import wait_for  # noqa: E402

APPS = [("hello-c", "c-hello", "a static C server"),
        ("hello-node", "node-express", "Express, from npm"),
        ("hello-python", "python-starlette", "Starlette, from Debian")]
AT_ONCE = 100
BOLD, DIM, END = ("\033[1m", "\033[2m", "\033[0m") if (
    sys.stdout.isatty() and "NO_COLOR" not in os.environ) else ("", "", "")


def say(text=""):
    print(text, flush=True)


def title(text):
    say(f"\n{BOLD}{text}{END}")


def step(text, work, begun=None):
    """Says what is being done, does it, says how long it took (since begun)."""
    print(f"  {text:<58}", end="", flush=True)
    begun = begun or time.monotonic()
    result = work()
    say(f"{DIM}{time.monotonic() - begun:7.2f} s{END}")
    return result


def port_is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def bring_up(ebb):
    title("Building and deploying")
    for name, example, what in APPS:
        say(f"  {name} ({what})")  # the builder of its image has its own messages
        begun = time.monotonic()
        archive = pictures.example_archive(example)
        step("    image built", lambda: archive, begun)
        step("    into the store", lambda: ebb.import_image("oci-archive:" + archive, name))
        step("    deployed", lambda: ebb.deploy(name, name, "--max", 4))


class Figures:
    """The demo's observations of one service."""

    def __init__(self):
        self.request_s = 0.0


def one_request(ebb, name, seen, path="/"):
    reply = ebb.get(name, path, timeout=60)
    seen.request_s += reply.seconds
    if reply.status != 200:
        raise SystemExit(f"demo: {name}{path} answered {reply.status}: {reply.text}")
    return reply


def show_service(ebb, name, what):
    seen = Figures()
    title(f"{name}: {what}")
    cold = one_request(ebb, name, seen)
    say(f"  first request     {cold.start:>5}  {cold.seconds * 1000:8.1f} ms   (no instance ran before)")
    begun = time.monotonic()
    replies = web.many(AT_ONCE, lambda i: ebb.get(name, "/sleep?ms=1000", timeout=60))
    took = time.monotonic() - begun
    seen.request_s += sum(r.seconds for r in replies)
    good, used = sum(r.status == 200 for r in replies), len({r.instance for r in replies})
    say(f"  {AT_ONCE} requests at once, each waiting 1 s: {good} answered in {took:.2f} s "
        f"by {used} instance{'s' if used > 1 else ''}")
    thaws = []
    for _ in range(5):
        ebb.wait_frozen(name)
        reply = one_request(ebb, name, seen)
        thaws.append(reply.seconds * 1000)
        if reply.start != "thaw":
            say(f"  (expected a thaw, got {reply.start})")
    say(f"  frozen, then asked again 5 times:  thaw  {min(thaws):.1f} .. {max(thaws):.1f} ms")
    ebb.wait_frozen(name)
    first = {i["id"]: i["cpu_us"] for i in ebb.instances(name)}
    end = time.monotonic() + 2
    wait_for(lambda: time.monotonic() > end)
    grown = sum(i["cpu_us"] - first.get(i["id"], 0) for i in ebb.instances(name))
    say(f"  frozen for 2 s: CPU used {grown} us")
    return seen


def show_instances(ebb):
    title("Instances")
    say(f"  {'instance':<18}{'state':<9}{'requests':>9}{'freezes':>9}{'thaws':>7}"
        f"{'CPU ms':>9}{'awake s':>9}{'frozen s':>10}{'memory MB':>11}")
    for i in ebb.instances():
        say(f"  {i['id']:<18}{i['state']:<9}{i['invocations']:>9}{i.get('freezes', '-'):>9}"
            f"{i.get('thaws', '-'):>7}{i['cpu_us'] / 1000:>9.1f}{i['awake_us'] / 1e6:>9.2f}"
            f"{i['frozen_us'] / 1e6:>10.2f}{i['memory_bytes'] / 1e6:>11.1f}")


def show_bill(ebb, figures):
    title("The bill (what a platform with one request per instance would charge beside it)")
    say(f"  {'service':<14}{'requests':>9}{'active CPU':>12}{'provisioned':>13}{'one per request':>17}"
        f"{'saved':>8}")
    for name, seen in figures.items():
        row = ebb.usage(name)
        awake, alone = row["awake_us"] / 1e6, max(seen.request_s, 1e-9)
        say(f"  {name:<14}{row['invocations']:>9}{row['active_cpu_us'] / 1e6:>10.3f} s{awake:>11.2f} s"
            f"{alone:>15.2f} s{(1 - awake / alone) * 100:>7.1f}%")
    verdict = ebb.cli("ledger", "verify")
    say(f"  ledger: {verdict.out.strip().splitlines()[0] if verdict.out.strip() else 'verified'}")


def keep_serving(ebb):
    title(f"Serving on http://127.0.0.1:{ebb.port} until Ctrl-C")
    for name, _, _ in APPS:
        say(f"  curl http://{name}.localhost:{ebb.port}/")
    say(f"  export EBB_SOCKET={ebb.socket}")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()


def run(ebb):
    figures = {}
    bring_up(ebb)
    for name, _, what in APPS:
        figures[name] = show_service(ebb, name, what)
    show_instances(ebb)
    show_bill(ebb, figures)
    if os.environ.get("KEEP") == "1":
        keep_serving(ebb)


def main():
    if os.geteuid() != 0:
        raise SystemExit("demo: ebbd needs root: sudo make demo")
    port = int(os.environ.get("PORT", "8080"))
    if not port_is_free(port):
        raise SystemExit(f"demo: something else listens on 127.0.0.1:{port}\n"
                         f"  mend: stop it, or choose another port: PORT=8081 make demo")
    leaks.become_subreaper()
    root = os.path.join(PROJECT, "build/demo")
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    ebb = Ebb(gateways=os.cpu_count(), settings={"log_level": "info", "egress_default": None}, root=root, port=port)
    title(f"Starting ebb on 127.0.0.1:{port}, everything below {os.path.relpath(root, PROJECT)}")
    try:
        step("ebbd is ready", ebb.start)
        run(ebb)
        title("Stopping")
        step("ebbd ended with 0 and left nothing", ebb.stop)
    finally:
        ebb.kill()
        ebb.remove()


if __name__ == "__main__":
    main()
