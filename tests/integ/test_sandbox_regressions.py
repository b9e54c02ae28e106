# SPDX-License-Identifier: Apache-2.0
"""
Faults that broke other container runtimes, tried on ebb: a test for each CVE, named after it. Each image or function
is hostile as the report of the fault describes it, and the test looks at the host for the damage.
(CVE-2022-0492 is in test_sandbox_escapes, whose corpus has the calls that it needs.)
"""
import hashlib
import os
import tarfile

import pytest

import oci
import pictures
from ebb import BIN

LINK = tarfile.SYMTYPE


def serve(ebb, place, entries, config=None, command=None):
    """An instance of the probe over a layer of these entries; the answer of its first request."""
    layers = [*pictures.probe_layers(), oci.layer(*entries)] if entries else pictures.probe_layers()
    ebb.import_image("oci-archive:" + pictures.probe_image(config, layers).write_archive(place), "evil")
    ebb.apply({"evil": {"runtime": "container", "entrypoint": "evil", "memory": 128, "maxInstances": 1,
                        **({"command": command} if command else {}),
                        "ebb": {"initTimeout": "2s"}}}, ok=None)
    return ebb.get("evil")


def text(ebb, path):
    reply = ebb.get("evil", path)
    assert reply.status == 200, reply
    return reply.text


def mounts(ebb):
    return [line.split() for line in text(ebb, "/file?path=/proc/self/mountinfo").splitlines()]


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def state(folder):
    """All that is below a directory of the host."""
    return sorted((os.path.relpath(os.path.join(top, n), folder), os.lstat(os.path.join(top, n)).st_mtime_ns)
                  for top, dirs, files in os.walk(folder) for n in dirs + files)


@pytest.fixture
def place(tmp_path):
    return str(tmp_path / "evil.tar")


@pytest.fixture
def victim(tmp_path):
    """A directory of the host that an image aims at, with files named like those that runtimes replace."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "ptmx").write_text("of the host")
    folder.chmod(0o777)
    return str(folder)


@pytest.mark.parametrize("how", ["command", "link", "script"])
def test_cve_2019_5736_the_runtimes_program_can_not_be_run_or_overwritten(ebb, place, how):
    """An entrypoint of /proc/self/exe is the runtime itself, which the function could then write."""
    programs = {name: digest(os.path.join(BIN, name)) for name in ("ebbd", "ebb-init")}
    entries = [oci.entry("srv/link", kind=LINK, target="/proc/self/exe"),
               oci.entry("srv/script", b"#!/proc/self/exe\n", 0o755)]
    command = {"command": ["/proc/self/exe"], "link": ["/srv/link"], "script": ["/srv/script"]}[how]
    assert serve(ebb, place, entries, command=command).status >= 500
    ebb.apply({"evil": {"runtime": "container", "entrypoint": "evil", "command": ["/srv/probe"]}})
    for path in ("/proc/1/exe", "/proc/2/exe", "/proc/self/exe"):
        answer = text(ebb, "/try?call=write&path=" + path)
        assert answer in (("EACCES",) if path == "/proc/1/exe" else ("EACCES", "ETXTBSY")), (path, answer)
    assert programs == {name: digest(os.path.join(BIN, name)) for name in programs}


# Every number that a process of the sandbox has had before it becomes the program, and as many again.
NUMBERS = [*range(3, 33), *range(64, 72)][::4 if pictures.IN_VM else 1]


@pytest.mark.parametrize("number", NUMBERS)
def test_cve_2024_21626_no_descriptor_of_the_host_is_a_working_directory(module_ebb, place, number):
    """WORKDIR /proc/self/fd/N, where N is a directory the runtime left open. None is: it cannot be entered."""
    try:
        reply = serve(module_ebb, place, [], {"WorkingDir": f"/proc/self/fd/{number}"})
        assert reply.status >= 500, module_ebb.get("evil", "/list?path=../../../../../../..").text
    finally:
        module_ebb.cli("rm", "evil")


@pytest.mark.parametrize("number", NUMBERS[::3])
def test_cve_2024_21626_no_descriptor_of_the_host_leads_to_the_program(module_ebb, place, number):
    try:
        path = f"/proc/self/fd/{number}/../../../../../../srv/probe"
        assert serve(module_ebb, place, [], command=[path]).status >= 500
    finally:
        module_ebb.cli("rm", "evil")


def test_cve_2024_21626_no_directory_is_inherited(module_ebb, place):
    assert serve(module_ebb, place, []).status == 200
    fds = [fd for fd in text(module_ebb, "/list?path=/proc/self/fd").split() if fd.isdigit()]
    links = [module_ebb.get("evil", f"/link?path=/proc/self/fd/{fd}") for fd in fds]
    assert [seen.status for seen in links].count(200) >= 3  # 0, 1, 2; the list's own is closed again
    for seen in links:
        if seen.status == 200:
            assert not seen.text.startswith("/") or seen.text.startswith(("/dev/null", "/proc/")), seen.text
    module_ebb.cli("rm", "evil")


HOST_SYSCTLS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe"]


def sysctls():
    return [open(path, encoding="ascii").read() for path in HOST_SYSCTLS if os.path.exists(path)]


def test_cve_2025_31133_a_mask_is_the_null_device_whatever_dev_null_the_image_has(ebb, place):
    """/dev/null as a link to a file of /proc: masking binds that file, writable, over the masked one."""
    before = sysctls()
    entries = [oci.entry("dev"), oci.entry("dev/null", kind=LINK, target="/proc/sys/kernel/core_pattern"),
               oci.entry("empty", kind=LINK, target="/proc/sys")]
    assert serve(ebb, place, entries).status == 200
    assert text(ebb, "/try?call=write&path=/proc/sys/kernel/core_pattern") in ("EROFS", "EACCES")
    for path in ("/proc/kcore", "/proc/timer_list", "/proc/keys"):
        assert ebb.get("evil", "/file?path=" + path).body in (b"",) or \
            ebb.get("evil", "/file?path=" + path).status == 404
    covered = [m for m in mounts(ebb) if m[4].startswith("/proc/") and m[3].startswith("/sys")]
    assert not [m for m in covered if m[4] != "/proc/sys" and m[3] != "/sysrq-trigger"], covered
    assert sysctls() == before


def test_cve_2025_52565_the_image_says_nothing_about_the_console(ebb, place):
    """/dev/console, or the pts of it, as a link: the runtime binds a file of /proc before it is masked."""
    before = sysctls()
    entries = [oci.entry("dev"), oci.entry("dev/console", kind=LINK, target="/proc/sysrq-trigger"),
               oci.entry("dev/pts"), oci.entry("dev/pts/0", kind=LINK, target="/proc/sys/kernel/core_pattern"),
               oci.entry("dev/ptmx", kind=LINK, target="/proc/sysrq-trigger"),
               oci.entry("dev/tty", kind=LINK, target="/proc/sysrq-trigger")]
    assert serve(ebb, place, entries).status == 200
    assert "console" not in text(ebb, "/list?path=/dev").split()
    for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern"):
        assert text(ebb, "/try?call=write&path=" + path) in ("EROFS", "EACCES", "ENOENT"), path
    assert not [m for m in mounts(ebb) if m[4] in ("/dev/console", "/dev/pts/0")]
    assert sysctls() == before


def test_cve_2025_52881_what_root_writes_to_proc_goes_to_proc(ebb, place, victim):
    """A /proc that is not one: writes of the runtime there (labels, sysctls) land elsewhere."""
    entries = [oci.entry("proc"), oci.entry("proc/self"), oci.entry("proc/self/attr"),
               oci.entry("proc/self/attr/exec", kind=LINK, target=victim + "/written"),
               oci.entry("proc/sys", kind=LINK, target=victim),
               oci.entry("proc/self/uid_map", b"0 0 4294967295\n")]
    before = state(victim)
    assert serve(ebb, place, entries).status == 200
    proc = [m for m in mounts(ebb) if m[4] == "/proc"]
    assert len(proc) == 1 and "proc" in proc[0][proc[0].index("-") + 1:], proc
    assert text(ebb, "/file?path=/proc/self/uid_map").split()[1] != "0"
    assert state(victim) == before


@pytest.mark.parametrize("target", ["absolute", "climbing", "through"])
def test_cve_2026_41579_a_dev_that_is_a_link_changes_nothing_on_the_host(ebb, place, victim, target):
    """runc removed ptmx, and made fd, stdin, stdout, stderr, where the image's /dev pointed."""
    aims = {"absolute": victim, "climbing": "../../../../../../../../../.." + victim, "through": "way/in"}
    entries = [oci.entry("dev", kind=LINK, target=aims[target]), oci.entry("way", kind=LINK, target="/"),
               oci.entry("in", kind=LINK, target=victim)]
    before = state(victim)
    assert serve(ebb, place, entries).status == 200
    assert {"null", "ptmx", "fd"} <= set(text(ebb, "/list?path=/dev").split())
    assert state(victim) == before
    assert open(victim + "/ptmx", encoding="ascii").read() == "of the host"


@pytest.mark.parametrize("name", ["dev/null", "dev/console", "dev/shm", "dev/pts", "dev/mqueue", "dev/ebb", "sys",
                                  "proc", "tmp", "etc", "run"])
def test_cve_2026_47766_no_name_that_is_set_up_leads_out_of_the_image(ebb, place, victim, name):
    """The same fault of crun, and of all its kind: every directory a runtime touches, as a link out."""
    entries = [oci.entry(name, kind=LINK, target=victim)]
    if "/" in name:
        entries.insert(0, oci.entry(os.path.dirname(name)))
    before = state(victim)
    assert serve(ebb, place, entries).status == 200
    for made in ("null", "ptmx", "fd", "self", "kernel", "hosts", "resolv.conf", "x"):
        assert not os.path.lexists(os.path.join(victim, made)) or made == "ptmx"
    assert state(victim) == before


@pytest.mark.parametrize("user, uid, gid", [("1", 1, 0), ("1:1", 1, 1), ("01", 1, 0), ("10", 10, 0),
                                            ("1:0", 1, 0), ("65534", 65534, 0)])
def test_cve_2026_30892_the_user_one_is_not_root(module_ebb, place, user, uid, gid):
    """crun read the user "1" as 0."""
    assert serve(module_ebb, place, [], {"User": user}).status == 200
    seen = module_ebb.get("evil", "/process").json
    assert (seen["uid"], seen["gid"]) == (uid, gid)
    module_ebb.cli("rm", "evil")


def test_cve_2026_55686_a_working_directory_is_made_inside(ebb, place, victim):
    """podman made the missing WORKDIR through a link of the image."""
    entries = [oci.entry("work", kind=LINK, target=victim)]
    before = state(victim)
    reply = serve(ebb, place, entries, {"WorkingDir": "/work/made/by/root"})
    assert not os.path.exists(victim + "/made") and state(victim) == before
    assert reply.status == 200 or "sandbox step cwd failed" in ebb.log()
