# SPDX-License-Identifier: Apache-2.0
"""The project's files, and what is exempt."""
import os
import re
import subprocess

EXEMPTIONS = "tests/lint/exemptions.txt"
RATCHET = "tests/lint/ratchet.txt"
PRODUCT = ("runtime/", "sandbox/", "netns/", "cgroups/", "images/")


def listed():
    """Every file that is or could be committed."""
    if os.path.exists(".git"):
        out = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached",
                              "--others", "--exclude-standard"],
                             check=True, capture_output=True, text=True).stdout
        names = out.split("\0")
    else:  # a source archive
        skipped = ("./build/", "./.git/", "/__pycache__/", "/node_modules/")
        names = (os.path.relpath(os.path.join(top, name))
                 for top, _, files in os.walk(".") for name in files
                 if not any(part in f"{top}/" for part in skipped))
    return sorted({n for n in names if n and os.path.isfile(n) and not os.path.islink(n)})


class Project:
    def __init__(self):
        self.files = listed()
        self.c = [f for f in self.files if f.endswith(".c")]
        self.h = [f for f in self.files if f.endswith(".h")]
        self.c_and_h = self.c + self.h
        self.product = [f for f in self.c_and_h if f.startswith(PRODUCT)]
        self._text = {}
        self.python = [f for f in self.files if self._is_script(f, ".py", "python")]
        self.shell = [f for f in self.files if self._is_script(f, ".sh", "sh")]
        self._exemptions = self._read_exemptions()
        self._ratchet = self._read_ratchet()
        self.ratchet_asked, self._symbols = {}, None
        self.includes = [(f, n, m[1]) for f in self.c_and_h
                         for n, line in enumerate(self.lines(f), 1)
                         if (m := re.match(r'\s*#\s*include\s+([<"][^>"]+)[>"]', line))]

    def text(self, path):
        """A file's text, or None if it is not text."""
        if path not in self._text:
            with open(path, "rb") as file:
                data = file.read()
            try:
                self._text[path] = None if b"\0" in data else data.decode()
            except UnicodeDecodeError:
                self._text[path] = None
        return self._text[path]

    def lines(self, path):
        return (self.text(path) or "").splitlines()

    def _is_script(self, path, ending, interpreter):
        first = (self.lines(path) or [""])[0]
        return path.endswith(ending) or bool(
            re.match(rf"#!\s*\S*?(/env +)?\S*?\b(ba|da)?{interpreter}[\d.]*( |$)", first))

    @staticmethod
    def _read_exemptions():
        """Lines of: CHECK  BEGINNING-OF-THE-FAULT  # reason"""
        found = []
        if os.path.exists(EXEMPTIONS):
            with open(EXEMPTIONS, encoding="utf-8") as file:
                for line in file:
                    rule, _, reason = line.partition("#")
                    if rule.strip():
                        check, beginning = rule.split(None, 1)
                        found.append((check, beginning.strip(), reason.strip()))
        return found

    @staticmethod
    def _read_ratchet():
        """Lines of: CHECK KEY NUMBER  # reason"""
        found = {}
        if os.path.exists(RATCHET):
            with open(RATCHET, encoding="utf-8") as file:
                for line in file:
                    rule, _, reason = line.partition("#")
                    if rule.strip():
                        check, key, number = rule.split()
                        found[check, key] = int(number), reason.strip()
        return found

    def ratchet(self, check, key, faults, number=None):
        """All faults, or only the exempt ones if the others are no more than the ratchet allows for this key. number:
        a measure that counts instead of the number of faults."""
        exempt = [f for f in faults if any(name == check and f.startswith(beginning)
                                           for name, beginning, _ in self._exemptions)]
        number = len(faults) - len(exempt) if number is None else number
        allowed, reason = self._ratchet.get((check, key), (0, "none"))
        self.ratchet_asked[check, key] = number
        missing = [] if reason else [f"{RATCHET}: \"{check} {key}\" gives no reason"]
        if number <= allowed:
            return [*exempt, *missing]
        return [*faults, f"{check} {key}: {number}, at most {allowed}", *missing]

    def symbols(self):
        """The symbols that objects define and need (symbols.py), read once."""
        if not self._symbols:
            import symbols
            self._symbols = symbols.Symbols(self)
        return self._symbols

    def ratchet_slack(self, check):
        """(key, number, allowed) of what is better than the ratchet asks."""
        return [(key, self.ratchet_asked.get((name, key), 0), allowed)
                for (name, key), (allowed, _) in sorted(self._ratchet.items())
                if name == check and self.ratchet_asked.get((name, key), 0) < allowed]

    def tighten(self, check):
        """Writes the numbers of today into the ratchet where they are lower; 0 needs no line."""
        lower = {(check, key): number for key, number, _ in self.ratchet_slack(check)}
        lines = []
        with open(RATCHET, encoding="utf-8") as file:
            for line in file:
                rule = tuple(line.partition("#")[0].split())
                number = lower.get(rule[:2])
                if number is None:
                    lines.append(line)
                elif number:
                    lines.append(re.sub(rf"\b{rule[2]}\b", str(number), line, count=1))
        with open(RATCHET, "w", encoding="utf-8") as file:
            file.writelines(lines)
        self._ratchet = self._read_ratchet()

    def exempt(self, check, faults):
        """Faults less the exempt ones; an exemption that nothing needs any more is a fault."""
        left = list(faults)
        for name, beginning, reason in self._exemptions:
            if name != check:
                continue
            rest = [f for f in left if not f.startswith(beginning)]
            if len(rest) == len(left):
                rest.append(f"{EXEMPTIONS}: nothing needs \"{name} {beginning}\": remove it")
            if not reason:
                rest.append(f"{EXEMPTIONS}: \"{name} {beginning}\" gives no reason")
            left = rest
        return left
