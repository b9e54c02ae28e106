# SPDX-License-Identifier: Apache-2.0
"""The examples: the words of their answers, the limits that their run-times should see."""
import dataclasses
import json
import os

from ebb import PROJECT

MB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Example:
    name: str  # of its folder and of its service
    says: str
    logs: str = "GET /"
    memory_is: tuple = None  # (least, most) of what `/limits` says of memory, as parts of the service's
    cpus: bool = True        # `/limits` says one CPU; the others count the CPUs that they may run on, the host's
    garbage: str = None      # makes garbage for seconds, within the service's memory
    pages: bool = False      # files only: no `/sleep`, no `/echo`, no `/limits`
    path: str = "/?n={n}"
    echo: bool = True
    timer: str = None

    @property
    def folder(self):
        return os.path.join(PROJECT, "examples", self.name)

    @property
    def service(self):
        with open(os.path.join(self.folder, "ebb.json"), encoding="utf-8") as file:
            return json.load(file)["services"][self.name]

    @property
    def memory(self):
        return self.service["memory"]

    # A row of the programs has these, too.
    family, package, made, note = "Examples", None, "ebb build", ""


EXAMPLES = [
    Example("go-nethttp", "hello from go", memory_is=(0.8, 0.95)),
    Example("java-httpserver", "hello from java", memory_is=(0.3, 0.55)),
    Example("php-apache", "hello from php", cpus=False),
    Example("ruby-sinatra", "hello from ruby", cpus=False),
    Example("python-django", "hello from django", cpus=False),
    Example("nginx", "hello from nginx", pages=True, echo=False),
    Example("bun", "hello from bun", logs="GET http", cpus=False, garbage="/garbage?kept=250000&ms=3000"),
    Example("deno", "hello from deno", logs="GET http", cpus=False, memory_is=(0.5, 1)),
]
