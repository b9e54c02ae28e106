# SPDX-License-Identifier: Apache-2.0
# Long runs (root): make soak; one of them: make soak SOAK=tests/soak/test_soak_freeze.py
SOAK ?= tests/soak

.PHONY: soak
soak: $(BINARIES) ## thousands of freezes, thaws and pauses, minutes (root)
	$(INTEG_ENV) /usr/bin/python3 -m pytest -p no:cacheprovider -s -ra $(SOAK)
