# SPDX-License-Identifier: Apache-2.0
# `make check-vm`: the tests in a QEMU guest with Debian's kernel and pure cgroup v2. See README.md.
VM          := $(BUILD)/vm
VM_SUITE    ?= bookworm
VM_KERNEL   ?= linux-image-cloud-amd64
# tcg works everywhere; kvm is faster where it is real (nested, it may stop in the middle of booting).
VM_ACCEL    ?= tcg
VM_MEMORY   ?= 4096
VM_CPUS     ?= 2
VM_TIMEOUT  ?= 4200
# The stages of tests/run in the guest, or a command instead:
#   make check-vm VM_COMMAND='python3 -m pytest -x tests/integ/test_fluid.py'
VM_STAGES   ?= unit integ
VM_COMMAND  ?=
# Integration tests in the guest: those that depend on the kernel and on pure cgroup v2. The others would find
# nothing new there, and take ten times as long; VM_INTEG=tests/integ runs them all.
VM_INTEG    ?= $(patsubst %,tests/integ/test_%.py,$(VM_FAMILIES)) $(VM_TESTS)
# Single tests of other families: those that an older kernel's overlayfs may fail, one of cgroups, and of the network
# names, a policy, and the listing that sweeps connections; upgrades in place; deaths of what owns namespaces and cgroups,
# a full disk of ext4; quotas of CPU.
VM_TESTS    ?= $(patsubst %,tests/integ/test_images_layers.py::test_%, \
               a_directory_that_is_only_implied_keeps_its_attributes a_lone_whiteout_leaves_its_directory_as_it_is \
               a_hard_link_to_a_file_of_a_lower_layer 127_layers_on_each_other) \
               tests/integ/test_sandbox_neighbour.py::test_ebbs_own_programs_compete_beside_the_instances_and_with_more_weight \
               $(patsubst %,tests/integ/test_network_names.py::test_%, \
               a_name_opens_what_it_was_answered_with what_one_has_asked_opens_nothing_for_another) \
               tests/integ/test_network_bounds.py::test_many_connections_of_the_host_are_swept_out_of_its_table \
               $(patsubst %,tests/integ/test_upgrade.py::test_%, a_lone_client_does_not_wait_for_another_one nothing_is_left_after_upgrades) \
               $(patsubst %,tests/integ/test_service_survival.py::test_%, a_dead_zygote_is_started_again_and_no_request_is_refused \
               a_full_disk_of_the_ledger_is_said_and_passes killed_ebbd_comes_back_clean) \
               $(patsubst %,tests/integ/test_fluid_scaling.py::test_%, full_cpu_saturates_and_another_instance_is_started \
               tasks_that_wait_for_a_cpu_saturate_an_instance_below_its_quota)
VM_FAMILIES ?= clocks service images_umoci sandbox sandbox_limits edge hostile_gateway fluid fluid_eviction \
               runtimes_inherited bill deploys_durations deploys_crashes runtimes_ring fluid_waits leaks network_use
# The selection of `make check`.
VM_QUICK    ?= $(patsubst %,tests/integ/test_%.py, clocks service sandbox) \
               $(patsubst %,tests/integ/test_fluid.py::test_%, frozen_instance_uses_no_cpu_and_the_next_request_thaws_it \
               every_process_of_a_frozen_instance_stands_still hundred_threads_freeze_and_thaw) \
               $(patsubst %,tests/integ/test_bill.py::test_%, cpu_of_the_kernel_and_of_the_bill_are_the_same_number \
               bill_outlives_the_instance_and_the_service) $(VM_TESTS)
# Files that must be made first on the host: the guest has no compiler and no network.
VM_NEEDS    ?= $(BINARIES) tests prebuild
# Packages that ebb and its tests need at run time; nothing is compiled in the guest.
VM_PACKAGES := base-files base-passwd bash busybox-static coreutils dash diffutils erofs-utils \
               findutils gawk grep gzip hostname iproute2 kmod libc-bin libc6 libcap2 libcap2-bin \
               libcmocka0 libarchive13 libldns3 libnftables1 libnghttp2-14 libnl-3-200 libnl-route-3-200 libseccomp2 \
               libsqlite3-0 libssl3 liburing2 libyajl2 mount ncurses-base nftables nghttp2-client passwd procps \
               python3 python3-pytest python3-pytest-timeout python3-starlette python3-uvicorn python3-websockets sed \
               sqlite3 strace tar util-linux

$(VM)/kernel.stamp: tests/vm/fetch-kernel.sh
	@tests/deps images check vm
	@tests/vm/fetch-kernel.sh $(VM)/kernel $(VM_KERNEL) busybox-static
	@touch $@

# Recipes see the package list; a changed list is a changed vm.mk, and the image is made anew.
$(VM)/rootfs.ext4: tests/vm/build-rootfs.sh tests/vm/image.sh tests/vm/vm.mk $(VM)/kernel.stamp
	@tests/vm/build-rootfs.sh $@ $(VM)/kernel $(VM_SUITE) $(VM_PACKAGES)

$(VM)/initramfs.gz: tests/vm/build-initramfs.sh tests/vm/initramfs-init $(VM)/kernel.stamp
	@tests/vm/build-initramfs.sh $@ $(VM)/kernel virtio_pci virtio_blk

# By the environment and unexpanded: a command has quotes and dollars of its own.
check-vm check-vm-quick: override export VM_COMMAND := $(value VM_COMMAND)
check-vm-quick: VM_INTEG := $(VM_QUICK)
check-vm-quick: VM_STAGES := integ
.PHONY: check-vm check-vm-quick
check-vm check-vm-quick: $(VM)/rootfs.ext4 $(VM)/initramfs.gz $(VM_NEEDS)
	@OUT=$(OUT) EBB_CACHE=$(EBB_CACHE) VM_ACCEL=$(VM_ACCEL) VM_MEMORY=$(VM_MEMORY) VM_CPUS=$(VM_CPUS) \
		VM_TIMEOUT=$(VM_TIMEOUT) VM_STAGES='$(VM_STAGES)' VM_INTEG='$(VM_INTEG)' \
		tests/vm/run.sh $(VM)

# `make check-systemd`: ebb as `make install` installs it, in a small Debian that boots systemd. The packages of
# VM_PACKAGES are only unpacked in their guest; SYSTEMD_PACKAGES are installed in this one.
SYSTEMD_PACKAGES := systemd systemd-sysv dbus kmod procps iproute2 curl erofs-utils libarchive13 libcap2 \
                    libseccomp2 libsqlite3-0 libssl3 libyajl2 python3 python3-pytest python3-pytest-timeout sqlite3
SYSTEMD_TESTS    ?= tests/systemd
$(VM)/systemd.ext4: tests/vm/build-systemd.sh tests/vm/image.sh tests/vm/vm.mk $(VM)/kernel.stamp
	@tests/vm/build-systemd.sh $@ $(VM)/kernel $(VM_SUITE) $(SYSTEMD_PACKAGES)

check-systemd: override export VM_COMMAND := $(value VM_COMMAND)
.PHONY: check-systemd
check-systemd: $(VM)/systemd.ext4 $(VM)/initramfs.gz debs
	@cd tests/integ && $(INTEG_ENV) /usr/bin/python3 -c 'import pictures; pictures.probe_archive()'
	@rm -rf $(VM)/more && mkdir -p $(VM)/more
	@$(MAKE) --no-print-directory -s install DESTDIR=$(abspath $(VM)/more/installed) PREFIX=/usr/local
	@mkdir $(VM)/more/debs && cp $(DEB_NOW) $(DEB_BEFORE) $(VM)/more/debs
	@OUT=$(OUT) EBB_CACHE=$(EBB_CACHE) VM_ACCEL=$(VM_ACCEL) VM_MEMORY=$(VM_MEMORY) VM_CPUS=$(VM_CPUS) \
		VM_TIMEOUT=$(VM_TIMEOUT) VM_STAGES=integ VM_INTEG='$(SYSTEMD_TESTS)' VM_ROOT=systemd.ext4 \
		VM_INIT=/lib/systemd/systemd VM_ARCHIVES='probe.*' VM_MORE=$(VM)/more tests/vm/run.sh $(VM)
