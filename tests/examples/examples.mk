# SPDX-License-Identifier: Apache-2.0
# Examples built from a Dockerfile, in languages without a runtime of ebb's (root). Some: make check-examples EXAMPLES=bun
.PHONY: check-examples
check-examples: EXAMPLES ?=
check-examples: $(BINARIES)
	@tests/deps build run images check
	$(INTEG_ENV) /usr/bin/python3 -m pytest -p no:cacheprovider -ra tests/examples $(if $(EXAMPLES),-k "$(EXAMPLES)")
