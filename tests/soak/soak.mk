# SPDX-License-Identifier: Apache-2.0
# Long runs (root): make soak; one of them: make soak SOAK=tests/soak/test_soak_freeze.py; everything at once for an
# hour: make soak T=1h (build/soak gets the samples and a plot)
SOAK ?= $(if $(T),tests/soak/test_soak_mix.py,tests/soak)

.PHONY: soak
soak: $(BINARIES) ## thousands of freezes, thaws and pauses, minutes; T=1h: everything at once (root)
	T=$(T) $(INTEG_ENV) /usr/bin/python3 -m pytest -p no:cacheprovider -s -ra $(SOAK)
