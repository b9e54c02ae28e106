# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_gateway_route := runtime/gateway/route/route
OBJECTS_test_gateway_choice := $(addprefix runtime/gateway/route/,choice instances route)
OBJECTS_test_gateway_serialize := $(addprefix runtime/gateway/message/,serialize forwarded writer)
OBJECTS_test_gateway_errors := runtime/gateway/exchange/errors
OBJECTS_test_gateway_addresses := runtime/gateway/client/addresses
OBJECTS_test_gateway_h2_memory := runtime/gateway/frames/h2_memory
OBJECTS_test_gateway_starved := $(addprefix runtime/gateway/ring/,starved stream buffers ring)
OBJECTS_test_gateway_timers := $(addprefix runtime/gateway/ring/,timers ring)

# Plays ebbd for one gateway; used by tests/integ/test_gateway_*.py and tests/bench/gateway_cpu.py.
$(OUT)/tests/gateway_stub: $(OUT)/obj/tests/integ/gateway_stub.o $(call lib,netns wire base)
	@mkdir -p $(@D)
	$(CC) $(LINK_$(MODE)) $< -Wl,--start-group $(call lib,netns wire base) -Wl,--end-group -luring -o $@

.PHONY: tests check-integ
tests: $(OUT)/tests/gateway_stub
check-integ: $(OUT)/tests/gateway_stub

# The floors of the gateway up to exchange/, and none above: rooms above are no part of them.
GATEWAY_FLOORS := $(addprefix runtime/gateway/,ring message route tell frames upstream body exchange)
GATEWAY_FLOOR_OBJECTS := $(basename $(wildcard $(addsuffix /*.c,$(GATEWAY_FLOORS)))) tests/unit/gateway_rig
$(foreach t,dispatch relay upstream,$(eval OBJECTS_test_gateway_$(t) := $(GATEWAY_FLOOR_OBJECTS)))
$(foreach t,dispatch relay upstream client,$(eval LIBS_test_gateway_$(t) := -lnghttp2))
OBJECTS_test_gateway_client := $(GATEWAY_FLOOR_OBJECTS) $(basename $(wildcard runtime/gateway/client/*.c))

# Rules of sites on requests, without a gateway (tests/conformance/test_rules.py).
$(OUT)/tests/rules_run: $(OUT)/obj/tests/conformance/rules_run.o $(call lib,rules base)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_$(MODE)) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lyajl -o $@
tests: $(OUT)/tests/rules_run
