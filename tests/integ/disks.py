# SPDX-License-Identifier: Apache-2.0
"""Small disks under one directory of an ebbd: ext4 on a loop device. They become full or read-only."""
import contextlib
import os
import shutil
import subprocess
import tempfile

from ebb import Ebb


class Disk:
    def __init__(self, mib=16):
        self.place = tempfile.mkdtemp(prefix="ebb-disk-")
        self.image, self.path = self.place + "/image", self.place + "/mount"
        os.mkdir(self.path)
        with open(self.image, "wb") as f:
            f.truncate(mib << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", self.image], check=True)
        subprocess.run(["mount", "-o", "loop", self.image, self.path], check=True)

    def fill(self):
        """Takes every block that is free. Directories that stand keep the room of their last block."""
        for size in (1 << 20, 4096, 1024):
            with open(self.path + "/filler", "ab", buffering=0) as f, contextlib.suppress(OSError):
                while True:
                    f.write(bytes(size))

    def empty(self):
        os.unlink(self.path + "/filler")

    def remount(self, how):
        subprocess.run(["mount", "-o", "remount," + how, self.path], check=True)

    def remove(self):
        subprocess.run(["umount", "-l", self.path], check=True)
        shutil.rmtree(self.place)


@contextlib.contextmanager
def on_disk(setting, mib=16, **settings):
    """An ebbd that has this directory on a disk of its own, and that disk."""
    disk = Disk(mib)
    ebb = Ebb(gateways=1, settings={setting: disk.path, **settings})
    try:
        yield ebb.start(), disk
        ebb.stop()
    finally:
        ebb.kill()
        disk.remove()
        ebb.remove()
