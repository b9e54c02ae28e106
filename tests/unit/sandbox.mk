# SPDX-License-Identifier: Apache-2.0
# The sandbox tests run the real ebb-init and a static guest; both lie beside the tests.
SANDBOX_TESTS := $(addprefix $(OUT)/tests/test_,sandbox sandbox_faults)
$(foreach t,test_sandbox test_sandbox_faults,$(eval OBJECTS_$(t) := tests/unit/sandbox_rig))
$(SANDBOX_TESTS): | $(OUT)/ebb-init $(OUT)/tests/sandbox_guest
$(OUT)/tests/sandbox_guest: tests/unit/sandbox_guest.c
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) -O2 -g -static $< -o $@
# .incbin is invisible to the compiler's dependency output.
$(OUT)/obj/sandbox/zygote.o: sandbox/policy/init.policy sandbox/policy/default.policy
$(OUT)/obj/tests/unit/test_filter.o: sandbox/policy/init.policy sandbox/policy/default.policy
