# SPDX-License-Identifier: Apache-2.0
# `make check-deb`: the Debian package, in a Debian of its own (root). See README.md.
DEB_EARLIER := $(VERSION)~before
DEB_ARCH     = $(shell dpkg --print-architecture)
DEB_NOW      = $(abspath $(BUILD))/ebb_$(VERSION)_$(DEB_ARCH).deb
DEB_BEFORE   = $(abspath $(BUILD))/before/ebb_$(DEB_EARLIER)_$(DEB_ARCH).deb
DEB_ROOT    := $(BUILD)/deb-root.tar
# Packages of the small Debian: with them ebb's own is installed without the network.
DEB_PACKAGES := erofs-utils iproute2 passwd python3 libarchive13 libcap2 libseccomp2 libssl3 libyajl2

$(DEB_ROOT): tests/deb/deb.mk
	@tests/deps images check
	@mkdir -p $(@D)
	mmdebstrap --quiet --mode=root --variant=minbase --include=$$(echo $(DEB_PACKAGES) | tr ' ' ,) \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --dpkgopt='path-exclude=/usr/share/locale/*' \
		bookworm $@

# The same source once more, as an earlier version.
.PHONY: debs check-deb
debs: deb
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/before VERSION=$(DEB_EARLIER) deb
check-deb: $(DEB_ROOT) debs
	@cd tests/integ && $(INTEG_ENV) /usr/bin/python3 -c 'import pictures; pictures.probe_archive()'
	$(INTEG_ENV) DEB_ROOT=$(abspath $(DEB_ROOT)) DEB_NOW=$(DEB_NOW) DEB_BEFORE=$(DEB_BEFORE) \
		/usr/bin/python3 -m pytest -p no:cacheprovider -ra -x tests/deb
