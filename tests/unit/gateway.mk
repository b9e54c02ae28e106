# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_gateway_route := runtime/gateway/route/route
OBJECTS_test_gateway_choice := $(addprefix runtime/gateway/route/,choice instances route)
OBJECTS_test_gateway_serialize := $(addprefix runtime/gateway/message/,serialize forwarded)
OBJECTS_test_gateway_errors := runtime/gateway/exchange/errors
OBJECTS_test_gateway_addresses := runtime/gateway/client/addresses
OBJECTS_test_gateway_h2_memory := runtime/gateway/frames/h2_memory
OBJECTS_test_gateway_timers := $(addprefix runtime/gateway/ring/,timers loop)

# Plays ebbd for one gateway; used by tests/integ/test_gateway_*.py and tests/bench/gateway_cpu.py.
$(OUT)/tests/gateway_stub: $(OUT)/obj/tests/integ/gateway_stub.o $(call lib,netns wire base)
	@mkdir -p $(@D)
	$(CC) $(LINK_$(MODE)) $< -Wl,--start-group $(call lib,netns wire base) -Wl,--end-group -luring -o $@

.PHONY: tests check-integ
tests: $(OUT)/tests/gateway_stub
check-integ: $(OUT)/tests/gateway_stub
