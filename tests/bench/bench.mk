# SPDX-License-Identifier: Apache-2.0
# `make bench`: BENCH='--quick cold' runs one, fast.
BENCH ?=
.PHONY: bench
bench: $(BINARIES)
	$(INTEG_ENV) /usr/bin/python3 tests/bench/bench.py $(BENCH)
