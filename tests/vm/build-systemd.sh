#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes an ext4 image of a small Debian that boots systemd; its maintainer scripts have run, as in an
# installation. On boot it runs tests/vm/guest-systemd from the project's disk.
# usage: build-systemd.sh OUT KERNEL-DIR SUITE PACKAGE...
set -eu

# shellcheck disable=SC1091
. "$(dirname "$0")/image.sh"

suite=$3 root=
begin_image "$1" "$2" build-systemd "sudo make check-systemd"
shift 3
echo "build-systemd: $# Debian packages and what they need, installed from $suite"
# Translations are left out. Documents are not: dpkg would then leave out those of a package of ebb, too.
unpack_debian "$suite" minbase "$(echo "$@" | tr ' ' ',')"
rm -rf "$root/var/lib/apt/lists"
add_modules

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

end_image 3G # sparse
