#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the guest's root file system as an ext4 image: Debian packages that are only unpacked (no maintainer
# script runs, no package manager is inside), and the kernel's modules.
# usage: build-rootfs.sh OUT KERNEL-DIR SUITE PACKAGE...
set -eu

out=$(realpath -m "$1") kernel=$(realpath "$2") suite=$3
shift 3
size=4G # sparse; space for the writes of a test run, which go to a snapshot

if [ "$(id -u)" -ne 0 ]; then
	echo "build-rootfs: needs root (the image's files belong to root): sudo make check-vm" >&2
	exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
packages=$(echo "$@" | tr ' ' ',')

echo "build-rootfs: $# Debian packages and what they need, unpacked from $suite"
mmdebstrap --quiet --mode=root --variant=extract --include="$packages" \
	--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$work/root.tar"
mkdir "$root"
tar -C "$root" -xpf "$work/root.tar"
rm "$work/root.tar"
rm -rf "$root/var/cache/apt" "$root/var/lib/apt" "$root/usr/share/doc" "$root/usr/share/locale"

# The work of maintainer scripts, by hand.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
printf '127.0.0.1 localhost ebb-vm\n' >"$root/etc/hosts"
printf 'ebb-vm\n' >"$root/etc/hostname"
[ -e "$root/usr/bin/awk" ] || ln -s gawk "$root/usr/bin/awk"
mkdir -p "$root/ebb" "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp"
chmod 1777 "$root/tmp"
chroot "$root" /sbin/ldconfig

mkdir -p "$root/usr/lib/modules"
cp -a "$kernel/lib/modules/." "$root/usr/lib/modules/"
chroot "$root" /sbin/depmod -a "$(cat "$kernel/version")"

rm -f "$out.tmp"
mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$root" "$out.tmp" "$size"
mv "$out.tmp" "$out"
