#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts the project onto a disk, boots the guest, shows its console, and ends with the exit status that the
# guest prints. To be run in the project's root.
# usage: run.sh VM-DIR    (the environment it reads is set by vm.mk)
set -eu

vm=$1
: "${OUT:?}" "${VM_ACCEL:=tcg}" "${VM_MEMORY:=4096}" "${VM_CPUS:=2}" "${VM_TIMEOUT:=4200}"
: "${VM_STAGES:=unit integ}" "${VM_INTEG:=tests/integ}" "${VM_COMMAND:=}"
# VM_ROOT, VM_INIT: another root file system, with a PID 1 of its own. VM_ARCHIVES: the archives that the guest gets.
# VM_MORE: a folder that the guest gets as build/more.
: "${VM_ROOT:=rootfs.ext4}" "${VM_INIT:=/ebb/tests/vm/guest-init}" "${VM_ARCHIVES:=*.tar}" "${VM_MORE:=}"
log=$vm/console.log
cache=${EBB_CACHE:-$(dirname "$OUT")/cache}
export PATH="$PATH:/usr/sbin:/sbin"
work=$(mktemp -d "$vm/run.XXXXXX")
trap 'rm -rf "$work"' EXIT

# --- the project's disk: a checkout with what was built, programs and images
stage=$work/ebb
mkdir -p "$stage/build/release" "$stage/build/cache"
tar -c --exclude='./build*' --exclude=./.git --exclude=__pycache__ --exclude=node_modules . |
	tar -C "$stage" -x --no-same-owner
tar -C "$OUT" -c --exclude=./obj --exclude=./lib . | tar -C "$stage/build/release" -x --no-same-owner
if [ -d "$cache" ]; then
	find "$cache" -maxdepth 1 -type f '(' -name "$VM_ARCHIVES" -o -name '*.json' -o -name probe ')' \
		-exec cp -t "$stage/build/cache" {} +
fi
[ -z "$VM_MORE" ] || cp -a "$VM_MORE" "$stage/build/more"

# EBB_SLOW: software emulation is about ten times slower, so tests stretch their deadlines by it.
cat >"$stage/vm-command" <<-EOT
	export EBB_VM=1 EBB_SLOW=10 BUILD=build
	export EBB_BIN=/ebb/build/release EBB_CACHE=/ebb/build/cache
	export INTEG='$VM_INTEG'
	${VM_COMMAND:-tests/run $VM_STAGES}
EOT
size_kib=$(du -sk "$stage" | cut -f 1)
mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$stage" "$work/ebb.ext4" \
	"$((size_kib * 5 / 4 + 65536))k"
rm -rf "$stage"

# --- the guest
version=$(cat "$vm/kernel/version")
# The disks are snapshots: writes of the guest go to unlinked files in $work and are gone with QEMU. timeout(1)
# is the watchdog. It runs in the background, so that a signal to this script ends it and QEMU.
mkfifo "$work/console"
sed -u 's/\r//g' <"$work/console" | tee "$log" &
console=$!
TMPDIR=$work timeout --foreground --kill-after=10 "$VM_TIMEOUT" qemu-system-x86_64 \
	-machine q35 -accel "$VM_ACCEL" -cpu max -smp "$VM_CPUS" -m "$VM_MEMORY" \
	-nodefaults -no-user-config -no-reboot -display none -monitor none -serial stdio -net none \
	-kernel "$vm/kernel/boot/vmlinuz-$version" -initrd "$vm/initramfs.gz" \
	-append "console=ttyS0 quiet loglevel=1 panic=-1 cgroup_no_v1=all ebb.init=$VM_INIT" \
	-drive "file=$vm/$VM_ROOT,if=virtio,format=raw,snapshot=on" \
	-drive "file=$work/ebb.ext4,if=virtio,format=raw,snapshot=on" </dev/null >"$work/console" &
guest=$!
trap 'kill "$guest"; exit 1' HUP INT TERM
wait "$guest" || true
wait "$console"

status=$(sed -n 's/^EBB-VM-EXIT: //p' "$log" | tail -n 1)
if [ -z "$status" ]; then
	echo "run.sh: the guest ended without a result, or ran longer than $VM_TIMEOUT s; see $log" >&2
	exit 1
fi
# The sum is the last line of all. (The console has no kernel messages below "emergency" in between.)
grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1 || true
exit "$status"
