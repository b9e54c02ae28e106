# SPDX-License-Identifier: Apache-2.0
# npm's workflow on ebb, with packages of npm (root). Some: make check-workflows WORKFLOWS=hooks
.PHONY: check-workflows
check-workflows: WORKFLOWS ?=
check-workflows: $(BINARIES)
	@tests/deps build run images check
	$(INTEG_ENV) /usr/bin/python3 -m pytest -p no:cacheprovider -ra tests/workflows $(if $(WORKFLOWS),-k "$(WORKFLOWS)")
