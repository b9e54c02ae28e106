# SPDX-License-Identifier: Apache-2.0
"""
Sentences that a stranger can read have a noun as their subject.

"What was sent" or "whoever asks" in the place of a noun makes the reader look for the noun. This check finds
such words where a clause begins, in comments, documents, docstrings and strings of the product that are
sentences. Questions, headings and the heads of tables may begin so. "x, whatever its method" is allowed.
"""
import ast
import re

import comments
import prose
import source

PRONOUN = "who|what|whoever|whatever"
CODE = re.compile(r"`[^`]*`|\"[^\"]*\"|<[^<>]*>|\[[^\]]*\]\([^)]*\)|\*\*[^*]+\*\*")
# (pattern, fault)
RULES = (
    (re.compile(rf"(?:^|[.;:!?]\s+)[\W_]*\b(?:{PRONOUN})\b(?![=:]|[^.;:!]*\?)", re.I), "a clause begins with a pronoun; name the noun"),
    (re.compile(r"\b(?:because|that|if|when|while|so|but|unless|since|although|until|than|then|and that|as)\s+"
                rf"(?:{PRONOUN})\b", re.I), "a pronoun is the subject; name the noun"),
    (re.compile(r"\bwhoever\b|(?<![,(])\s\bwhatever\b", re.I), "a pronoun stands for a noun; name it"),
    (re.compile(r"\b(?:that|all|those) which\b|\b(?:he|they|those|the one|one) who\b", re.I), "two pronouns in a row; name the noun"),
    (re.compile(r"\bof (?:it|them|which|what) of\b|\bof (?:it|them|that)\b[^.;:]*\bof (?:it|them|that)\b", re.I),
     "a chain of \"of it\"; name the noun"),
)
PAGES = (".md", ".scd")
WORDS_MIN = 4  # a string of the product is a sentence from here


def plain(text, page=False):
    """Without the marks of a comment, and without quoted code, titles of links and titles of paragraphs."""
    if not page:
        text = re.sub(r"\s*\*+/\s*$", "", text)
        text = re.sub(r"^.*SPDX-License-Identifier.*$", "", text, flags=re.M)
        text = re.sub(r"^[ \t]*(?:/\*+|//|\*|#+)?[ \t]?", "", text, flags=re.M)
    return CODE.sub("x", re.sub(r'^\s*[rf]?"""|"""\s*$', "", text).rstrip())


def joined(found, alone):
    """Comments on lines one below the other are one text, if no code stands beside them."""
    start, last, texts = 0, -1, []
    for line, text in found:
        if texts and not (line == last + 1 and alone(line)):
            yield start, "\n".join(texts)
            texts = []
        start = start if texts else line
        texts.append(text)
        last = line + text.count("\n")
    if texts:
        yield start, "\n".join(texts)


def of_pages(lines):
    """Paragraphs, items and cells of a page of Markdown."""
    start, texts = 0, []
    for number, line in prose.prose_lines(lines):
        if texts and (not line.strip() or prose.ITEM.match(line)):
            yield start, " ".join(texts)
            texts = []
        if line.strip():
            start = start if texts else number
            item = prose.ITEM.match(line)
            texts.append(line[item.end() if item else 0:].strip())
    if texts:
        yield start, " ".join(texts)
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= bool(prose.FENCE.match(line))
        head = number < len(lines) and re.match(r"\|[\s|:-]+\|$", lines[number])
        if line.startswith("|") and not fenced and not head:
            for cell in line.strip("|").split("|"):
                yield number, cell.strip()


def of_strings(project, path):
    """Strings of the product that are sentences: help, errors, lines of the log."""
    text = project.text(path) or ""
    if path.endswith((".c", ".h")):
        for match in re.finditer(r'/\*.*?\*/|//[^\n]*|((?:"(?:\\.|[^"\\\n])*"\s*)+)', text, re.S):
            if match[1]:
                line = text.count("\n", 0, match.start()) + 1
                yield line, re.sub(r'"\s*"', "", match[1]).strip().strip('"').replace("\\n", "\n")
    elif path in project.python:
        try:
            tree = ast.parse(text)
        except SyntaxError:
            return  # the check "python" says so
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.lineno, node.value


def texts(project, path):
    """(line, text) of all that a file says to people."""
    if path.endswith(PAGES):
        yield from of_pages(project.lines(path))
        return
    lines = project.lines(path)
    found = ((line, plain(text)) for line, text in comments.prose_of(project, path))
    yield from joined(found, lambda line: re.match(r"\s*(#|//)", lines[line - 1]))
    if path.startswith(source.PRODUCT):
        yield from ((line, text) for line, text in of_strings(project, path) if len(text.split()) >= WORDS_MIN)


def faults_in(text):
    """(offset, what is wrong) of each rule that a text breaks."""
    text = re.sub(r"\n(?=\s*\n)", ".", text)
    for pattern, wrong in RULES:
        for match in pattern.finditer(text):
            yield match.start() + re.search(r"\w", match[0]).start(), wrong


def words(project):
    faults, count = [], 0
    for path in project.files:
        for line, text in texts(project, path):
            count += 1
            text = plain(text, path.endswith(PAGES))
            for offset, wrong in faults_in(text):
                number = line + text.count("\n", 0, offset)
                shown = " ".join(text[offset:offset + 60].split())
                faults.append(f"{path}:{number}: {wrong}: {shown}")
    return count, sorted(set(faults))
