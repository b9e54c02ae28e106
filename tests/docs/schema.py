# SPDX-License-Identifier: Apache-2.0
"""The rows of runtime/settings/ as JSON Schema: for ebb.json, and for the REST API."""

DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}
NAME = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
SERVICES_MAX = 1024  # SPEC_SERVICES_MAX of runtime/cli/spec.h

# Words that only the API has about a setting.
SAID_BY_API = {
    "runtime": "for people to see; nothing follows from it",
    "routePrefix": "\"/api\" matches /api and /api/...; \"\" and \"/\" match everything",
    "env": "at most 16384 bytes in all; PORT, EBB_* and LISTEN_* are set by ebb; null keeps the value that the"
           " service has, so that an answer can be sent back; the newest version of a secret is taken",
}


def unit(row):
    """In which unit a number is written, for people."""
    if row["kind"] == "time":
        return "ms" if row["unit_ms"] == 1 else "seconds"
    return row.get("unit", "")


def said(row):
    return row["help"] + (f" ({unit(row)})" if unit(row) else "")


def bounds(row, in_file):
    scale = row.get("unit_ms", 1)
    found = {"type": "integer", "minimum": -(-row["min"] // scale)}
    if not (in_file and row.get("open_ended")):
        found["maximum"] = row["max"] // scale
    return found


def number(row, in_file):
    ways = [bounds(row, in_file)]
    if row["kind"] == "time":
        ways.append({"$ref": "#/$defs/duration"} if in_file else DURATION)
    if "zero" in row:
        ways.append({"const": row["zero"]})
    found = ways[0] if len(ways) == 1 else {"anyOf": ways}
    found["default"] = row["fallback"] // row.get("unit_ms", 1) if "fallback" in row else row["zero"]
    return found


def text(row, in_file):
    if in_file and "words" in row:
        return {"enum": row["words"]}
    found = {"type": "string"}
    if in_file:
        found["minLength"] = 1
    if "max" in row:
        found["maxLength"] = row["max"]
    return found


def path(row, in_file):
    found = {"type": "string", "maxLength": row["max"]}
    if in_file:
        found["pattern"] = "^/[^?#% \\\\\"]*$"
    return found


def listed(row, in_file):
    found = {"type": "array", "items": {"enum": row["words"]} if "words" in row else {"type": "string"}}
    if "max" in row:
        found["maxItems"] = row["max"]
    if in_file and row["name"] == "command":
        return {"anyOf": [found, {"type": "string", "minLength": 1}]}  # words, or a line for the shell
    return found


SECRET_NAME = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"


def reference(in_file):
    """The value of a variable that is a secret; answers add the version that the revision has."""
    properties = {"secret": {"type": "string", "pattern": SECRET_NAME}}
    if not in_file:
        properties["version"] = {"type": "integer", "minimum": 1}
    return {"type": "object", "additionalProperties": False, "required": ["secret"], "properties": properties}


def mapped(_, in_file):
    value = {"type": "string" if in_file else ["string", "null"]}
    return {"type": "object", "additionalProperties": {"anyOf": [value, reference(in_file)]}}


SUBNETS = {"type": "array", "maxItems": 16, "items": {"type": "string"},
           "description": "networks or addresses, each with or without a port: 10.0.0.5/32:5432"}
EGRESS = {
    "type": "object",
    "additionalProperties": False,
    "description": "what is not listed is refused, and deny wins",
    "properties": {
        "allow": {"type": "array", "maxItems": 16, "items": {"type": "string"},
                  "description": "ports of this host: host.internal:5432"},
        "subnets": {"type": "object", "additionalProperties": False,
                    "properties": {"allow": SUBNETS, "deny": SUBNETS}},
    },
}


def word(row, _):
    words = {"enum": row["words"]}
    return {**({"anyOf": [words, EGRESS]} if row.get("or_object") else words), "default": row["default"]}


CALLED = {"type": "string", "pattern": "^/[^ #]*$", "maxLength": 255, "description": "path and query that is called"}
WHEN = {"type": "string", "maxLength": 127,
        "description": "minute, hour, day of the month, month, weekday: 0 3 * * mon-fri"}


def crons(row):
    return {"type": "array", "maxItems": row["max"],
            "items": {"type": "object", "additionalProperties": False, "required": ["path", "schedule"],
                      "properties": {"path": CALLED, "schedule": WHEN}}}


TOPIC = "^[A-Za-z0-9_-]+$"


def triggers(row):
    def number(least, most, usual, help_text):
        return {"type": "integer", "minimum": least, "maximum": most, "default": usual, "description": help_text}
    properties = {
        "type": {"type": "string", "pattern": "^queue/", "description": "queue/v2beta"},
        "topic": {"type": "string", "pattern": "^[A-Za-z0-9_-]+[*]?$", "maxLength": 255,
                  "description": "with * at the end: each topic that begins so"},
        "path": {"type": "string", "pattern": "^/[^ #?]*$", "maxLength": 255,
                 "description": "to which messages are posted; only ebb reaches it, other requests get 404"},
        "consumer": {"type": "string", "pattern": TOPIC, "maxLength": 255, "description": "by the path, if none is given"},
        "maxDeliveries": number(1, 1000, 10, "failed deliveries; then the message is a dead letter"),
        "retryAfterSeconds": number(0, 86400, 60, "behind a delivery that failed"),
        "initialDelaySeconds": number(0, 604800, 0, "before the first delivery"),
        "maxConcurrency": number(1, 256, 10, "deliveries at once"),
    }
    return {"type": "array", "maxItems": row["max"],
            "items": {"type": "object", "additionalProperties": False, "required": ["type", "topic", "path"],
                      "properties": properties}}


def named(row, _):
    """The one object of objects by name there is: schedules."""
    properties = {
        "schedule": WHEN, "path": CALLED,
        "topic": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}$", "description": "a run is a message to it, not a request"},
        "timezone": {"type": "string", "default": "UTC", "maxLength": 63, "description": "of the IANA: Europe/Berlin"},
        "jitter": {"type": "integer", "minimum": 0, "maximum": 15, "default": 0,
                   "description": "minutes that a run begins later at most, by chance"},
        "requestMethod": {"enum": ["GET", "POST"], "default": "POST"},
        "overlap": {"enum": ["allow", "skip", "queue"], "default": "allow",
                    "description": "a run that is due while an earlier one is not over"},
        "missed": {"enum": ["once", "skip"], "default": "once",
                   "description": "runs that were due while ebb did not run: one is made up for, or none"},
        "retries": {"type": "integer", "minimum": 0, "maximum": 10, "default": 3,
                    "description": "deliveries behind the first, if it failed"},
    }
    return {"type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": False, "required": ["schedule"],
                                     "properties": properties}}


def objects(row, in_file):
    """The lists of objects: crons, triggers, and bindings. Answers add the revision that each binding found."""
    if row["name"] == "crons":
        return crons(row)
    if row["name"] == "experimentalTriggers":
        return triggers(row)
    properties = {
        "type": {"const": "service"},
        "service": {"type": "string", "pattern": NAME},
        "format": {"const": "url"},
        "env": {"type": "string", "maxLength": 127, "description": "the variable that gets the URL"},
    }
    if not in_file:
        properties["revision"] = {"type": "integer", "minimum": 0,
                                  "description": "of that service when this revision was made"}
    return {"type": "array", "maxItems": row["max"],
            "items": {"type": "object", "additionalProperties": False, "required": ["service", "env"],
                      "properties": properties}}


SHAPES = {
    "number": number, "time": number, "text": text, "path": path, "list": listed, "map": mapped,
    "objects": objects, "named": named,
    "bool": lambda row, _: {"type": "boolean", "default": False},
    "word": word,
}


def of_setting(row, in_file):
    found = SHAPES[row["kind"]](row, in_file)
    found["description"] = (not in_file and SAID_BY_API.get(row["name"])) or said(row)
    return found


def members(facts, place, in_file):
    where = "in_file" if in_file else "in_api"
    return {row["name"]: of_setting(row, in_file) for row in facts["cli"]["settings"]
            if row["place"] == place and row[where] and row["kind"] != "object"}


RULES = {"rewrites": "array", "redirects": "array", "headers": "array", "cleanUrls": "boolean", "trailingSlash": "boolean",
         "crons": "array", "schedules": "object"}
TYPES = {"functions": "object", "mount": "string", "name": "string", "hosts": "array", "output": "string",
         "command": ["string", "null"], "word": ["string", "null"], "build": "object", "age": ["integer", "string"]}


def accepted(facts, place):
    """Keys of ebb.json that are no settings: those with a meaning of their own, and those that ebb ignores."""
    rows = [key for key in facts["cli"]["keys"] if key["place"] == place]
    own = {key["name"]: {"type": RULES.get(key["name"]) or TYPES[key["use"]], "description": key["help"]}
           for key in rows if key["use"] in ("rules", "crons", *TYPES)}
    return {**own, **{key["name"]: {"deprecated": True, "description": f"accepted, not supported: {key['help']}"}
                      for key in rows if key["use"] == "ignored"}}


def of_file(facts):
    """docs/ebb.schema.json, by which editors complete."""
    help_of = {row["name"]: row["help"] for row in facts["cli"]["settings"]}
    service = {**members(facts, "service", True), "ebb": {"$ref": "#/$defs/ebb"}, **accepted(facts, "service")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ebb.json",
        "description": "Services for ebb deploy and ebb up. Keys that ebb does not know only warn.",
        "type": "object",
        "properties": {
            "$schema": {"type": "string", "description": "for editors"},
            "services": {"$ref": "#/$defs/services"},
            "experimentalServices": {"$ref": "#/$defs/services", "deprecated": True,
                                     "description": "the old name of services"},
            **accepted(facts, "file"),
        },
        "$defs": {
            "services": {
                "type": "object", "minProperties": 1, "maxProperties": SERVICES_MAX,
                "propertyNames": {"pattern": NAME}, "additionalProperties": {"$ref": "#/$defs/service"},
            },
            "duration": DURATION,
            "service": {
                "type": "object", "properties": service,
                "if": {"properties": {"runtime": {"const": "container"}}, "required": ["runtime"]},
                "then": {"required": ["entrypoint"]},
            },
            "ebb": {"type": "object", "description": help_of["ebb"], "properties": members(facts, "ebb", True)},
        },
    }


def in_openapi(facts, document):
    """docs/openapi.json with the settings as the tables have them now; the rest stays."""
    settings = members(facts, "service", False)
    settings["ebb"] = {"type": "object", "properties": members(facts, "ebb", False)}
    shown = {**settings, "env": {"type": "object",
                                 "additionalProperties": {"anyOf": [{"type": "null"}, reference(False)]},
                                 "description": "the names, and which secrets they are; answers never hold a value"}}
    for name, rows in (("ServiceSettings", settings), ("Service", shown), ("ServiceChange", shown)):
        there = document["components"]["schemas"][name]["properties"]
        own = {key: value for key, value in there.items() if key not in rows}
        document["components"]["schemas"][name]["properties"] = {**own, **rows}
    return document
