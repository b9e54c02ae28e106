# SPDX-License-Identifier: Apache-2.0
"""Compiled code is in the image: no instance compiles what a start needs."""
import os
import re
import subprocess

import pytest

import oci
import pictures
from ebb import BIN, CACHE, LIBEXEC
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")

PATIENT = {"initTimeout": f"{slow(10):.0f}s"}


def build(source, path):
    subprocess.run([os.path.join(BIN, "ebb"), "build", source, "-o", path], check=True,
                   env={**os.environ, "EBB_CACHE": CACHE, "EBB_LIBEXEC": LIBEXEC})


def test_node_starts_from_the_baked_code_and_compiles_nothing(runtimes_ebb):
    """Node itself says of each file whether its cache was accepted."""
    runtimes_ebb.import_image("oci-archive:" + pictures.example_archive("node-express"), "baked")
    runtimes_ebb.apply({"baked": {"runtime": "container", "entrypoint": "baked", "ebb": PATIENT,
                                "memory": 1024, "env": {"NODE_DEBUG_NATIVE": "COMPILE_CACHE"}}})
    assert runtimes_ebb.get("baked").status == 200
    log = runtimes_ebb.cli("logs", "--tail", 100000, "baked").out
    asked = set(re.findall(r"reading cache from \S+ for \w+ (\S+?)\.\.\.", log))
    taken = set(re.findall(r"cache for (\S+) was accepted", log))
    asked = {path.removeprefix("file://") for path in asked}
    taken = {path.removeprefix("file://") for path in taken}
    assert "/app/index.mjs" in taken and "/usr/lib/ebb/node/scope.cjs" in taken, log[-3000:]
    assert any("node_modules/express" in path for path in taken)
    assert asked and asked <= taken, asked - taken
    assert "was rejected" not in log
    runtimes_ebb.cli("rm", "baked")


@pytest.fixture
def replaced(runtimes_ebb, tmp_path):
    """A Python function whose sources were replaced behind its .pyc files by what must not be read."""
    source = tmp_path / "replaced"
    source.mkdir()
    (source / "main.py").write_text("import other\n\nasync def app(scope, receive, send):\n"
                                    "    await other.answer(scope, send)\n")
    (source / "other.py").write_text("""
async def answer(scope, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"compiled\\n"})
""")
    (source / "ebb.json").write_text('{"services": {"replaced": {"root": ".", "runtime": "python",'
                                     ' "entrypoint": "main:app"}}}')
    archive, layout = tmp_path / "a.oci.tar", tmp_path / "layout"
    build(str(source), str(archive))
    trap = b"raise SystemExit('the source was read')\n"
    layout.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", layout], check=True)
    oci.append_layer(str(layout), oci.layer(
        *(oci.entry(f"app/{name}.py", trap, 0o644) for name in ("main", "other"))))
    runtimes_ebb.import_image(f"oci:{layout}", "replaced")
    return runtimes_ebb


def test_python_reads_no_source_and_writes_no_bytecode(replaced):
    """Of a start, Python itself says where each module's code came from."""
    replaced.apply({"replaced": {"runtime": "container", "entrypoint": "replaced", "ebb": PATIENT,
                                 "memory": 2048, "env": {"PYTHONVERBOSE": "1"}}})
    assert replaced.get("replaced").text == "compiled\n"
    log = ""

    def all_told():
        nonlocal log
        log = replaced.cli("logs", "--tail", 100000, "replaced").out
        return "import 'other' #" in log

    wait_for(all_told)
    for module in ("main", "other"):
        assert f"code object from '/app/__pycache__/{module}" in log, log[-3000:]
    assert not re.search(r"code object from '?\S+\.py'?$", log, re.M)
    assert "wrote '" not in log and "the source was read" not in log
    replaced.cli("rm", "replaced")


def test_a_program_that_listens_itself_gets_tcp(runtimes_ebb, tmp_path):
    """FILE.py: the image does not ask for an inherited socket."""
    source = os.path.join(pictures.FUNCTIONS, "python-apps")
    program = tmp_path / "program"
    program.mkdir()
    with open(os.path.join(source, "program.py"), encoding="ascii") as file:
        (program / "program.py").write_text(file.read())
    (program / "ebb.json").write_text('{"services": {"program": {"root": ".", "runtime": "python",'
                                      ' "entrypoint": "program.py"}}}')
    build(str(program), str(tmp_path / "p.oci.tar"))
    runtimes_ebb.import_image(f"oci-archive:{tmp_path}/p.oci.tar", "program")
    runtimes_ebb.apply({"program": {"runtime": "container", "entrypoint": "program", "ebb": PATIENT}})
    assert runtimes_ebb.get("program").text == "hello from a program\n"
    runtimes_ebb.cli("rm", "program")
