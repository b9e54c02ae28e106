#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""rootfs.py DIR: adds the files that all bases have in common to DIR: the user app (uid 1000), name resolution,
certificates, and empty directories as mount points. Removes documentation and translations, which no function reads."""
import os
import shutil
import sys

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
                  "app:x:1000:1000:function:/app:/sbin/nologin\n"
                  "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n",
    "etc/group": "root:x:0:\napp:x:1000:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/resolv.conf": "",
}
FOLDERS = ["app", "dev", "etc/ssl/certs", "proc", "root", "run", "sys", "tmp", "usr",
           "usr/lib/ebb/code", "var/tmp"]
DROPPED = ["usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale",
           "usr/share/lintian", "usr/share/bug", "etc/apt", "etc/dpkg", "etc/fstab", "etc/hostname",
           "etc/init.d", "etc/default", "etc/cron.daily", "var/lib/dpkg", "var/lib/apt",
           "var/cache"]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def drop(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def main(root):
    for path in DROPPED:
        drop(os.path.join(root, path))
    for path in FOLDERS:
        os.makedirs(os.path.join(root, path), exist_ok=True)
    for path in ("tmp", "var/tmp"):
        os.chmod(os.path.join(root, path), 0o1777)
    for path, text in FILES.items():
        drop(os.path.join(root, path))
        with open(os.path.join(root, path), "w", encoding="ascii") as file:
            file.write(text)
    if not os.path.exists(CERTIFICATES):
        sys.exit(f"ebb-build: {CERTIFICATES} is missing: install the Debian package ca-certificates")
    # The host's file is copied, so that functions trust the authorities that this host trusts.
    drop(os.path.join(root, "etc/ssl/certs/ca-certificates.crt"))
    shutil.copyfile(CERTIFICATES, os.path.join(root, "etc/ssl/certs/ca-certificates.crt"))


if __name__ == "__main__":
    main(sys.argv[1])
