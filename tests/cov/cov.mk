# SPDX-License-Identifier: Apache-2.0
# `make check-filters`: which code of the filtered programs the tests run under the filter. MODE=cov is a build of
# its own, in which each basic block marks its place (cover.c). FILTER_TESTS chooses the files of tests.
ifeq ($(MODE),cov)
$(BINARIES) $(INJECTED_PROGRAMS): $(OUT)/cover.o
endif
$(OUT)/cover.o: tests/cov/cover.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(STD) $(WARN) -O2 -fPIE -c $< -o $@

# All families but those that judge times, and builds, which no filtered program takes part in.
FILTER_TESTS ?= $(filter-out $(addprefix tests/integ/test_,builds% guide% fluid_cycles% sandbox_% runtimes_node% \
                 runtimes_python% runtimes_baked%),$(wildcard tests/integ/test_*.py))
# test_injected_errors tries all errors, not some of each kind: FILTER_ERRORS=some for a short run.
FILTER_ERRORS ?= all
ATTACKERS := gateway_stub hijacked_gateway hijacked_ipc hijacked_unpack $(addprefix hijacked/,$(HIJACKED))
.PHONY: check-filters
check-filters: ## what each program runs under its filter in the tests, of all it has (root)
	$(Q)$(MAKE) --no-print-directory MODE=cov all injected-programs
	$(Q)$(MAKE) --no-print-directory MODE=release $(patsubst %,$(BUILD)/release/tests/%,$(ATTACKERS))
	$(Q)ln -sfn ../release/tests $(BUILD)/cov/tests
	$(Q)EBB_BIN=$(abspath $(BUILD)/cov) EBB_CACHE=$(abspath $(BUILD)/cache) EBB_SLOW=2 EBB_ERRORS=$(FILTER_ERRORS) tests/cov/collect.py \
		$(BUILD)/cov $(BUILD)/cov/marks -- /usr/bin/python3 -B -m pytest -p no:cacheprovider -q --tb=short $(FILTER_TESTS); \
		status=$$?; tests/cov/report.py $(BUILD)/cov $(BUILD)/cov/marks docs/internals/system-calls.md && exit $$status
