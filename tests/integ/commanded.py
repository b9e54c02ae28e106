# SPDX-License-Identifier: Apache-2.0
"""Projects with commands of their own, deployed from a vercel.json."""
import json
import os

# Makes a tree of the Build Output API.
TREE = """mkdir -p .vercel/output/static
echo '{"version": 3, "routes": [{"handle": "filesystem"}]}' > .vercel/output/config.json
echo "a page of $1" > .vercel/output/static/index.html
"""


def cleared(ebb):
    for service in ebb.rest("GET", "/v1/services").json["services"]:
        ebb.rest("DELETE", "/v1/services/" + service["name"])
    for site in ebb.rest("GET", "/v1/sites").json["sites"]:
        ebb.rest("DELETE", "/v1/sites/" + site["name"])


def put(folder, files):
    for name, text in files.items():
        os.makedirs(os.path.dirname(folder / name), exist_ok=True)
        (folder / name).write_text(text if isinstance(text, str) else json.dumps(text))
    return folder / "vercel.json"


def deployed(ebb, folder, document, files, *options, ok=True):
    file = put(folder, {**files, "vercel.json": {"name": "site", **document}})
    return ebb.cli("deploy", "-f", file, *options, ok=ok, timeout=120)


def page(ebb, path="/"):
    return ebb.http(path, host="site.localhost")


def serves(ebb, folder, work):
    """work: (document, files, path, text of the page there)"""
    document, files, path, text = work
    deployed(ebb, folder, document, files, "--strict")
    reply = page(ebb, path)
    assert (reply.status, reply.text) == (200, text), reply
