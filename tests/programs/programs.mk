# SPDX-License-Identifier: Apache-2.0
# Programs of Debian and npm, unmodified (root). Some: make check-programs APPS=Python,nginx
.PHONY: check-programs compatibility
check-programs: APPS ?= all
check-programs: $(BINARIES)
	@tests/deps build images check programs
	@APPS="$(APPS)" BUILD=$(BUILD) tests/run programs

# The page is of a whole run, also of one in which something was not right. MEANWHILE: the other work of the
# machine.
compatibility: $(BINARIES)
	@tests/deps build images check programs
	-@APPS=all BUILD=$(BUILD) tests/run programs
	@mkdir -p docs/guide
	tests/programs/table.py $(BUILD)/programs "$(MEANWHILE)" >docs/guide/compatibility.md
