# SPDX-License-Identifier: Apache-2.0
# `make bench`: BENCH='--quick cold' runs one, fast.
BENCH ?=
.PHONY: bench
bench:
	@tests/deps build run images check bench
	@$(MAKE) --no-print-directory -s all $(OUT)/tests/gateway_stub $(OUT)/tests/ledger_rows $(OUT)/tests/rules_run
	$(INTEG_ENV) /usr/bin/python3 tests/bench/bench.py $(BENCH)

# Rows for a ledger, by ebb-ledger's own functions and by SQLite alone (bench_ledger.py).
$(OUT)/tests/ledger_rows: $(OUT)/obj/tests/bench/ledger_rows.o $(filter-out %/main.o %/loop.o,$(call objects,$(SRC_ebb-ledger))) \
		$(call lib,$(LINK_ebb-ledger))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_$(MODE)) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(EXT_ebb-ledger) -o $@
