# SPDX-License-Identifier: Apache-2.0
# `make docs`: the documents that are made from the program's own tables. See README.md.
FACTS := $(OUT)/tests/facts
$(FACTS): $(patsubst %,$(OUT)/obj/%.o,tests/docs/facts $(addprefix runtime/supervisor/host/,config config_file listeners network pool)) $(call lib,$(LIBS))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_$(MODE)) $(filter %.o,$^) -Wl,--start-group $(call lib,$(LIBS)) -Wl,--end-group -lyajl -o $@
tests: $(FACTS)

.PHONY: docs docs-check
docs: $(FACTS) $(OUT)/ebb
	@/usr/bin/python3 -B tests/docs/generate.py $(OUT)
docs-check: $(FACTS) $(OUT)/ebb
	@/usr/bin/python3 -B tests/docs/generate.py --check $(OUT)
