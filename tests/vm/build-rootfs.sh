#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the guest's root file system as an ext4 image: Debian packages that are only unpacked (no maintainer
# script runs, no package manager is inside), and the kernel's modules.
# usage: build-rootfs.sh OUT KERNEL-DIR SUITE PACKAGE...
set -eu

# shellcheck disable=SC1091
. "$(dirname "$0")/image.sh"

suite=$3 root=
begin_image "$1" "$2" build-rootfs "sudo make check-vm"
shift 3
echo "build-rootfs: $# Debian packages and what they need, unpacked from $suite"
unpack_debian "$suite" extract "$(echo "$@" | tr ' ' ',')" \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
rm -rf "$root/var/lib/apt" "$root/usr/share/doc"

# The work of maintainer scripts, by hand.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
[ -e "$root/usr/bin/awk" ] || ln -s gawk "$root/usr/bin/awk"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp"
chmod 1777 "$root/tmp"
chroot "$root" /sbin/ldconfig

add_modules
end_image 4G # sparse; space for the writes of a test run, which go to a snapshot
