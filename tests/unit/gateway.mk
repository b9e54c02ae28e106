# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_gateway_route := runtime/gateway/route
OBJECTS_test_gateway_choice := $(addprefix runtime/gateway/,choice instances route)
OBJECTS_test_gateway_serialize := runtime/gateway/serialize runtime/gateway/forwarded
OBJECTS_test_gateway_addresses := runtime/gateway/addresses
OBJECTS_test_gateway_h2_memory := runtime/gateway/h2_memory
OBJECTS_test_gateway_timers := runtime/gateway/timers runtime/gateway/loop

# Plays ebbd for one gateway; used by tests/integ/test_gateway_*.py and tests/bench/gateway_cpu.py.
$(OUT)/tests/gateway_stub: $(OUT)/obj/tests/integ/gateway_stub.o $(call lib,netns wire base)
	@mkdir -p $(@D)
	$(CC) $(LINK_$(MODE)) $< -Wl,--start-group $(call lib,netns wire base) -Wl,--end-group -luring -o $@

.PHONY: tests check-integ
tests: $(OUT)/tests/gateway_stub
check-integ: $(OUT)/tests/gateway_stub
