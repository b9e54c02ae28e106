# SPDX-License-Identifier: Apache-2.0
# Programs of Debian and npm, unmodified (root). Some: make check-programs APPS=Python,nginx
.PHONY: check-programs compatibility
check-programs: APPS ?= all
check-programs: $(BINARIES)
	@tests/deps build images check programs
	@APPS="$(APPS)" BUILD=$(BUILD) tests/run programs

# Runs all programs and writes docs/guide/compatibility.md, also if something failed. MEANWHILE says, for the page,
# which other work the machine did during the run.
compatibility: $(BINARIES)
	@tests/deps build images check programs
	-@APPS=all BUILD=$(BUILD) tests/run programs
	@mkdir -p docs/guide
	tests/programs/table.py $(BUILD)/programs "$(MEANWHILE)" >docs/guide/compatibility.md
