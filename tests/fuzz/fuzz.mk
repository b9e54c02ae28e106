# SPDX-License-Identifier: Apache-2.0
# Fuzz targets (libFuzzer, with ASan and UBSan): fuzz_<name>.c, with its seeds in corpus/<name>. `make check`
# replays the seeds; `make fuzz` runs each target for FUZZ_SECONDS. OBJECTS_fuzz_<name> lists the objects that a
# target needs beside the libraries. `make MODE=fuzz CC=clang fuzzers` builds all targets.
FUZZ_NAMES   := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_TARGETS := $(patsubst %,$(OUT)/fuzz_%,$(FUZZ_NAMES))
FUZZ         ?= $(FUZZ_NAMES)
FUZZ_SECONDS ?= 60
OBJECTS_fuzz_request_head  := $(addprefix runtime/gateway/message/,serialize forwarded writer)
OBJECTS_fuzz_response_head := $(addprefix runtime/gateway/message/,serialize forwarded writer)
OBJECTS_fuzz_ebb_json := $(basename $(wildcard runtime/cli/spec*.c)) \
	$(addprefix runtime/cli/,site keys framework report text_out) \
	$(filter-out runtime/api/main,$(basename $(wildcard runtime/api/*.c)))
OBJECTS_fuzz_session := $(filter-out runtime/gateway/main,$(basename $(wildcard $(addsuffix /*.c,$(SRC_ebb-gateway))))) \
	tests/fuzz/whole_gateway
LIBS_fuzz_session := -lnghttp2
OBJECTS_fuzz_upstream := $(OBJECTS_fuzz_session)
LIBS_fuzz_upstream := -lnghttp2
OBJECTS_fuzz_dns  := $(addprefix runtime/dns/,packet pointers policy)
LIBS_fuzz_dns := -lldns
OBJECTS_fuzz_oci  := $(addprefix images/unpack/,oci docker blob config platform)
OBJECTS_fuzz_ipc  := $(addprefix runtime/ipc/,message lines)
OBJECTS_fuzz_queue_words := runtime/flow/queue_words
OBJECTS_fuzz_workflow_words := runtime/flow/workflow_words
OBJECTS_fuzz_static := $(addprefix images/runtimes/static/,path range accept date)
OBJECTS_fuzz_wire := $(addprefix runtime/gateway/route/,route instances) \
	$(addprefix runtime/ledger/,rules entry) runtime/supervisor/service/check tests/fuzz/wire_root

$(FUZZ_TARGETS): $(OUT)/fuzz_%: $(OUT)/obj/tests/fuzz/fuzz_%.o \
		$$(call test_objects,fuzz_$$*) $(call lib,$(LIBS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(LINK_$(MODE)) -fsanitize=fuzzer $(filter %.o,$^) -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(UNIT_LIBS) $(LIBS_fuzz_$*) -o $@

# Seeds that are structures of C are written by a program: seed_<name>.c.
FUZZ_SEEDERS := $(patsubst tests/fuzz/%.c,$(OUT)/%,$(wildcard tests/fuzz/seed_*.c))
$(FUZZ_SEEDERS): $(OUT)/seed_%: $(OUT)/obj/tests/fuzz/seed_%.o $(call lib,$(LIBS))
	$(Q)$(CC) $(LINK_$(MODE)) $(filter %.o,$^) -o $@

.PHONY: fuzzers fuzz
ifeq ($(MODE),fuzz)
fuzzers: $(FUZZ_TARGETS) $(FUZZ_SEEDERS)
else
fuzzers:
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang fuzzers
endif
fuzz: fuzzers ## fuzz every parser; FUZZ="request_head oci" FUZZ_SECONDS=60 FUZZ_JOBS=2
	@BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ)
