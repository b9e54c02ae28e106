#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes an ext4 image of a small Debian that boots systemd; its maintainer scripts have run, as in an
# installation. On boot it runs tests/vm/guest-systemd from the project's disk.
# usage: build-systemd.sh OUT KERNEL-DIR SUITE PACKAGE...
set -eu

out=$(realpath -m "$1") kernel=$(realpath "$2") suite=$3
shift 3
size=3G # sparse

if [ "$(id -u)" -ne 0 ]; then
	echo "build-systemd: needs root (the image's files belong to root): sudo make check-systemd" >&2
	exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
packages=$(echo "$@" | tr ' ' ',')

echo "build-systemd: $# Debian packages and what they need, installed from $suite"
# Translations are left out. Documents are not: dpkg would then leave out those of a package of ebb, too.
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
	--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
	--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$work/root.tar"
mkdir "$root"
tar -C "$root" -xpf "$work/root.tar"
rm "$work/root.tar"
rm -rf "$root/var/cache/apt" "$root/var/lib/apt/lists" "$root/usr/share/locale"
printf '127.0.0.1 localhost ebb-vm\n' >"$root/etc/hosts"
printf 'ebb-vm\n' >"$root/etc/hostname"
mkdir -p "$root/ebb" "$root/usr/lib/modules"
cp -a "$kernel/lib/modules/." "$root/usr/lib/modules/"
chroot "$root" /sbin/depmod -a "$(cat "$kernel/version")"

units=$root/etc/systemd/system
for unit in getty.target serial-getty@ttyS0.service systemd-timesyncd.service systemd-logind.service \
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
	ln -sf /dev/null "$units/$unit"
done
ln -sf /usr/lib/systemd/system/multi-user.target "$units/default.target"
cat >"$units/ebb-guest.service" <<-'EOT'
	[Unit]
	Description=the command of the project's disk
	[Service]
	Type=oneshot
	ExecStart=/bin/sh /ebb/tests/vm/guest-systemd
	StandardOutput=tty
	StandardError=tty
	TTYPath=/dev/ttyS0
	TimeoutStartSec=infinity
EOT
mkdir -p "$units/multi-user.target.wants"
ln -sf ../ebb-guest.service "$units/multi-user.target.wants/"

rm -f "$out.tmp"
mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$root" "$out.tmp" "$size"
mv "$out.tmp" "$out"
