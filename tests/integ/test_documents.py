# SPDX-License-Identifier: Apache-2.0
"""Man pages, help, schema, OpenAPI and the pages for people name nothing that the programs refuse or lack, and
leave out nothing that the programs have."""
import json
import os
import re
import subprocess

import pytest

import offered
import openapi
import pictures
import web
from ebb import BIN, PROJECT
from waiting import slow, wait_for
from workflows import World

TABLES = offered.tables()
VERBS = {row["name"]: row for row in TABLES["verbs"]}
OPTIONS = {row["name"] for row in TABLES["options"]}
SETTINGS = {(row["place"], row["name"]): row for row in TABLES["settings"]}
EVENTS = set(re.findall(r"^\| `(\w+)` \|", offered.text_of("docs/reference/events.md"), re.M))
CODES = set(re.findall(r"^\| (\d+) \| `([A-Z_]+)` \|", offered.text_of("docs/reference/errors.md"), re.M))


@pytest.fixture(scope="module")
def said(module_probe):
    module_probe.get("probe")
    return module_probe


# --- the command line -----------------------------------------------------------------------------
def man_verbs():
    """Verb -> what the man page says under it (a verb may have two forms)."""
    text = offered.text_of("docs/man/ebb.1.scd").split("# VERBS")[1].split("# EXIT STATUS")[0]
    found = {}
    for part in re.split(r"\n(?=\*[a-z])", text)[1:]:
        found[part[1:].split("*")[0]] = found.get(part[1:].split("*")[0], "") + part
    return found


def test_the_man_page_has_exactly_the_verbs():
    assert set(man_verbs()) == set(VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_the_man_page_has_exactly_the_options_of(name):
    said_of = set(re.findall(r"\*--([a-z-]+)\*", man_verbs()[name]))
    assert said_of - OPTIONS - {"attach"} == {row["name"] for row in VERBS[name]["options"]} - {"attach"}


@pytest.mark.parametrize("name", VERBS)
def test_help_of_a_verb_is_there(name):
    done = subprocess.run([os.path.join(BIN, "ebb"), *name.split(), "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: ebb {name}"), done
    assert all(f"--{row['name']}" in done.stdout for row in VERBS[name]["options"])


HEARD = {"type": "queue/v2beta", "topic": "sample", "path": "/heard"}


def make_run(ebb):
    """A run of a workflow with the id 1, of the namespace flows."""
    ebb.rest("PUT", "/v1/services/flows", {"image": "probe", "minInstances": 1, "ebb": {"queues": "flows"}})
    assert ebb.get("flows", "/").status == 200
    world = World(ebb, "flows")
    assert world.make("1", "run_created", name="sample", deployment="1", once="1").status in (200, 201)
    world.close()


def samples(ebb):
    """Verb -> words with which it works on this ebb; None: other families run it (it builds, or reads archives)."""
    instance = ebb.get("probe").instance
    file = os.path.join(ebb.root, "one.json")
    with open(file, "w") as f:
        json.dump({"services": {"one": {"runtime": "container", "entrypoint": "probe"}}}, f)
    assert ebb.rest("PUT", "/v1/services/timed", {"image": "probe", "crons": [{"path": "/sample", "schedule": "0 0 1 1 *"}],
                                                        "experimentalTriggers": [HEARD]})
    return {
        "build": None, "completion": None, "init": [], "dev": None, "image import": ["oci-archive:" + pictures.own_archive(), "-t", "again"],
        "image export": ["again", "-o", os.path.join(ebb.root, "again.tar")],
        "pull": None, "push": None,  # test_registry.py
        "image ls": [], "image rm": ["again"], "image gc": [], "deploy": ["two", "--image", "probe"],
        "up": ["-f", file], "ls": [], "inspect": ["probe"],
        "runs ls": [], "runs show": None, "runs cancel": None, "runs retry": None,  # test_workflows_store.py
        "queue ls": [], "queue peek": ["timed/sample"], "queue retry": ["timed/sample"], "queue purge": ["timed/sample"],
        "crons ls": [], "crons runs": [], "crons run": ["/sample"],
        "secret set": ["SAMPLE", "-f", file], "secret ls": [], "secret rm": ["SAMPLE"],
        "rollback": ["two"], "deployments": [], "promote": ["held", "1"], "revisions": ["probe"],
        "traffic": ["probe"], "ps": [], "why": [instance], "net": [instance], "freeze": None, "exec": None, "thaw": [instance],
        "logs": ["probe"], "events": [], "top": [], "usage": [], "ledger verify": [], "node": [], "doctor": [],

        "help": [], "version": [], "stop": [instance], "rm": ["one", "two", "timed"],
        "drain": ["--wait"], "undrain": [], "upgrade": [],
    }


def test_every_verb_works_and_gives_json(said):
    words_of, wrong = samples(said), []
    assert set(words_of) == set(VERBS)
    said.cli("deploy", "two", "--image", "probe", "--memory", "128")
    said.rest("POST", "/v1/deployments/held", DEPLOYMENT)
    for name, words in words_of.items():
        if words is None:
            continue
        done = said.cli(*name.split(), *words, "--json", ok=name != "doctor")
        assert done.code in (0, 1) if name == "doctor" else done.code == 0, (name, done)
        try:
            json.loads(done.out)
        except ValueError:
            wrong.append(f"ebb {name} --json: {done}")
    assert not wrong, "\n".join(wrong)
    assert said.cli("completion", "bash", "--json", ok=False).code == 2  # a script is no document


def test_documents_name_only_commands_that_are_there():
    wrong = []
    for path, text in offered.documents().items():
        for line in offered.commands(text):
            row = offered.verb_of(line, VERBS)
            if line.split()[0] in {name.split()[0] for name in VERBS} and len(line.split()) == 1:
                continue  # "ebb image": all of them
            if not row:
                wrong.append(f"{path}: ebb {line}")
                continue
            known = {o["name"] for o in row["options"]} | OPTIONS
            wrong += [f"{path}: ebb {line}: --{o}" for o in re.findall(r"--([a-z][a-z-]*)", line) if o not in known]
            wrong += [f"{path}: ebb {line}: --{o['name']} {value}" for o in row["options"] if "choices" in o
                      for value in re.findall(rf"--{o['name']}[ =]([a-z]+)", line) if value not in o["choices"]]
            wrong += [f"{path}: ebb {line}: no such kind of event" for kind in re.findall(r"--kind[ =]([a-z_]+)", line)
                      if kind not in EVENTS]
    assert not wrong, "\n".join(wrong)


def test_the_environment_is_what_the_sources_read():
    named = {row["name"] for row in TABLES["environment"]}
    read = set()
    for folder in ("runtime/cli", "images/build"):
        for path, _, files in os.walk(os.path.join(PROJECT, folder)):
            for name in files:
                if name.endswith((".c", ".py")) or name == "ebb-build":
                    with open(os.path.join(path, name), encoding="utf-8") as f:
                        text = f.read()
                    read |= set(re.findall(r"getenv\(\"(\w+)\"\)|environ\.get\(\"(\w+)\"|(?:setting|limit)\(\"(\w+)\"|"
                                           r"\"(\w+)\" (?:not )?in os\.environ", text))
    read = {name for names in read for name in names if name.startswith(("EBB_", "NO_", "SOURCE_", "NOTIFY_"))}
    assert read - named == {"EBB_STEP"} and named - read == set(), (read, named)


# --- settings -------------------------------------------------------------------------------------
def values(row):
    """Values that a setting takes, as JSON: both ends, every word, a duration."""
    scale = row.get("unit_ms", 1)
    if row["kind"] in ("number", "time"):
        found = [-(-row["min"] // scale), row["max"] // scale, *([row["zero"]] if "zero" in row else [])]
        return found + ([f"{row['min']}ms", f"{row['max']}ms"] if row["kind"] == "time" else [])
    if row["kind"] == "bool":
        return [False, True]
    if row["kind"] == "list":
        return [row.get("words") or (["a.example.org"] if row["name"] == "hosts" else ["/srv/probe"]), []]
    if "words" in row:
        return row["words"]
    bound = {"type": "service", "service": "probe", "format": "url", "env": "PROBE_URL"}
    cron = {"path": "/p", "schedule": "0 3 * * *"}
    return {"path": ["/", "/p/q"], "map": [{"A": "b"}, {}], "named": [{"tidy": cron}, {}],
            "objects": [[{"crons": cron, "experimentalTriggers": HEARD}.get(row["name"], bound)], []]}.get(row["kind"], ["1000"])


# Settings that need another value beside them, and those that this image cannot have.
BESIDE = {"minInstances": {"maxInstances": 1000}, "capabilities": {"user": "0"}}
NOT_HERE = {("ioUring", True): "ebb.ioUring"}
OF_FILES = ("cleanUrls", "trailingSlash")  # of another runtime (test_static.py)


def given(row, value):
    beside = BESIDE.get(row["name"], {})
    return {**beside, "ebb": {row["name"]: value}} if row["place"] == "ebb" else {**beside, row["name"]: value}


def rows(where):
    return [row for row in TABLES["settings"] if row[where] and row["kind"] != "object"
            and row["name"] not in ("image", "entrypoint", "root")]


def test_the_schema_has_exactly_the_keys_of_the_table():
    schema = json.loads(offered.text_of("docs/ebb.schema.json"))["$defs"]
    for place in ("service", "ebb"):
        keys = {key for key, value in schema[place]["properties"].items() if not value.get("deprecated")}
        others = {key["name"] for key in TABLES["keys"] if key["place"] == place and key["use"] not in ("ignored", "silent")}
        assert keys == others | {name for (at, name), row in SETTINGS.items() if at == place and row["in_file"]}


@pytest.mark.parametrize("row", rows("in_api"), ids=lambda row: row["name"])
def test_the_api_takes_all_that_is_offered_of(said, row):
    for value in values(row):
        document = {"image": "probe", **given(row, value)}
        answer = said.rest("PUT", "/v1/services/sample?dryRun=1", document)
        if (row["name"], value if isinstance(value, bool) else None) in NOT_HERE:
            assert answer.status == 422 and NOT_HERE[row["name"], value] in answer.text
            continue
        assert answer.status == 200 and answer.json["warnings"] == [], (value, answer)
    if row["kind"] in ("number", "time"):
        unit = "ms" if row["kind"] == "time" else ""
        for beyond in (row["min"] - 1, row["max"] + 1):
            value = f"{beyond}ms" if unit and beyond >= 0 else beyond
            answer = said.rest("PUT", "/v1/services/sample?dryRun=1", {"image": "probe", **given(row, value)})
            assert answer.status == 422 and row["name"] in answer.json["errors"][0]["path"], (value, answer)


def test_a_file_may_hold_all_that_is_offered(said):
    services = {}
    for row in (row for row in rows("in_file") if row["name"] not in OF_FILES):
        for n, value in enumerate(values(row)):
            if (row["name"], value if isinstance(value, bool) else None) not in NOT_HERE:
                services[f"{row['name'].lower()}-{n}"] = {"entrypoint": "probe", **given(row, value),
                                                          "runtime": "container"}
    path = os.path.join(said.root, "all.json")
    with open(path, "w") as f:
        json.dump({"services": services}, f)
    done = said.cli("deploy", "-f", path, "--dry-run", ok=False)
    noted = [line for line in done.err.splitlines() if "not supported" in line or "warning" in line]
    assert done.code == 0 and noted == [], done


def test_examples_of_files_are_taken(said):
    """Each ebb.json of a document, as it stands there: no unknown key, no wrong value."""
    count = 0
    for name in ("DATABASE_URL", "CRON_SECRET"):
        said.cli("secret", "set", name, stdin="a value")  # which examples name
    for path, text in offered.documents().items():
        for block in re.findall(r"^```json\n(.*?)^```", text, re.M | re.S):
            if '"services"' not in block:
                continue
            file, count = os.path.join(said.root, "shown.json"), count + 1
            with open(file, "w") as f:
                f.write(block)
            done = said.cli("deploy", "-f", file, "--dry-run", ok=False)
            assert done.code in (0, 1) and "ignored" not in done.err, (path, done)  # 1: it has no such image
    assert count >= 1


def test_documents_name_only_settings_that_are_there():
    ours, own = {name for (place, name) in SETTINGS if place == "ebb"}, set(offered.ebbd_keys())
    files = {"json", "schema", "h", "socket", "py", "secret"}
    wrong = []
    for path, text in offered.documents().items():
        for name in re.findall(r"[`*]ebb\.([A-Za-z]+)", text):
            if name not in ours | files:
                wrong.append(f"{path}: ebb.{name}")
        for name in re.findall(r"--set ([a-z_0-9]+)=", text):
            if name not in own:
                wrong.append(f"{path}: --set {name}")
    assert wrong == []


def test_every_setting_of_ebbd_is_taken_and_read(ebb):
    """-T prints it as it was set, and some source beside config.c reads the field."""
    keys = offered.ebbd_keys()
    assert set(keys) == set(re.findall(r"^\| `(\w+)` \|", offered.text_of("docs/reference/ebbd-settings.md"), re.M))
    sources = ""
    for path, _, files in os.walk(os.path.join(PROJECT, "runtime/supervisor")):
        for name in files:
            if name.endswith(".c") and name != "config.c":
                with open(os.path.join(path, name), encoding="utf-8") as f:
                    sources += f.read()
    field = {"listen": "listeners"}
    own = {"root"}  # where the other places come from
    assert [key for key in keys if key not in own and not re.search(rf"(\.|->){field.get(key, key)}\b", sources)] == []
    out = subprocess.run(ebb.command("-T"), capture_output=True, text=True, check=True).stdout
    assert set(keys) - {"trusted"} == {line.split(" = ")[0] for line in out.splitlines()}
    for line in out.splitlines():
        key, value = line.split(" = ", 1)
        again = subprocess.run([os.path.join(BIN, "ebbd"), "-T", "--set", f"{key}={value}"], capture_output=True,
                               text=True, check=True).stdout
        assert line in again.splitlines()


# --- the REST API ---------------------------------------------------------------------------------
def test_the_interface_names_only_routes_that_are_there():
    paths = {re.sub(r"\{\w+\}", "*", path): methods for path, methods in openapi.DOCUMENT["paths"].items()}
    wrong = []
    for method, path in offered.routes(offered.text_of("docs/interface.md")):
        wanted = re.sub(r"\b(NAME|ID)\b", "*", path)
        if not any(method.lower() in methods and (known == wanted or (wanted.startswith("...") and
                                                                    known.endswith(wanted[3:])))
                   for known, methods in paths.items()):
            wrong.append(f"{method} {path}")
    section = offered.text_of("docs/interface.md").split("\n## 4")[1].split("\n## 5")[0]
    answers = {status for methods in openapi.DOCUMENT["paths"].values() for what in methods.values()
               for status in what["responses"]}
    wrong += [f"status {s}" for s in re.findall(r"\b[2-5]\d\d\b", section) if s not in answers]
    assert not wrong, "\n".join(wrong)


def asked(ebb, method, target, wanted, document=None, **more):
    """An answer that is what the document says (rest() looks), with this status."""
    answer = ebb.rest(method, target, document, **more)
    assert answer.status == wanted, (method, target, answer)
    return answer


SITE = {"hosts": ["shop.example"], "redirects": [{"source": "/old", "destination": "/new"}], "services": {"held": {}}}


DEPLOYMENT = {"services": {"stored": {"image": "probe"}}, "rules": {"only": "stored", "passes": True, "services": {"stored": {}}}}


def good_requests(ebb, instance):
    """Every route, as it works."""
    with open(pictures.own_archive(), "rb") as f:
        archive = f.read()
    return [
        *(("GET", target, 200) for target in (
            "/v1", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/node", "/v1/services", "/v1/services/probe",
            "/v1/services/probe/revisions", "/v1/services/probe/traffic", "/v1/services/probe/logs",
            "/v1/services/probe/logs?format=ndjson&tail=5", "/v1/instances", "/v1/instances?service=probe",
            f"/v1/instances/{instance}", f"/v1/instances/{instance}/why", f"/v1/instances/{instance}/logs",
            f"/v1/instances/{instance}/connections", f"/v1/instances/{instance}/connections?all=1",
            "/v1/images", "/v1/images/probe", "/v1/archives/probe", "/v1/events", "/v1/events?of=probe&kind=instance_ready",
            "/v1/usage", "/v1/usage?format=json", "/v1/usage?format=cloudevents", "/v1/usage?format=focus",
            "/v1/tls/ask?domain=probe.localhost")),
        ("POST", "/v1/images?format=oci-archive&name=again", 201, {"body": archive}),
        ("PUT", "/v1/services/held", 201, {"document": {"image": "again", "env": {"A": "b"}}}),
        ("PUT", "/v1/services/held", 200, {"document": {"image": "again", "env": {"A": "b"}}}),
        ("PUT", "/v1/services/held?dryRun=1", 200, {"document": {"image": "again", "memory": 128}}),
        ("PUT", "/v1/services/held", 201, {"document": {"image": "probe", "memory": 128}}),
        ("POST", "/v1/services/held/rollback?dryRun=1", 200),
        ("POST", "/v1/services/held/rollback", 201),
        ("POST", "/v1/services/held/redeploy", 200),
        ("PUT", "/v1/services/timed", 201, {"document": {"image": "probe", "schedules": {
            "tidy": {"schedule": "0 3 * * *", "path": "/", "timezone": "Europe/Berlin"}}}}),
        ("GET", "/v1/schedules", 200), ("POST", "/v1/schedules/run?name=tidy", 202), ("GET", "/v1/runs?service=timed", 200),
        ("POST", "/v1/schedules/run?name=none", 404), ("POST", "/v1/schedules/run", 400),
        ("DELETE", "/v1/services/timed", 204),
        ("PUT", "/v1/services/heard", 201, {"document": {"image": "probe", "experimentalTriggers": [HEARD]}}),
        ("GET", "/v1/workflows", 200), ("GET", "/v1/workflows?id=none", 404), ("GET", "/v1/workflows?state=none", 400),
        ("GET", "/v1/workflows/events?namespace=flows&id=1", 200), ("GET", "/v1/workflows/events?namespace=flows&id=2", 404),
        ("GET", "/v1/workflows/events?namespace=flows", 400), ("GET", "/v1/workflows/events?namespace=flows&id=1&after=x", 400),
        ("POST", "/v1/workflows/cancel?namespace=none&id=none", 404), ("POST", "/v1/workflows/cancel", 400),
        ("POST", "/v1/workflows/retry?namespace=none&id=none", 404), ("POST", "/v1/workflows/retry?namespace=flows&id=1", 200),
        ("POST", "/v1/workflows/cancel?namespace=flows&id=1", 200), ("POST", "/v1/workflows/cancel?namespace=flows&id=1", 200),
        ("POST", "/v1/workflows/retry?namespace=flows&id=1", 409), ("DELETE", "/v1/services/flows", 204),
        ("GET", "/v1/queues", 200), ("GET", "/v1/queues/messages?namespace=heard&topic=sample", 200),
        ("GET", "/v1/queues/messages?namespace=heard&topic=none", 404), ("GET", "/v1/queues/messages", 400),
        ("POST", "/v1/queues/retry?namespace=heard&topic=sample", 200),
        ("POST", "/v1/queues/purge?namespace=heard&topic=sample&dead=1", 200), ("DELETE", "/v1/services/heard", 204),
        ("PUT", "/v1/secrets/HELD", 201, {"document": {"value": "a"}}),
        ("PUT", "/v1/services/sealed", 201, {"document": {"image": "probe", "env": {"A": {"secret": "HELD"}}}}),
        ("PUT", "/v1/secrets/HELD", 200, {"document": {"value": "b"}}),
        ("GET", "/v1/secrets", 200), ("GET", "/v1/secrets/HELD", 200),
        ("POST", "/v1/services/sealed/redeploy", 201), ("DELETE", "/v1/services/sealed", 204),
        ("DELETE", "/v1/secrets/HELD", 204),
        ("PUT", "/v1/services/held/traffic", 200, {"document": {"traffic": [
            {"revision": 3, "percent": 60}, {"revision": 2, "percent": 40}]}}),
        ("PUT", "/v1/sites/shop", 201, {"document": SITE}), ("PUT", "/v1/sites/shop", 200, {"document": SITE}),
        ("GET", "/v1/sites", 200), ("GET", "/v1/sites/shop", 200), ("DELETE", "/v1/sites/shop", 204),
        ("POST", "/v1/deployments/store", 201, {"document": DEPLOYMENT}),
        ("POST", "/v1/deployments/store", 200, {"document": DEPLOYMENT}),
        ("GET", "/v1/deployments", 200), ("GET", "/v1/deployments/store", 200),
        ("POST", "/v1/deployments/store/promote", 200, {"document": {"id": "1"}}),
        ("POST", "/v1/services/held/start", 204),
        ("GET", "/v1/services/held", 200),
        ("POST", f"/v1/instances/{instance}/thaw", 200),
        ("POST", "/v1/ledger/verify", 200),
        ("POST", f"/v1/instances/{instance}/stop", 200),
        ("DELETE", "/v1/services/held", 204),
        ("DELETE", "/v1/images/again", 200),
        ("POST", "/v1/images/gc", 200),
    ]


def operation_requests():
    """The routes whose action can be an operation, as one; and drains."""
    with open(pictures.own_archive(), "rb") as f:
        archive = f.read()
    return [
        ("POST", "/v1/images?async=1&format=oci-archive&name=again", 202, {"body": archive}),
        ("PUT", "/v1/services/held?async=1", 202, {"document": {"image": "again"}}),
        ("PUT", "/v1/services/held?async=1", 202, {"document": {"image": "probe"}}),
        ("POST", "/v1/services/held/rollback?async=1", 202), ("POST", "/v1/services/held/redeploy?async=1", 202),
        ("DELETE", "/v1/services/held?async=1", 202),
        ("POST", "/v1/deployments/store?async=1", 202, {"document": DEPLOYMENT}),
        ("POST", "/v1/deployments/store/promote?async=1", 202, {"document": {"id": "1"}}),
        ("DELETE", "/v1/deployments/store", 204),
        ("DELETE", "/v1/images/again?async=1", 202),
        ("POST", "/v1/images/gc?async=1", 202),
        ("POST", "/v1/node/drain?async=1&deadline=30s", 202),
        ("POST", "/v1/node/drain", 200),
        ("GET", "/v1/node", 200), ("GET", "/v1/operations", 200),
        ("POST", "/v1/node/undrain", 200),
    ]


def upgrade(said):
    asked(said, "POST", "/v1/node/upgrade?dryRun=1", 200)
    before = asked(said, "POST", "/v1/node/upgrade", 202).json["upgrades"]

    def done():
        try:
            return said.rest("GET", "/v1/node").json["upgrades"] > before
        except (OSError, KeyError):
            return False
    wait_for(done, 30, "the end of the upgrade")
    said.cli("stop", said.get("probe").instance)  # an instance that is new to the ebb-api of now
    assert said.get("probe").status == 200


def test_every_route_answers_as_described(said):
    """Each route with each status of success that it is said to have; streams have a test of their own."""
    make_run(said)
    instance = said.get("probe").instance
    for method, target, wanted, *more in good_requests(said, instance):
        asked(said, method, target, wanted, **(more[0] if more else {}))
    for method, target, wanted, *more in operation_requests():
        answer = asked(said, method, target, wanted, **(more[0] if more else {}))
        if wanted == 202:
            ended = asked(said, "GET", answer.headers["location"] + "?wait=1m", 200).json
            assert ended["state"] == "done", ended
    instance = said.get("probe").instance
    said.wait_frozen("probe")
    asked(said, "POST", f"/v1/instances/{instance}/freeze", 200)
    upgrade(said)
    promised = {(method, path, status) for path, methods in openapi.DOCUMENT["paths"].items()
                for method, what in methods.items() for status in what["responses"] if status.startswith("2")}
    assert promised - openapi.SEEN == {("get", "/v1/watch", "200")}


BAD = [
    ("GET", "/v1/nothing", 404), ("POST", "/v1/services", 405), ("GET", "/v1/services/%zz", 400),
    ("GET", "/v1/services/none", 404), ("DELETE", "/v1/services/none", 404), ("GET", "/v1/services/none/revisions", 404),
    ("GET", "/v1/services/none/traffic", 404), ("GET", "/v1/services/none/logs", 404),
    ("POST", "/v1/services/none/start", 404), ("POST", "/v1/services/none/rollback", 404),
    ("GET", "/v1/services/probe/logs?tail=x", 400), ("GET", "/v1/services/probe/logs?request=x", 400),
    ("GET", "/v1/instances/none-1", 404), ("GET", "/v1/instances/none-1/why", 404),
    ("GET", "/v1/instances/none-1/connections", 404), ("GET", "/v1/instances/none-1/connections?all=x", 400),
    ("GET", "/v1/instances/none-1/logs", 404), ("POST", "/v1/instances/none-1/freeze", 404),
    ("POST", "/v1/instances/none-1/thaw", 404), ("POST", "/v1/instances/none-1/stop", 404),
    ("GET", "/v1/instances?service=none", 404), ("GET", "/v1/images/none", 404), ("DELETE", "/v1/images/none", 404),
    ("GET", "/v1/archives/none", 404),
    ("DELETE", "/v1/images/probe", 409), ("POST", "/v1/images?format=zip", 422, {"body": b"x"}),
    ("POST", "/v1/images?name=//", 422, {"body": b"x"}), ("POST", "/v1/images", 422, {"body": b"no archive"}),
    ("GET", "/v1/events?of=none", 404), ("GET", "/v1/events?kind=none", 400), ("GET", "/v1/events?since=x", 400),
    ("GET", "/v1/services/probe/logs?since=1", 400),
    ("GET", "/v1/watch?since=x", 400), ("GET", "/v1/watch?kind=none", 400), ("GET", "/v1/usage?from=x", 400),
    ("GET", "/v1/usage?format=x", 400), ("GET", "/v1/usage?service=none", 404),
    ("PUT", "/v1/services/probe", 400, {"body": b"{"}), ("PUT", "/v1/services/probe", 422, {"document": {}}),
    ("PUT", "/v1/services/UPPER", 422, {"document": {"image": "probe"}}),
    ("PUT", "/v1/services/probe", 422, {"document": {"image": "none"}}),
    ("PUT", "/v1/services/probe", 412, {"document": {"image": "probe"}, "headers": {"If-Match": "\"x\""}}),
    ("DELETE", "/v1/services/probe", 412, {"headers": {"If-Match": "\"x\""}}),
    ("PUT", "/v1/services/probe", 413, {"body": b"{" + b" " * 300000}),
    ("PUT", "/v1/services/probe/traffic", 400, {"body": b"["}),
    ("PUT", "/v1/services/probe/traffic", 422, {"document": {"traffic": [{"revision": 77, "percent": 100}]}}),
    ("POST", "/v1/services/probe/rollback", 409), ("POST", "/v1/services/probe/rollback", 409, {"document": {"revision": 77}}),
    ("POST", "/v1/services/probe/rollback", 400, {"body": b"{"}),
    ("GET", "/v1/services/probe/logs?format=x", 400), ("GET", "/v1/services?a=b", 400),
    ("GET", "/v1/services/probe/logs?follow=maybe", 400), ("GET", "/v1/usage?currency=x", 400),
    ("GET", "/v1/usage?service=%zz", 400), ("GET", "/v1/usage?service=probe&service=probe", 400),
    ("GET", "/v1/instances?service=%zz", 400), ("PUT", "/v1/services/probe?dryrun=1", 400, {"document": {}}),
    ("PUT", "/v1/services/probe/traffic", 412, {"document": {"traffic": []}, "headers": {"If-Match": "\"x\""}}),
    ("POST", "/v1/node/drain?deadline=soon", 400), ("POST", "/v1/node/drain?deadline=8d", 400),
    ("GET", "/v1/operations/1", 410), ("GET", "/v1/operations/9000000000000000", 404), ("GET", "/v1/operations/x", 404),
    ("GET", "/v1/tls/ask", 400), ("GET", "/v1/tls/ask?domain=", 400), ("GET", "/v1/tls/ask?domain=none.localhost", 404),
    ("GET", "/v1/services", 431, {"headers": {"x-long": "x" * 70000}}),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case[0]} {case[1]} {case[2]}")
def test_what_is_wrong_is_answered_as_described(said, case):
    method, target, wanted, *more = case
    answer = asked(said, method, target, wanted, **(more[0] if more else {}))
    assert answer.json["status"] == wanted and answer.json["title"] != "Error", answer


@pytest.mark.parametrize("path", openapi.DOCUMENT["paths"])
def test_a_route_takes_the_parameters_it_is_said_to_take_and_no_other(said, path):
    target = re.sub(r"\{(\w+)\}", "probe", path)
    for method, what in openapi.DOCUMENT["paths"][path].items():
        takes = {p["name"] for p in what.get("parameters", []) if p["in"] == "query"}
        answer = asked(said, method.upper(), target + "?nonsense=1", 400)
        mend = answer.json["mend"]
        assert set(mend.split(": ")[1].split() if ": " in mend else []) == takes, answer
        for name in takes:
            asked(said, method.upper(), f"{target}?{name}=%zz", 400)
            asked(said, method.upper(), f"{target}?{name}=1&{name}=1", 400)


# Values that each parameter of a GET is tried with: every word of its schema, else this.
TRIED = {"service": ["probe"], "of": ["probe"], "kind": ["instance_ready"], "tail": [0, 100000],
         "request": ["0" * 32], "from": ["2026-01-01T00:00:00Z", "0"], "to": ["2027-01-01T00:00:00Z"],
         "cpu_hour": ["0.221"], "gb_hour": ["0.0183"], "million_invocations": ["1"], "gb_out": ["0.09"], "gb_in": ["0"], "currency": ["EUR"], "wait": ["1s"],
         "domain": ["probe.localhost"], "wide": [0, 1], "all": [0, 1], "schedule": ["tidy"],
         "namespace": ["listens"], "topic": ["sample"], "consumer": ["heard"], "id": [1], "dead": [1], "after": [0, 1]}
# Parameters without which a path answers 400.
NAMED = {"/v1/queues/messages": {"namespace": "listens", "topic": "sample"},
         "/v1/workflows/events": {"namespace": "flows", "id": "1"}}


def test_every_parameter_is_taken_and_none_is_left_out(said):
    sources, named = "", set()
    for path, _, files in os.walk(os.path.join(PROJECT, "runtime/api")):
        for name in files:
            if name.endswith(".c"):
                with open(os.path.join(path, name), encoding="utf-8") as f:
                    sources += f.read()
    instance = said.get("probe").instance
    operation = said.rest("POST", "/v1/images/gc?async=1").json["id"]
    make_run(said)
    said.rest("PUT", "/v1/services/listens", {"image": "probe", "experimentalTriggers": [HEARD]})
    tried = {**TRIED, "since": [said.rest("GET", "/v1/events").json["rev"]]}
    for path, methods in openapi.DOCUMENT["paths"].items():
        for method, what in methods.items():
            for parameter in [p for p in what.get("parameters", []) if p["in"] == "query"]:
                name, words = parameter["name"], parameter["schema"].get("enum")
                named.add(name)
                assert f'"{name}"' in sources, name
                if method != "get" or path == "/v1/watch" or (name == "follow" and path != "/v1/events"):
                    continue  # streams, and what changes something
                of_logs = ["2026-11-23T01:02:03.456789Z"] if name == "since" and path.endswith("/logs") else None
                for value in words or of_logs or tried[name]:
                    of = operation if path.startswith("/v1/operations") else instance
                    target = path.replace("{name}", "probe").replace("{id}", of)
                    more = "&format=focus" if path == "/v1/usage" and name in TRIED and name not in (
                        "service", "from", "to") else ""
                    if path in NAMED:
                        more = "".join(f"&{k}={v}" for k, v in NAMED[path].items() if k != name)
                        value = NAMED[path].get(name, value)
                    asked(said, "GET", f"{target}?{name}={value}{more}", 200)
    read = set(re.findall(r"request_(?:query|flag)\(rq, \"(\w+)\"", sources))
    assert read - named == set()


def test_streams_begin_as_described(said):
    since = said.rest("GET", "/v1/events").json["rev"]
    for accept in ("application/x-ndjson", "text/event-stream"):
        connection = web.UnixConnection(said.socket, slow(20))
        try:
            connection.request("GET", f"/v1/watch?since={since}", headers={"Accept": accept})
            answer = connection.getresponse()
            openapi.hold("GET", "/v1/watch", web.Reply(answer.status, answer.getheaders(), b""))
            assert answer.headers["content-type"] == accept
        finally:
            connection.close()


# --- errors and events ----------------------------------------------------------------------------
def test_documents_name_every_error_and_no_other():
    codes = {code for _, code in CODES}
    for path in ("docs/interface.md", "docs/guide/troubleshooting.md"):
        text = offered.text_of(path)
        named = re.findall(r"(\d{3}) `([A-Z_]{6,})`", text)
        assert [one for one in named if one not in CODES] == [], path
        assert [code for code in sorted(codes) if f"`{code}`" not in text] == [], path
        if path.endswith("troubleshooting.md"):
            assert set(named) == set(CODES), path


def test_documents_name_only_metrics_that_are_there(said):
    """A name that ends as those of Prometheus do, in the interface and the guide."""
    there = set(re.findall(r"^# TYPE (\w+) ", said.rest("GET", "/metrics").text, re.M))
    named = {name: path for path, text in offered.documents().items()
             for name in re.findall(r"`(ebb_\w+?(?:_total|_seconds|_bytes))\b", text)}
    assert len(named) > 5 and {name: path for name, path in named.items() if name not in there} == {}


def test_events_are_those_of_the_table(said):
    wait_for(lambda: said.events("probe", "instance_ready"))
    assert {event["kind"] for event in said.rest("GET", "/v1/events").json["events"]} <= EVENTS
    for kind in EVENTS:
        assert said.rest("GET", f"/v1/events?kind={kind}").status == 200
