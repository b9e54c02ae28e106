# SPDX-License-Identifier: Apache-2.0
"""packaging/orchestrators: the jobs parse, and their commands, health checks and signals do what the files say of them."""
import glob
import os
import signal
import subprocess
import threading

import hcl
import pytest
import yaml

import pictures
import web
from ebb import BIN, PROJECT, Ebb, hold_port
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1", reason="the guest has no parsers of these files")
FOLDER = os.path.join(PROJECT, "packaging/orchestrators")


def task(name):
    """The only group and the only task of a Nomad job."""
    with open(os.path.join(FOLDER, name + ".nomad"), encoding="utf-8") as file:
        job = hcl.load(file)["job"][name]
    (group,) = job["group"].values()
    (one,) = group["task"].values()
    return {**one, "group": group, "type": job["type"]}


def pod():
    with open(os.path.join(FOLDER, "daemonset.yaml"), encoding="utf-8") as file:
        settings, daemons = yaml.safe_load_all(file)
    assert daemons["spec"]["selector"]["matchLabels"] == daemons["spec"]["template"]["metadata"]["labels"]
    return settings["data"], daemons["spec"]["template"]["spec"]


def nomad_ebbd():
    one = task("ebbd")
    check = one["group"]["service"]["check"]
    ports = {name: port for labelled in one["group"]["network"]["port"] for name, port in labelled.items()}
    return {"command": [one["config"]["command"], *one["config"]["args"]], "settings": one["template"]["data"] + "\n",
            "probes": [check["path"]], "grace_s": seconds(one["kill_timeout"]), "signal": one["kill_signal"],
            "port": ports[check["port"]]["static"]}


def kubernetes_ebbd():
    settings, spec = pod()
    one = spec["containers"][0]
    probes = [one[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert len({(p["host"], p["port"]) for p in probes}) == 1
    return {"command": one["command"], "settings": settings["ebbd.conf"], "probes": [p["path"] for p in probes],
            "grace_s": spec["terminationGracePeriodSeconds"], "signal": "SIGTERM", "port": probes[0]["port"]}


def seconds(text):
    assert text.endswith("s")
    return int(text[:-1])


class Ordered(Ebb):
    """An ebbd that is started as a job says, with its settings, on ports of the test."""

    def __init__(self, job):
        super().__init__()
        self.job, self.more = job, hold_port()
        self.status = self.more.getsockname()[1]
        text = job["settings"]
        assert f":{job['port']}\n" in text and "listen = 0.0.0.0:8080\n" in text
        self.settings_path = os.path.join(self.root, "ebbd.conf")
        with open(self.settings_path, "w", encoding="utf-8") as file:
            file.write(text.replace(f":{job['port']}\n", f":{self.status}\n").replace("0.0.0.0:8080", f"127.0.0.1:{self.port}"))

    def command(self, *more):
        program, option, path = self.job["command"]
        assert option == "--config" and os.path.basename(path) == "ebbd.conf"
        return [os.path.join(BIN, os.path.basename(program)), "--root", self.root, "--gateways", "1", option, self.settings_path, *more]

    def remove(self):
        self.more.close()
        super().remove()

    def asked(self, path):
        return web.request(("127.0.0.1", self.status), path).status


@pytest.mark.parametrize("job", [nomad_ebbd, kubernetes_ebbd])
def test_ebbd_starts_and_ends_as_its_job_says(job):
    """The probes say yes when it has started; on the signal of the end they say no, and open requests finish."""
    job = job()
    ebb = Ordered(job)
    try:
        ebb.start()
        assert int(ebb.config["drain_ms"]) / 1000 < job["grace_s"]
        assert "/readyz" in job["probes"]
        wait_for(lambda: all(ebb.asked(path) == 200 for path in job["probes"]))
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.deploy("probe", "probe")
        answers = []
        client = threading.Thread(target=lambda: answers.append(ebb.get("probe", f"/sleep?ms={slow(1500):.0f}").status))
        client.start()
        wait_for(lambda: any(i["tickets"] for i in ebb.instances("probe")))
        ebb.witness.note(ebb.process.pid)
        ebb.process.send_signal(signal.Signals[job["signal"]])
        wait_for(lambda: ebb.asked("/readyz") == 503)
        assert ebb.asked("/healthz") == 200
        client.join()
        assert answers == [200]
        assert ebb.process.wait(slow(job["grace_s"])) == 0
        ebb.stop()
    finally:
        ebb.kill()
        ebb.remove()


def nomad_services():
    one = task("shop")
    assert one["driver"] == "raw_exec" and one["template"]["change_mode"] == "signal"
    return {"command": [one["config"]["command"], *one["config"]["args"]], "file": one["template"]["data"],
            "change": one["template"]["change_signal"], "end": one["kill_signal"], "grace_s": seconds(one["kill_timeout"])}


def kubernetes_services():
    settings, spec = pod()
    return {"command": spec["containers"][1]["command"], "file": settings["ebb.json"], "change": "SIGHUP", "end": "SIGTERM",
            "grace_s": spec["terminationGracePeriodSeconds"]}


@pytest.mark.parametrize("job", [nomad_services, kubernetes_services])
def test_services_live_as_long_as_their_job(module_probe, tmp_path, job):
    job, ebb, path = job(), module_probe, tmp_path / "ebb.json"
    program, *words = job["command"]
    assert os.path.basename(words[-1]) == "ebb.json"
    path.write_text(job["file"].replace('"entrypoint": "shop"', '"entrypoint": "probe"'))

    def memory():
        return [s["memory"] for s in ebb.services() if s["name"] == "shop"]
    with subprocess.Popen([os.path.join(BIN, os.path.basename(program)), *words[:-1], path],
                          env={**os.environ, "EBB_SOCKET": ebb.socket}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as up:
        try:
            wait_for(lambda: memory() == [256], 30)
            wait_for(lambda: ebb.http("/", host="shop.example").status == 200, 30)
            path.write_text(path.read_text().replace("256", "320"))
            up.send_signal(signal.Signals[job["change"]])
            wait_for(lambda: memory() == [320], 30)
            up.send_signal(signal.Signals[job["end"]])
            assert up.wait(slow(job["grace_s"])) == 0
            assert memory() == []
        finally:
            up.kill()


def test_mounts_of_the_daemonset_are_ebbs_directories():
    _, spec = pod()
    volumes = {v["name"] for v in spec["volumes"]}
    for container in spec["containers"]:
        assert {m["name"] for m in container["volumeMounts"]} <= volumes
    known = subprocess.run([os.path.join(BIN, "ebbd"), "-T"], capture_output=True, text=True, check=True).stdout
    paths = {m["mountPath"] for m in spec["containers"][0]["volumeMounts"]} - {"/etc/ebb", "/sys/fs/cgroup"}
    for name in ("run_dir", "state_dir", "log_dir", "ledger_dir", "image_dir"):
        (place,) = [line.split(" = ")[1] for line in known.splitlines() if line.startswith(name + " = ")]
        assert any(place == p or place.startswith(p + "/") for p in paths), place


def test_every_file_is_tested_and_shown():
    names = sorted(os.path.basename(path) for path in glob.glob(FOLDER + "/*"))
    assert names == ["daemonset.yaml", "ebbd.nomad", "shop.nomad"]
