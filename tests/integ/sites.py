# SPDX-License-Identifier: Apache-2.0
"""A site of static files for the tests: every kind of name, sizes around each bound of the server, files compressed
ahead, and links that lead out of its root."""
import gzip
import os
import random
import tempfile

import pictures
import web

MTIME = 1_700_000_000
SECRET = b"nothing outside of the root is served"


def page(title):
    return f"<!doctype html><title>{title}</title>\n".encode() * 40


def pattern(size):
    return b"".join(web.pattern(size))


def files():
    """name -> content of what the site serves."""
    script = b"".join(b"console.log(%d)\n" % random.Random(i).randrange(10**9) for i in range(3000))
    found = {"index.html": page("home"), "about.html": page("about"), "docs/index.html": page("docs"),
             "docs/guide.html": page("guide"), "docs.html": page("beside"), "404.html": page("missing"),
             "empty.txt": b"", "a b%25.txt": b"odd\n", "caf\u00e9.txt": b"utf-8\n", "style.css": b"a{}\n" * 100,
             ".well-known/token": b"token\n", "data.unknown": b"?",
             "app.3f9a1b2c.js": script, "app.3f9a1b2c.js.gz": gzip.compress(script, mtime=0),
             "app.3f9a1b2c.js.br": b"stands for brotli", "app.3f9a1b2c.js.zst": b"stands for zstd",
             "only.svg": b"<svg/>", "only.svg.gz": gzip.compress(b"<svg/>", mtime=0)}
    for size in (1, 12287, 12288, 12289, 65536, 131071, 131073, 3_000_001):
        found[f"bin/{size}.bin"] = pattern(size)
    return found


def write(folder):
    """The site below folder/www, and what it must not serve beside and within it."""
    hidden = {"secret.txt": SECRET, "www/.env": SECRET, "www/.git/config": SECRET, "www/docs/.htpasswd": SECRET,
              "www/vercel.json": b"{}" + SECRET}
    for name, content in {**{f"www/{n}": c for n, c in files().items()}, **hidden}.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.utime(path, (MTIME, MTIME))
    os.symlink("about.html", folder + "/www/within.html")
    os.symlink("../secret.txt", folder + "/www/out.txt")
    os.symlink("..", folder + "/www/up")
    with open(folder + "/ebb.json", "w", encoding="ascii") as file:
        file.write('{"services": {"site": {"root": ".", "runtime": "static", "entrypoint": "www"}}}')


def archive():
    def make(path):
        with tempfile.TemporaryDirectory() as work:
            folder = os.path.join(work, "site-source")
            os.mkdir(folder)
            write(folder)
            os.rename(pictures.built_archive(folder), path)
    return pictures.make_once("site.oci.tar", [__file__, *pictures.BUILDERS], make)
