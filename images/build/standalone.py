# SPDX-License-Identifier: Apache-2.0
"""Runs inside a sandbox of a build. The project is in /app.

build NODE NPM [COMMAND]   runs the project's own build, with `output: "standalone"` in its settings
arrange HANDLER            puts the server of that build together in /out: the server, its packages, its static files, and
                           HANDLER, the text of the cacheHandler by which instances share pages
"""
import json
import os
import re
import shutil
import subprocess
import sys

APP, OUT = "/app", "/out"
CONFIGS = ("next.config.js", "next.config.mjs")
# The project's own settings, and the one that makes a server of a build. A site that is exported stays one.
WRAPPER = """import * as own from "./next.config.own%s";
const found = own.default?.default ?? own.default ?? own;
export default async (...words) => {
	const settings = typeof found === "function" ? await found(...words) : await found;
	return { ...settings, output: settings?.output === "export" ? "export" : "standalone" };
};
"""
ALONE = 'export default { output: "standalone" };\n'


def fail(text):
    sys.exit("ebb: " + text)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        fail(f"{path} cannot be read: {error}")
    if not isinstance(found, dict):
        fail(f"{path} is no JSON object")
    return found


# --- build ---------------------------------------------------------------------------------------------------
def want_server():
    """Adds `output: "standalone"` to the settings, so that a project need not say it. Settings in TypeScript stay as
    they are: Next.js itself has to translate them."""
    if os.path.exists(f"{APP}/next.config.ts"):
        return
    own = next((one for one in CONFIGS if os.path.exists(f"{APP}/{one}")), None)
    text = ALONE
    if own:
        suffix = os.path.splitext(own)[1]
        os.rename(f"{APP}/{own}", f"{APP}/next.config.own{suffix}")
        text = WRAPPER % suffix
    with open(f"{APP}/next.config.mjs", "w", encoding="utf-8") as file:
        file.write(text)


def build(node, npm, command=None):
    scripts = read_json(f"{APP}/package.json").get("scripts")
    want_server()
    words = [node, "node_modules/next/dist/bin/next", "build"]
    if isinstance(scripts, dict) and "build" in scripts:
        words = [node, npm, "run", "build"]
    if command:
        words = ["/bin/sh", "-c", command]
    sys.exit(subprocess.run(words, cwd=APP, check=False).returncode)


# --- arrange -------------------------------------------------------------------------------------------------
def find_builds():
    """The folders below /app where `next build` left a server: .next, or distDir of the settings."""
    for folder, below, files in os.walk(APP):
        if "BUILD_ID" in files and "standalone" in below:
            yield folder
        below[:] = [one for one in below if one not in ("node_modules", "standalone")]


def inside(root, path):
    """The path below root, which must not lead out of it."""
    found = os.path.realpath(os.path.join(root, path))
    if found != root and not found.startswith(root + "/"):
        fail(f"{path!r} leads out of the project")
    return found


def copy(source, target):
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


CACHE_FILE = "ebb-cache.cjs"
TAGS_FILE = "node_modules/next/dist/server/lib/incremental-cache/tags-manifest.external.js"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def has_tags(server):
    """Whether its Next.js is one whose cache the handler knows, 15 or 16."""
    while server.startswith(OUT):
        if os.path.isfile(f"{server}/{TAGS_FILE}"):
            return True
        server = os.path.dirname(server)
    return False


def share_pages(server, dist, handler):
    """Names the handler in both places where Next.js looks for one. A project's own stays."""
    with open(f"{server}/server.js", encoding="utf-8") as file:
        text = file.read()
    line = re.search(r"^const nextConfig = (\{.*\})$", text, re.M)
    if not line or not has_tags(server):
        return
    about, path = read_json(f"{server}/{dist}/required-server-files.json"), os.path.relpath(server, f"{server}/{dist}")
    config = json.loads(line[1])
    if not isinstance(about.get("config"), dict) or config.get("cacheHandler") or about["config"].get("cacheHandler"):
        return
    config["cacheHandler"] = about["config"]["cacheHandler"] = f"{path}/{CACHE_FILE}"
    write(f"{server}/{CACHE_FILE}", handler)
    write(f"{server}/server.js", text[:line.start(1)] + json.dumps(config) + text[line.end(1):])
    write(f"{server}/{dist}/required-server-files.json", json.dumps(about))


def arrange(handler):
    builds = sorted(find_builds())
    if not builds:
        fail('its build left no server. Say output: "standalone" in next.config (a site with output: "export" is '
             "served by the runtime static: ebb build out)")
    if len(builds) > 1:
        fail("it holds the builds of several projects: " + ", ".join(builds))
    place, app = builds[0], os.path.dirname(builds[0])
    about = read_json(f"{place}/required-server-files.json")
    below = about.get("relativeAppDir")
    below = below if isinstance(below, str) else ""
    dist = os.path.basename(place)
    copy(f"{place}/standalone", OUT)
    server = inside(OUT, below)
    if not os.path.isfile(f"{server}/server.js"):
        fail(f"{place}/standalone/{below} has no server.js")
    copy(f"{place}/static", f"{server}/{dist}/static")
    copy(f"{app}/public", f"{server}/public")
    share_pages(server, dist, handler)
    if server != OUT:  # a project of a workspace: its server is further down
        write(f"{OUT}/server.js", f"import({json.dumps('./' + below.rstrip('/') + '/server.js')});\n")


if __name__ == "__main__":
    {"build": build, "arrange": arrange}[sys.argv[1]](*sys.argv[2:])
