# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# The parts that build-rootfs.sh and build-systemd.sh share: an ext4 image of a Debian for a guest. begin_image
# sets $root, the folder that becomes the image.

begin_image() { # OUT KERNEL-DIR SCRIPT COMMAND-OF-THE-USER
	if [ "$(id -u)" -ne 0 ]; then
		echo "$3: needs root (the image's files belong to root): $4" >&2
		exit 1
	fi
	out=$(realpath -m "$1") kernel=$(realpath "$2")
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	root=$work/root
}

unpack_debian() { # SUITE VARIANT PACKAGES,... OPTION-OF-MMDEBSTRAP...
	from=$1 variant=$2 with=$3
	shift 3
	mmdebstrap --quiet --mode=root --variant="$variant" --include="$with" \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$@" "$from" "$work/root.tar"
	mkdir "$root"
	tar -C "$root" -xpf "$work/root.tar"
	rm "$work/root.tar"
	rm -rf "$root/var/cache/apt" "$root/usr/share/locale"
	printf '127.0.0.1 localhost ebb-vm\n' >"$root/etc/hosts"
	printf 'ebb-vm\n' >"$root/etc/hostname"
}

add_modules() {
	mkdir -p "$root/ebb" "$root/usr/lib/modules"
	cp -a "$kernel/lib/modules/." "$root/usr/lib/modules/"
	chroot "$root" /sbin/depmod -a "$(cat "$kernel/version")"
}

end_image() { # SIZE
	rm -f "$out.tmp"
	mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$root" "$out.tmp" "$1"
	mv "$out.tmp" "$out"
}
