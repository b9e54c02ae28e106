#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches Debian packages and unpacks them below a directory; nothing is installed on this host.
# usage: fetch-kernel.sh DIR KERNEL-METAPACKAGE PACKAGE...
# Afterwards: DIR/boot/vmlinuz-*, DIR/lib/modules/<version> with modules.dep, DIR/bin/busybox
set -eu

dir=$1 meta=$2
shift 2

die() {
	echo "fetch-kernel: $*" >&2
	exit 1
}

# The metapackage depends on the package of the present kernel version.
kernel=$(apt-cache depends "$meta" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || die "apt knows no kernel behind $meta: run apt-get update"

rm -rf "$dir"
mkdir -p "$dir/deb"
# _apt drops privileges and could not write here; downloads are checked against signed lists anyway.
(cd "$dir/deb" && apt-get -q -o APT::Sandbox::User=root download "$kernel" "$@") ||
	die "cannot download $kernel $*: run apt-get update and try again"
for deb in "$dir"/deb/*.deb; do
	dpkg-deb -x "$deb" "$dir"
done
rm -rf "${dir:?}/deb" "${dir:?}/usr"

version=${kernel#linux-image-}
"$dir/bin/busybox" depmod -b "$dir" "$version"
[ -s "$dir/lib/modules/$version/modules.dep" ] || die "depmod made no modules.dep for $version"
echo "$version" >"$dir/version"
