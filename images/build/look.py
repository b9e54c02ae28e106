# SPDX-License-Identifier: Apache-2.0
"""Runs inside a sandbox of a build. Checks what a project says about itself: each such setting is used or refused,
never ignored.

look.py RUNTIME VERSION VENDORED: the project is in /app. Exits with a sentence if the project wants something that its
image will not have. VERSION is the version of Node; VENDORED is "yes" if the project brings node_modules. For Python
the base's own interpreter runs this, because it knows the installed packages.
"""
import json
import os
import re
import sys

LIMIT = 4 << 20


def fail(text):
    sys.exit("ebb: " + text)


def read(path):
    """A file of the project, or None."""
    try:
        with open("/app/" + path, encoding="utf-8", errors="replace") as file:
            text = file.read(LIMIT + 1)
    except OSError:
        return None
    if len(text) > LIMIT:
        fail(f"{path} is too large")
    return text


# --- versions ------------------------------------------------------------------------------------------------
def numbers(text):
    """The numbers of a version up to the first x or *: [1, 2] for 1.2.x."""
    found = []
    for part in text.lstrip("v=").split("-")[0].split("+")[0].split("."):
        digits = re.match(r"\d{1,9}", part)
        if not digits or part[:1] in "xX*":
            break
        found.append(int(digits[0]))
    return found


def compare(one, other):
    """Compares two versions: -1, 0 or 1. A missing part counts as 0."""
    length = max(len(one), len(other))
    one, other = ([*v, *[0] * (length - len(v))] for v in (one, other))
    return (one > other) - (one < other)


def next_of(version, place):
    """The first version that is greater at this place, where ranges of ~, ^ and x end."""
    return [*version[:place], version[place] + 1]


def term_holds(sign, wanted, version):
    if not wanted:
        return sign not in ("<", ">")
    if sign in ("<", ">", "<=", ">="):
        if sign in ("<=", ">") and len(wanted) < 3:  # <=18 is every 18; >18 is none of them
            sign, wanted = ("<" if sign == "<=" else ">="), next_of(wanted, len(wanted) - 1)
        order = compare(version, wanted)
        return {"<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[sign]
    place = {"~": min(1, len(wanted) - 1),
             "^": next((i for i, n in enumerate(wanted) if n), len(wanted) - 1)}.get(sign, len(wanted) - 1)
    if sign in ("", "=") and len(wanted) >= 3:
        return compare(version, wanted) == 0
    return compare(version, wanted) >= 0 and compare(version, next_of(wanted, place)) < 0


def range_holds(text, version):
    """Whether a version is in a range of npm: alternatives with ||, comparators that must all hold, and "a - b"."""
    for alternative in text.split("||"):
        alternative = re.sub(r"(\S+)\s+-\s+(\S+)", r">=\1 <=\2", alternative)
        terms = re.findall(r"(>=|<=|>|<|=|\^|~>?)?\s*([\w.*+-]+)", alternative)
        if all(term_holds(sign.replace("~>", "~"), numbers(word), version) for sign, word in terms):
            return True
    return False


# --- node ------------------------------------------------------------------------------------------------------
def look_node(version, vendored):
    text = read("package.json")
    if text is None:
        return
    try:
        package = json.loads(text)
    except (ValueError, RecursionError) as error:
        fail(f"package.json is no JSON: {error}")
    if not isinstance(package, dict):
        fail("package.json is no JSON object")
    engines = package.get("engines")
    wanted = engines.get("node") if isinstance(engines, dict) else None
    if isinstance(wanted, str) and not range_holds(wanted, numbers(version)):
        fail(f"package.json wants Node {wanted} (engines), the runtime has {version}: change it, or bring an image "
             "with that Node (ebb image import)")
    needed = package.get("dependencies")
    if vendored == "yes" or not needed:
        return
    if any(os.path.exists("/app/" + lock) for lock in ("package-lock.json", "npm-shrinkwrap.json")):
        return
    for lock, command in (("pnpm-lock.yaml", "pnpm install --prod"), ("yarn.lock", "yarn install --production"),
                          ("bun.lock", "bun install --production"), ("bun.lockb", "bun install --production")):
        if os.path.exists("/app/" + lock):
            fail(f"{lock} locks its packages, and ebb build knows npm's lock only: run `{command}` first, so that "
                 "node_modules is there, or make a package-lock.json (npm install --package-lock-only)")


# --- python ----------------------------------------------------------------------------------------------------
def canonical(word):
    return re.sub(r"[-_.]+", "-", word).lower()


def installed():
    """The packages that the base and the project's directory bring: name -> version."""
    from importlib import metadata  # pylint: disable=import-outside-toplevel
    inside = ["/app/" + name for name in os.listdir("/app") if os.path.isdir("/app/" + name)]
    paths = ["/app", *inside, *[p for p in sys.path if "dist-packages" in p or "site-packages" in p]]
    return {canonical(one.metadata["Name"]): one.version for one in metadata.distributions(path=paths)
            if one.metadata["Name"]}


def python_holds(spec, version):
    for sign, word in re.findall(r"(===?|~=|!=|<=|>=|<|>)\s*([\w.*+!-]+)", spec):
        wanted, found = numbers(word), numbers(version)
        order = compare(found, wanted)
        if word.endswith(".*"):
            order = 0 if found[:len(wanted)] == wanted else 1
        holds = {"==": order == 0, "===": word == version, "!=": order != 0, "<": order < 0, ">": order > 0,
                 "<=": order <= 0, ">=": order >= 0,
                 "~=": order >= 0 and found[:max(1, len(wanted) - 1)] == wanted[:max(1, len(wanted) - 1)]}[sign]
        if not holds:
            return False
    return True


def marker_holds(text):
    """Whether an environment marker holds. Only common markers are known; an unknown marker counts as true."""
    known = {"python_version": ".".join(map(str, sys.version_info[:2])), "sys_platform": "linux",
             "platform_system": "Linux", "os_name": "posix", "platform_python_implementation": "CPython",
             "implementation_name": "cpython", "python_full_version": ".".join(map(str, sys.version_info[:3]))}
    for part in re.split(r"\s+and\s+", text):
        found = re.fullmatch(r"\(?\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*[\"']([^\"']*)[\"']\s*\)?", part.strip())
        if not found or found[1] not in known:
            continue
        if found[1].startswith("python"):
            if not python_holds(found[2] + found[3], known[found[1]]):
                return False
        elif (known[found[1]] == found[3]) != (found[2] == "=="):
            return False
    return True


def requirements(path, seen):
    """The lines of a requirements file and of the files it includes."""
    if path in seen or len(seen) > 50:
        return
    seen.add(path)
    text = read(path)
    if text is None:
        fail(f"{path} is not there")
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        include = re.match(r"(?:-r|--requirement|-c|--constraint)[ =]*(\S+)", line)
        if include and include[0][1:2] in "r-" and "onstraint" not in include[0]:
            yield from requirements(os.path.normpath(os.path.join(os.path.dirname(path), include[1])), seen)
        elif line and not line.startswith(("-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f",
                                           "--find-links", "--no-", "--only-", "--pre", "--trusted-host", "--prefer")):
            yield path, line


def project_requirements():
    text = read("pyproject.toml")
    if text is None:
        return
    import tomllib  # pylint: disable=import-outside-toplevel
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        fail(f"pyproject.toml is no TOML: {error}")
    project = document.get("project")
    if not isinstance(project, dict):
        poetry = (document.get("tool") or {}).get("poetry") or {}
        names = [n for n in poetry.get("dependencies") or {} if n != "python"]
        yield from (("pyproject.toml", str(n)) for n in names)
        return
    wanted = project.get("requires-python")
    own = ".".join(map(str, sys.version_info[:3]))
    if isinstance(wanted, str) and not python_holds(wanted, own):
        fail(f"pyproject.toml wants Python {wanted} (requires-python), the runtime has {own}")
    for line in project.get("dependencies") or []:
        yield "pyproject.toml", str(line)


def missing(line, have):
    """The name of the package that a requirement asks for, if it is missing; else None."""
    spec, _, marker = line.partition(";")
    found = re.match(r"([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*(.*)", spec)
    if marker and not marker_holds(marker):
        return None
    if not found or spec.startswith("-") or "@" in found[3] or "://" in spec:
        return spec.strip()
    version = have.get(canonical(found[1]))
    if version is None:
        return spec.strip()
    rest = re.sub(r"--hash.*", "", found[3]).strip(" ()")
    return None if python_holds(rest, version) else f"{spec.strip()} (the runtime has {version})"


def look_python(_version, _vendored):
    have = None
    lines = list(requirements("requirements.txt", set())) if read("requirements.txt") is not None else []
    for path, line in [*lines, *project_requirements()]:
        have = installed() if have is None else have
        what = missing(line, have)
        if what:
            fail(f"{path} asks for {what}, which is neither in the runtime nor in the directory. Put it there: "
                 f"pip install --target . {what.split(' (')[0]!r}, or bring an image (ebb image import)")


if __name__ == "__main__":
    {"node": look_node, "python": look_python}[sys.argv[1]](*sys.argv[2:])
