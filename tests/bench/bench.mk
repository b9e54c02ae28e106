# SPDX-License-Identifier: Apache-2.0
# `make bench`: BENCH='--quick cold' runs one, fast.
BENCH ?=
.PHONY: bench
bench:
	@tests/deps build run images check bench
	@$(MAKE) --no-print-directory -s all $(OUT)/tests/gateway_stub
	$(INTEG_ENV) /usr/bin/python3 tests/bench/bench.py $(BENCH)
