# SPDX-License-Identifier: Apache-2.0
# Projects of frameworks from npm, built by their own builders (root). Some: make check-frameworks FRAMEWORKS=next16
.PHONY: check-frameworks
check-frameworks: FRAMEWORKS ?=
check-frameworks: $(BINARIES)
	@tests/deps build run images check
	$(INTEG_ENV) /usr/bin/python3 -m pytest -p no:cacheprovider -ra tests/frameworks $(if $(FRAMEWORKS),-k "$(FRAMEWORKS)")
