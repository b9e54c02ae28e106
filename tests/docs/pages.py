# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/reference/."""
import re

from man import allowed, full_name

NOTE = "<!-- Made by `make docs`; write in the tables it is made from. -->\n"


def page(title, *parts):
    return NOTE + f"# {title}\n\n" + "\n".join(part.rstrip("\n") + "\n" for part in parts)


def cell(text):
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|").strip()


def code(text):
    return f"`{cell(text)}`" if text else ""


def table(titles, rows):
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def index(_):
    return page(
        "Reference",
        "These pages list all that ebb takes and answers. `make docs` makes them from the tables of its programs;"
        "\n`make lint` says when a page differs from its table.\n",
        table(["page", "what it lists"], [
            ["[cli.md](cli.md)", "verbs and options of `ebb`, exit codes, environment"],
            ["[settings.md](settings.md)", "settings of a service: `ebb.json`, the REST API"],
            ["[ebbd-settings.md](ebbd-settings.md)", "settings of `ebbd`: `--set`, `--config`"],
            ["[http.md](http.md)", "routes of the REST API, with what each may answer"],
            ["[errors.md](errors.md)", "errors that ebb makes itself: to clients, and of the REST API"],
            ["[events.md](events.md)", "kinds of events"],
            ["[files.md](files.md)", "directories, sockets and documents"],
        ]),
        "The [guide](../guide/README.md) and the man pages *ebb*(1), *ebb.json*(5) and *ebbd*(8) explain them. [The"
        "\ninterface](../interface.md) says which names do not change.\n")


# --- the command line

def options(rows):
    def name(row):
        letter = f"-{row['letter']}, " if "letter" in row else ""
        return code(f"{letter}--{row['name']}{' ' + row['value'] if 'value' in row else ''}")

    def meaning(row):
        choices = f" ({', '.join(row['choices'])})" if "choices" in row else ""
        return cell(row["help"]) + choices + ("; may be repeated" if row["repeats"] else "")
    return table(["option", "meaning"], [[name(row), meaning(row)] for row in rows])


def verb(row):
    head = f"## ebb {row['name']}\n`ebb {(row['name'] + ' ' + row['words']).strip()}`: {row['help']}\n"
    details = f"\n```\n{row['details'].rstrip()}\n```\n" if "details" in row else ""
    return head + details + ("\n" + options(row["options"]) if row["options"] else "")


def lines(rows):
    return table(["", "meaning"], [[code(row["name"]), cell(row["help"])] for row in rows])


def cli(facts):
    tables = facts["cli"]
    return page("The command line: ebb", "`ebb help --json` prints the same tables.\n",
                "## Options of every verb\n" + options(tables["options"]), *map(verb, tables["verbs"]),
                "## Exit status\n" + lines(tables["exits"]), "## Environment\n" + lines(tables["environment"]))


# --- settings

def settings(facts):
    rows = facts["cli"]["settings"]

    def where(row):
        return "both" if row["in_file"] and row["in_api"] else "ebb.json" if row["in_file"] else "API"
    ignored = sorted({key["name"] for key in facts["cli"]["keys"] if key["use"] == "ignored"})
    return page(
        "Settings of a service",
        "`ebb.json` has them per service, `PUT /v1/services/NAME` takes them as its body. A duration is a number in"
        "\nthe unit that is named, or a text: `250ms`, `2s`, `5m`, `1h`, `1d`. Root holds the same bounds itself.\n",
        table(["key", "value", "default", "in", "meaning"],
              [[code(full_name(row)), cell(allowed(row)), cell(row["default"]), where(row), cell(row["help"])]
               for row in rows]),
        "Accepted with a warning, without effect:\n" + ",\n".join(
            ", ".join(map(code, ignored[n:n + 5])) for n in range(0, len(ignored), 5)) + ".\n")


def ebbd_settings(facts):
    return page(
        "Settings of ebbd",
        "`ebbd --set KEY=VALUE`, or lines `KEY = VALUE` in the file of `--config`. `ebbd -T` prints those in force.\n",
        "At run time: `yes` are in force when ebbd has got SIGHUP (`systemctl reload ebbd`), for connections,\n"
        "requests and instances that come from then on; `restart` are named in the log and take effect at the\nnext start.\n",
        table(["setting", "default", "allowed", "at run time", "meaning"],
              [[code(row["name"]), cell(row["usual"]), cell(row["allowed"]), "yes" if row["live"] else "restart",
                cell(row["help"])]
               for row in facts["ebbd"]]))


# --- HTTP

def resolved(document, value):
    while "$ref" in value:
        found = document
        for part in value["$ref"].lstrip("#/").split("/"):
            found = found[part]
        value = found
    return value


def routes(document):
    return [(path, method, what) for path, methods in document["paths"].items()
            for method, what in methods.items() if method in ("get", "put", "post", "delete")]


def shape(schema):
    """A value in few words."""
    if "$ref" in schema:
        return schema["$ref"].split("/")[-1]
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(shape(way) for way in schema["anyOf"])
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {shape(schema.get('items', {}))}"
    return kind


def parameters(document, what):
    rows = [resolved(document, p) for p in what.get("parameters", [])]
    rows = [p for p in rows if p["in"] != "path"]
    if not rows:
        return ""
    return "\n" + table(["parameter", "in", "value", "meaning"], [
        [code(p["name"]), p["in"], cell(shape(p.get("schema", {}))), cell(p.get("description", ""))] for p in rows])


def answer(document, status, reply):
    reply = resolved(document, reply)
    kinds = reply.get("content", {})
    body = ", ".join(kinds) if kinds else "nothing"
    return [status, cell(reply.get("description", "")), body, ", ".join(map(code, reply.get("headers", {})))]


def route(document, path, method, what):
    answers = [answer(document, status, reply) for status, reply in what["responses"].items() if status != "default"]
    return (f"## {method.upper()} {path}\n{what['summary'].capitalize()}.\n" + parameters(document, what) + "\n" +
            table(["status", "meaning", "body", "headers"], answers))


# Errors that any request may get, on every route: `default` in openapi.json.
MALFORMED = [
    ["400", "no valid HTTP, or a path or a body that cannot be read"], ["404", "there is nothing at this path"],
    ["405", "another method"], ["413", "a body beyond 256 KiB (an image: beyond the limit of uploads)"],
    ["417", "`Expect` says anything but 100-continue"], ["431", "a head beyond 64 KiB"],
    ["500, 507", "ebb itself cannot go on: no memory, no room on the disk"],
    ["501, 505", "a transfer coding or a version of HTTP that is not offered"],
]


def http(facts):
    document = facts["openapi"]
    return page("The REST API", document["info"]["description"].replace(". ", ".\n") + "\n",
                "Bodies are described in full by [openapi.json](../openapi.json), which `GET /openapi.json` serves;"
                "\na test holds every answer of the API against it. Any route may also answer:\n",
                table(["status", "when"], MALFORMED),
                *(route(document, *row) for row in routes(document)))


# --- the rest

def errors(facts):
    return page(
        "Errors",
        "## To clients, by a gateway\nThe code stands in the header `x-ebb-error` and in the JSON body, with a"
        " sentence and the request's id.\n",
        "Retry-After is in seconds, at least.\n",
        table(["status", "code", "when", "connection", "retry-after"],
              [[str(row["status"]), code(row["code"]), row["words"], "closed" if row["closes"] else "stays",
                str(row["retry_after_s"] or "")] for row in facts["edge"]]),
        "## Of the REST API\nProblem documents (RFC 9457) with a member `mend` for the caller. An"
        " error of another\nprogram of ebb becomes one of these. [http.md](http.md) lists the answers of each route.\n",
        table(["status", "when", "mend"], [[str(row["status"]), row["when"], cell(row["mend"] or "the sentence says it")]
                                           for row in sorted(facts["meanings"], key=lambda row: row["status"])]))


def events(facts):
    return page("Events", "`ebb events` and `GET /v1/events` show them; `--kind` and `?kind=` choose.\n",
                table(["kind", "what happened"], [[code(row["name"]), row["words"]] for row in facts["events"]]))


def files(facts):
    places = [row for row in facts["ebbd"] if "below_root" in row]
    return page(
        "Files",
        "Where things are; with `ebbd --root DIR` below DIR, under the name of the second column. Each has a setting"
        "\nof its own, too.\n",
        table(["place", "below --root", "setting", "what is in it"],
              [[code(row["usual"]), code(row["below_root"]), code(row["name"]), cell(row["help"])] for row in places]),
        table(["file", "what it is"], [
            ["`api.sock` in `run_dir`", "the socket of the REST API; a user who may open it may do everything"],
            ["`_access/gateway-N.log` in `log_dir`", "the access log, if `access_log` is not 0"],
            ["`ledger.db` in `ledger_dir`", "the bill: [ledger.md](../ledger.md)"],
            ["`/etc/ebb/ebbd.conf`", "settings of the installed service: [ebbd-settings.md](ebbd-settings.md)"],
            ["`ebb.json`", "services for `ebb deploy`: [settings.md](settings.md)"],
            ["`ebb.schema.json`", "the same for editors"],
        ]))
