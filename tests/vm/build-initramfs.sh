#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the smallest initramfs that can mount a virtio disk: busybox, some modules, and initramfs-init.
# usage: build-initramfs.sh OUT KERNEL-DIR MODULE...
set -eu

out=$(realpath -m "$1") kernel=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
shift 2
modules=$kernel/lib/modules/$(cat "$kernel/version")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# Prints the paths of a module and of the modules that it needs, those first. modules.dep has lines
# "path: path path".
needs() {
	line=$(grep "/$1\.ko:" "$modules/modules.dep") || {
		echo "build-initramfs: kernel has no module $1" >&2
		return 1
	}
	for needed in ${line#*:}; do
		(needs "$(basename "$needed" .ko)")
	done
	echo "${line%%:*}"
}

mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/root" "$root/modules"
cp "$kernel/bin/busybox" "$root/bin/busybox"
cp "$here/initramfs-init" "$root/init"
chmod 755 "$root/init"
for name in "$@"; do
	needs "$name" >>"$root/all"
done
awk '!seen[$0]++' "$root/all" | while read -r path; do
	cp "$modules/$path" "$root/modules/"
	basename "$path" >>"$root/modules/order"
done
rm "$root/all"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$out.tmp"
mv "$out.tmp" "$out"
