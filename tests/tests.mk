# SPDX-License-Identifier: Apache-2.0
# Unit tests: tests/unit/test_<module>.c (cmocka), linked with every library of ebb. OBJECTS_test_<module> lists the
# objects of a program that a test needs: OBJECTS_test_policy := runtime/supervisor/decide/policy
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(UNIT_SOURCES))
UNIT_LIBS    := -lcmocka -lseccomp -lcap -lcrypto -lyajl -luring
-include $(wildcard tests/unit/*.mk)

# As prerequisites, not by another make: two tests that share an object would write it at once.
test_objects = $(patsubst %,$(OUT)/obj/%.o,$(OBJECTS_$(1)))
.SECONDEXPANSION:
$(UNIT_TESTS): $(OUT)/tests/%: $(OUT)/obj/tests/unit/%.o $$(call test_objects,$$*) $(call lib,$(LIBS))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_$(MODE)) $< $(call test_objects,$*) \
		-Wl,--start-group $(call lib,$(LIBS)) -Wl,--end-group $(UNIT_LIBS) $(LIBS_$*) -o $@

-include tests/sim/sim.mk tests/integ/integ.mk tests/demo/demo.mk tests/bench/bench.mk tests/soak/soak.mk tests/programs/programs.mk tests/frameworks/frameworks.mk tests/workflows/workflows.mk tests/examples/examples.mk tests/cov/cov.mk
