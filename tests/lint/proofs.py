# SPDX-License-Identifier: Apache-2.0
"""Checks that a test can fail: forms that are true for every program."""
import ast

EVERY_ERROR = ("Exception", "BaseException")


def always_true(test):
    """Why an assert of this never fails, or None."""
    if isinstance(test, ast.Tuple) and test.elts:
        return "a tuple is true"
    if isinstance(test, ast.Constant) and test.value:
        return "a constant is true"
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) and any(
            isinstance(value, ast.Constant) and value.value for value in test.values):
        return "or with a constant is true"
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "all" and test.args:
        of = test.args[0]
        if isinstance(of, ast.GeneratorExp) and any(one.ifs for one in of.generators):
            return "all() of what a condition leaves is true of nothing: name it, and assert that it is not empty"
    return None


def of_call(node):
    """The fault of a call, or None."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "throughout" and len(node.args) > 1 and isinstance(node.args[1], ast.Lambda) and isinstance(
            node.args[1].body, ast.Constant):
        return "throughout() without a fact is a sleep: look at one, or say pass_time()"
    if name == "raises" and node.args and getattr(node.args[0], "id", "") in EVERY_ERROR:
        return "raises() of every error takes a slip for the refusal: name the error"
    return None


def in_threads(tree):
    """Asserts in what a thread runs: there they end the thread and not the test."""
    targets = {keyword.value.id for node in ast.walk(tree) if isinstance(node, ast.Call)
               and getattr(node.func, "attr", getattr(node.func, "id", "")) == "Thread"
               for keyword in node.keywords if keyword.arg == "target" and isinstance(keyword.value, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in targets:
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Assert))


def faults_of(path, tree):
    for node in ast.walk(tree):
        what = None
        if isinstance(node, ast.Assert):
            what = always_true(node.test)
        elif isinstance(node, ast.Call):
            what = of_call(node)
        elif isinstance(node, ast.ExceptHandler) and isinstance(node.body[0], ast.Pass):
            if node.type is None or getattr(node.type, "id", "") in EVERY_ERROR:
                what = "every error is passed over: name the one that is meant"
        if what:
            yield f"{path}:{node.lineno}: {what}"
    for node in in_threads(tree):
        yield f"{path}:{node.lineno}: an assert in a thread fails no test: hand it to the test"


def proofs(project):
    """A claim of a test can fail."""
    faults, count = [], 0
    for path in project.python:
        if not path.startswith("tests/") or path.startswith("tests/integ/functions/"):
            continue
        try:
            tree = ast.parse(project.text(path))
        except SyntaxError:
            continue  # the check "python" says so
        count += sum(isinstance(node, ast.Assert) for node in ast.walk(tree))
        faults += faults_of(path, tree)
    return count, project.ratchet("proofs", "all", faults)
