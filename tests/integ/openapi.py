# SPDX-License-Identifier: Apache-2.0
"""Compares answers of the REST API with docs/openapi.json: status, headers, type and every member.

It is stricter than a validator: a member, header or status that the document does not name is a fault, too.
"""
import json
import os
import re
import urllib.parse

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
with open(os.path.join(PROJECT, "docs/openapi.json"), encoding="utf-8") as _file:
    DOCUMENT = json.load(_file)

# Fields of every answer that only frame it.
FRAMING = {"content-length", "content-type", "transfer-encoding", "connection"}
SEEN = set()  # (method, path of the document, status) of answers that were held

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def resolved(value):
    while "$ref" in value:
        found = DOCUMENT
        for part in value["$ref"].lstrip("#/").split("/"):
            found = found[part]
        value = found
    return value


def is_type(name, value):
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def _type(schema, value, at):
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(is_type(name, value) for name in names):
        yield f"{at}: {value!r} is not of type {' or '.join(names)}"


def _object(schema, value, at):
    if not isinstance(value, dict):
        return
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}: {name} is missing"
    named, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, member in value.items():
        if name in named or isinstance(others, dict):
            yield from faults_of(named.get(name, others), member, f"{at}.{name}")
        elif others is not True and ("properties" in schema or others is False):
            yield f"{at}: {name} is not described"


def _array(schema, value, at):
    if isinstance(value, list):
        for n, item in enumerate(value):
            yield from faults_of(schema["items"], item, f"{at}[{n}]")


def _any(schema, value, at):
    ways = [list(faults_of(way, value, at)) for way in schema["anyOf"]]
    if all(ways):
        yield f"{at}: {value!r} is none of {len(ways)} ways"


def _plain(holds):
    def check(schema, value, at):
        if not holds(schema, value):
            yield f"{at}: {value!r} is not what {schema} says"
    return check


CHECKS = {
    "type": _type, "properties": _object, "required": _object, "additionalProperties": _object, "items": _array,
    "anyOf": _any,
    "enum": _plain(lambda s, v: v in s["enum"]),
    "const": _plain(lambda s, v: v == s["const"]),
    "minimum": _plain(lambda s, v: not is_type("number", v) or v >= s["minimum"]),
    "maximum": _plain(lambda s, v: not is_type("number", v) or v <= s["maximum"]),
    "pattern": _plain(lambda s, v: not isinstance(v, str) or re.search(s["pattern"], v)),
    "minLength": _plain(lambda s, v: not isinstance(v, str) or len(v) >= s["minLength"]),
    "maxLength": _plain(lambda s, v: not isinstance(v, str) or len(v.encode()) <= s["maxLength"]),
    "maxItems": _plain(lambda s, v: not isinstance(v, list) or len(v) <= s["maxItems"]),
    "minItems": _plain(lambda s, v: not isinstance(v, list) or len(v) >= s["minItems"]),
}
SILENT = {"description", "default", "format", "title", "deprecated", "examples", "contentMediaType"}


def faults_of(schema, value, at="body"):
    """Words that say what is wrong, none if the value is what the schema says."""
    schema = resolved(schema)
    unknown = set(schema) - set(CHECKS) - SILENT
    assert not unknown, f"openapi.py does not know {unknown} of {at}"
    done = set()
    for word in schema:
        check = CHECKS.get(word)
        if check and check not in done:
            done.add(check)
            yield from check(schema, value, at)


def operation_of(method, target):
    """(path of the document, what it says), or None where nothing is offered."""
    path = urllib.parse.urlsplit(target).path
    best = None
    for pattern, methods in DOCUMENT["paths"].items():
        wanted = re.escape(pattern).replace(r"\{image\}", ".+")
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", wanted), path) and method.lower() in methods:
            if best is None or "{" not in pattern:
                best = pattern, methods[method.lower()]
    return best


def _headers(what, reply, status):
    described = {name.lower(): resolved(h) for name, h in what.get("headers", {}).items()}
    for name in set(reply.headers) - FRAMING - set(described):
        yield f"{status}: the header {name} is not described"
    for name, header in described.items():
        if header.get("required") and name not in reply.headers:
            yield f"{status}: the header {name} is missing"
        if name in reply.headers:
            value = reply.headers[name]
            value = int(value) if header["schema"].get("type") == "integer" and value.isdigit() else value
            yield from faults_of(header["schema"], value, f"{status}: {name}")


def _body(what, reply, status):
    kinds = what.get("content", {})
    kind = reply.headers.get("content-type", "").split(";")[0].strip()
    if not kinds:
        if reply.body or kind:
            yield f"{status}: a body of {kind or 'no type'}, where none is described"
    elif kind not in kinds:
        yield f"{status}: the type {kind!r} is not described"
    elif kind == "application/x-ndjson":
        for line in reply.body.splitlines():
            yield from faults_of(kinds[kind]["schema"], json.loads(line))
    elif kind.endswith("json"):
        yield from faults_of(kinds[kind]["schema"], json.loads(reply.body))


def faults(method, target, reply):
    """Faults of an answer: none, if the document tells the truth about it."""
    found, status = operation_of(method, target), str(reply.status)
    path, what = found or ("", {"responses": {}})
    SEEN.add((method.lower(), path, status))
    answers = what["responses"]
    if status not in answers and (reply.status < 400 or "default" not in answers) and found:
        return [f"{method} {path}: status {status} is not described"]
    answer = resolved(answers.get(status) or answers.get("default") or {"$ref": "#/components/responses/Problem"})
    return [f"{method} {path}: {fault}" for fault in (*_headers(answer, reply, status), *_body(answer, reply, status))]


def hold(method, target, reply):
    found = faults(method, target, reply)
    assert not found, "docs/openapi.json: " + "\n".join(found)
    return reply
