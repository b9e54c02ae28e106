# SPDX-License-Identifier: Apache-2.0
# Which code of the filtered programs the tests run under the filter: a build of its own, in which each
# basic block marks its place (cover.c). FILTER_TESTS chooses.
ifeq ($(MODE),cov)
$(BINARIES) $(INJECTED_PROGRAMS): $(OUT)/cover.o
endif
$(OUT)/cover.o: tests/cov/cover.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(STD) $(WARN) -O2 -fPIE -c $< -o $@

FILTER_TESTS ?= $(foreach n,10 15 20 21_image 22 40 45 46 47 48 60 62 63 64 65 70 71 72 73 74 75 76 77 80 gateway_h \
                 gateway_instances gateway_websocket,$(wildcard tests/integ/test_$(n)*.py))
# test_injected_errors tries all errors, not some of each kind: FILTER_ERRORS=some for a short run.
FILTER_ERRORS ?= all
ATTACKERS := gateway_stub hijacked_gateway hijacked_ipc hijacked_unpack
.PHONY: check-filters
check-filters: ## what each program runs under its filter in the tests, of all it has (root)
	$(Q)$(MAKE) --no-print-directory MODE=cov all injected
	$(Q)$(MAKE) --no-print-directory MODE=release $(patsubst %,$(BUILD)/release/tests/%,$(ATTACKERS))
	$(Q)ln -sfn ../release/tests $(BUILD)/cov/tests
	$(Q)EBB_BIN=$(abspath $(BUILD)/cov) EBB_CACHE=$(abspath $(BUILD)/cache) EBB_SLOW=2 EBB_ERRORS=$(FILTER_ERRORS) tests/cov/collect.py \
		$(BUILD)/cov/marks -- /usr/bin/python3 -B -m pytest -p no:cacheprovider -q --tb=short $(FILTER_TESTS); \
		status=$$?; tests/cov/report.py $(BUILD)/cov $(BUILD)/cov/marks && exit $$status
