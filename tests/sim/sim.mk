# SPDX-License-Identifier: Apache-2.0
# `make sim`: the policy in simulated time. The object files are those of ebbd and ebb-gateway.
SIM_OBJECTS := $(addprefix tests/sim/,sim traces) $(addprefix runtime/supervisor/decide/,policy saturation) \
               $(addprefix runtime/gateway/route/,choice instances route)
OBJECTS_test_sim := $(SIM_OBJECTS)
LIBS_test_sim := -lm

$(OUT)/tests/sim: $(OUT)/obj/tests/sim/main.o $(patsubst %,$(OUT)/obj/%.o,$(SIM_OBJECTS)) $(call lib,http wire base)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_$(MODE)) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lm -o $@

.PHONY: sim
sim: $(OUT)/tests/sim
	$<
