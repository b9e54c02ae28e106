# SPDX-License-Identifier: Apache-2.0
# The sandbox tests run the real ebb-init and a static guest.
SANDBOX_TESTS := $(addprefix $(OUT)/tests/test_,sandbox sandbox_ring sandbox_faults)
$(foreach t,test_sandbox test_sandbox_ring test_sandbox_faults,$(eval OBJECTS_$(t) := tests/unit/sandbox_rig))
$(SANDBOX_TESTS): | $(OUT)/ebb-init $(OUT)/tests/sandbox_guest
$(OUT)/tests/sandbox_guest: tests/unit/sandbox_guest.c tests/unit/ring_guest.c tests/unit/ring_guest.h
	@mkdir -p $(@D)
	$(CC) $(STD) $(WARN) -O2 -g -static $(filter %.c,$^) -o $@ -lpthread
# .incbin is invisible to the compiler's dependency output.
$(OUT)/obj/sandbox/zygote.o: sandbox/policy/init.policy
$(OUT)/obj/sandbox/policies.o: $(addprefix sandbox/policy/,default.policy ring.policy strict.policy zygote.policy)
$(OUT)/obj/tests/unit/test_filter.o: sandbox/policy/init.policy sandbox/policy/default.policy

.PHONY: traces
traces: ## record what real programs ask of the kernel (tests/traces); needs them all
	tests/traces/record.py
