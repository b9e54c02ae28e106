# SPDX-License-Identifier: Apache-2.0
# The integration tests (root). One family: make check-integ INTEG=tests/integ/test_fluid.py
INTEG     ?= tests/integ
EBB_CACHE ?= $(abspath $(BUILD)/cache)
INTEG_ENV  = EBB_BIN=$(abspath $(OUT)) EBB_CACHE=$(EBB_CACHE) PYTHONDONTWRITEBYTECODE=1

.PHONY: check-integ prebuild
check-integ: $(BINARIES)
	$(INTEG_ENV) /usr/bin/python3 -m pytest -p no:cacheprovider -ra $(INTEG)

# All image archives the tests use, in EBB_CACHE.
prebuild: $(BINARIES)
	$(INTEG_ENV) tests/integ/prebuild.sh

# An attacker's program in the place of ebb-gateway (test_hostile_gateway.py). It is static, because there is no
# loader in a gateway's empty root.
$(OUT)/tests/hijacked_gateway: $(OUT)/obj/tests/integ/hijacked_gateway.o $(call lib,wire base)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_static_$(MODE)) $< -Wl,--start-group $(call lib,wire base) -Wl,--end-group \
		-luring -lseccomp -o $@
tests check-integ: $(OUT)/tests/hijacked_gateway

# An attacker's program in the place of ebb-ipc (test_hostile_program_logs.py).
$(OUT)/tests/hijacked_ipc: $(OUT)/obj/tests/integ/hijacked_ipc.o $(call lib,wire base)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(call link_mode,ebb-ipc) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lseccomp -o $@
tests check-integ: $(OUT)/tests/hijacked_ipc

# The real ebb-unpack, of which some functions are the attacker's (test_images_hijacked_unpacker.py).
HIJACKED_WRAPS := oci_read write_entry confine_self
$(OUT)/tests/hijacked_unpack: $(OUT)/obj/tests/integ/hijacked_unpack.o $(call objects,$(SRC_ebb-unpack)) \
		$(call lib,$(LINK_ebb-unpack))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(call link_mode,ebb-unpack) $(patsubst %,-Xlinker --wrap=%,$(HIJACKED_WRAPS)) $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(EXT_ebb-unpack) -o $@
tests check-integ: $(OUT)/tests/hijacked_unpack

# Each of the real programs, with attempts of an attacker where it loads its filter (test_hostile_filters.py).
HIJACKED := ebb-gateway ebb-api ebb-ledger ebb-flow ebb-ipc ebb-net ebb-dns ebb-tick ebb-unpack
HIJACKED_PROGRAMS := $(patsubst %,$(OUT)/tests/hijacked/%,$(HIJACKED))
define hijacked
$(OUT)/tests/hijacked/$(1): $(OUT)/obj/tests/integ/hijacked_calls.o $$(call objects,$$(SRC_$(1))) $$(call lib,$$(LINK_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(call link_mode,$(1)) -Wl,--wrap=filter_apply $$(filter %.o,$$^) \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(EXT_$(1)) -o $$@
endef
$(foreach p,$(HIJACKED),$(eval $(call hijacked,$(p))))
tests check-integ: $(HIJACKED_PROGRAMS)

# Every filtered program, linked with errors of its system calls, malloc and ring (test_injected_errors.py).
INJECTED     := ebb-gateway ebb-api ebb-ledger ebb-flow ebb-ipc ebb-net ebb-dns ebb-tick ebb-unpack
INJECT_WRAPS := malloc calloc realloc
INJECT_WRAPS_ebb-gateway := io_uring_submit io_uring_submit_and_wait
define injected
$(OUT)/obj/injected-$(1).o: tests/integ/injected.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(STD) $(WARN) -O2 -fPIE $$(if $$(INJECT_WRAPS_$(1)),-DINJECTED_RING) -c $$< -o $$@
$(OUT)/injected/$(1): $(OUT)/obj/injected-$(1).o $$(call objects,$$(SRC_$(1))) $$(call lib,$$(LINK_$(1)))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(call link_mode,$(1)) $$(patsubst %,-Wl$$(comma)--wrap=%,$$(INJECT_WRAPS) $$(INJECT_WRAPS_$(1))) \
		$$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(EXT_$(1)) -o $$@
endef
comma := ,
$(foreach p,$(INJECTED),$(eval $(call injected,$(p))))
# ebbd, linked with errors of its own calls (test_injected_ebbd.py).
EBBD_WRAPS := $(shell grep -oE 'X\([a-z_0-9]+\)' tests/integ/injected_ebbd.h | tr -d 'X()')
$(OUT)/injected/ebbd: $(OUT)/obj/tests/integ/injected_ebbd.o $(call objects,$(SRC_ebbd)) $(call lib,$(LINK_ebbd))
	@mkdir -p $(@D)
	$(Q)$(CC) $(call link_mode,ebbd) $(patsubst %,-Wl$(comma)--wrap=%,$(EBBD_WRAPS)) \
		$(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(EXT_ebbd) -o $@
INJECTED_PROGRAMS := $(patsubst %,$(OUT)/injected/%,$(INJECTED) ebbd)
.PHONY: injected-programs injected
injected-programs: $(INJECTED_PROGRAMS)
injected: $(BINARIES) $(INJECTED_PROGRAMS) ## every error that each call of each program can have, one by one (root; an hour)
	$(INTEG_ENV) EBB_ERRORS=all /usr/bin/python3 -m pytest -p no:cacheprovider -ra $(sort $(wildcard tests/integ/test_injected_*.py))
tests check-integ: $(INJECTED_PROGRAMS)

# Every kind of death N times under load, about 25 s for each N (test_deaths.py); KINDS: only these.
N ?= 200
.PHONY: deaths
deaths: $(BINARIES) prebuild ## each program of ebb is killed N=200 times under load (root; an hour)
	$(INTEG_ENV) EBB_DEATHS=$(N) EBB_DEATHS_KINDS="$(KINDS)" /usr/bin/python3 -m pytest -p no:cacheprovider -s -ra tests/integ/test_deaths.py

# N rounds of kills of ebb-flow, a gateway, the instance and ebbd beside 50 N messages, 5 N sleeping runs and schedules
# (test_flow_deaths.py); SECONDS of kills at most.
.PHONY: deaths-flow
deaths-flow: $(BINARIES) prebuild ## N=200 rounds of kills beside messages, sleeping runs and schedules (root; half an hour)
	$(INTEG_ENV) EBB_FLOW_ROUNDS=$(N) EBB_FLOW_SECONDS=$(or $(SECONDS),3000) /usr/bin/python3 -m pytest -p no:cacheprovider -s -ra \
		tests/integ/test_flow_deaths.py

# Functions that wait on databases and models, at length.
.PHONY: check-network
check-network: $(BINARIES) ## chats of 20 s, 10,000 freezes of connection pools, 1,000 messages to each driver (root; an hour)
	CHAT_SECONDS=20 POOL_CYCLES=10000 POOL_IDLE_S=150 POOL_KEEP_ALIVE_S=60 MESSAGES=1000 $(INTEG_ENV) /usr/bin/python3 -m pytest \
		-p no:cacheprovider -ra tests/integ/test_network_wakes.py tests/integ/test_network_databases.py

# Reads a state directory as ebb-api does (test_power_cuts.py).
$(OUT)/tests/read_state: $(OUT)/obj/tests/integ/read_state.o $(filter-out %/main.o,$(call objects,$(SRC_ebb-api))) \
		$(call lib,$(LINK_ebb-api))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_$(MODE)) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(EXT_ebb-api) -o $@
tests check-integ: $(OUT)/tests/read_state
.PHONY: deaths-ebbd
deaths-ebbd: $(BINARIES) $(INJECTED_PROGRAMS) ## N kills of ebbd under load, and one at STEPS calls of each step (root; N=200 STEPS=60; STEPS=all: an hour)
	$(INTEG_ENV) EBB_KILLS=$(N) EBB_STEPS=$(or $(STEPS),60) /usr/bin/python3 -m pytest -p no:cacheprovider -ra $(sort $(wildcard tests/integ/test_adoption*.py))
