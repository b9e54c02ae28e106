# SPDX-License-Identifier: Apache-2.0
# ebb's build. `make help` lists what there is.
VERSION  := 0.1.0
PREFIX   ?= /usr/local
DESTDIR  ?=
BUILD    ?= build
MODE     ?= release
ifeq ($(origin CC),default)
CC       := gcc
endif
AR       ?= ar

# gcc is the default; make CC=clang works too.
WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wpointer-arith -Wformat=2 -Wundef -Wno-unused-parameter -Wno-missing-field-initializers
# V=1 shows the whole commands.
Q        := $(if $(V),,@)
say       = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

STD      := -std=gnu11 -D_GNU_SOURCE -I. -DEBB_VERSION='"$(VERSION)"'
FLAGS_release := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
FLAGS_debug   := -O0 -g3 -fPIE
FLAGS_asan    := -O1 -g3 -fPIE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
FLAGS_fuzz    := -O1 -g -fPIE -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
# (tests/cov: every block marks that it ran)
FLAGS_cov     := -O1 -g -fPIE -ffunction-sections -DEBB_COVERAGE -fsanitize-coverage=trace-pc
LINK_release  := -pie -Wl,-z,relro,-z,now
LINK_debug    := -pie
LINK_asan     := -pie -fsanitize=address,undefined
LINK_cov      := -pie -Wl,--gc-sections
LINK_fuzz     := -pie -fsanitize=address,undefined
OUT      := $(BUILD)/$(MODE)
CFLAGS   ?=
ALL_CFLAGS = $(STD) $(WARN) $(FLAGS_$(MODE)) $(CFLAGS)
PKG      = pkg-config

# --- libraries: a folder each ------------------------------------------------------------------
LIBS := base wire settings http rules cron sql sandbox netns cgroups images
DIR_base := runtime/base
DIR_wire := runtime/wire
DIR_settings := runtime/settings
DIR_http := runtime/http
DIR_rules := runtime/rules
DIR_cron := runtime/cron
DIR_sql := runtime/sql
DIR_sandbox := sandbox
DIR_netns := netns
DIR_cgroups := cgroups
DIR_images := images
lib = $(patsubst %,$(OUT)/lib/%.a,$(1))
objects = $(patsubst %.c,$(OUT)/obj/%.o,$(wildcard $(addsuffix /*.c,$(1))))

# Programs that ebbd starts in an empty root have no loader there: static, but for sanitizer builds.
STATIC := ebb-gateway ebb-api ebb-ledger ebb-flow ebb-ipc ebb-net ebb-dns ebb-tick
YAJL   := $(if $(filter asan,$(MODE)),-lyajl,-lyajl_s)
# (The linker's warnings are about loading modules and looking up hosts, which these never do.)
LINK_static_release := -static-pie -Wl,-z,relro,-z,now,--no-warnings
LINK_static_debug   := -static-pie
LINK_static_asan    := $(LINK_asan)
LINK_static_cov     := -static-pie -Wl,--gc-sections,--no-warnings
link_mode = $(if $(filter $(1),$(STATIC)),$(LINK_static_$(MODE)),$(LINK_$(MODE)))

# --- programs: the libraries that each may link are its privilege map --------------------------------
PROGRAMS := ebbd ebb-gateway ebb-api ebb-ledger ebb-flow ebb-ipc ebb-net ebb-dns ebb-tick ebb-unpack ebb-step ebb-init ebb
SRC_ebbd        := runtime/supervisor $(addprefix runtime/supervisor/,host programs service look decide \
                   instance freeze scale peers)
LINK_ebbd       := sandbox netns cgroups images settings wire base
EXT_ebbd        := -lseccomp -lcap
SRC_ebb-gateway := runtime/gateway $(patsubst %/,%,$(wildcard runtime/gateway/*/))
LINK_ebb-gateway := rules http wire base
EXT_ebb-gateway := -luring -lseccomp -lnghttp2
SRC_ebb-api     := runtime/api
LINK_ebb-api    := cron rules http settings netns wire base
EXT_ebb-api     := $(YAJL) -lcrypto -lseccomp
SRC_ebb-ledger  := runtime/ledger
LINK_ebb-ledger := sql wire base
EXT_ebb-ledger  := -lsqlite3 -lcrypto -lseccomp -lm
SRC_ebb-flow    := runtime/flow
LINK_ebb-flow   := cron sql http wire base
EXT_ebb-flow    := $(YAJL) -lsqlite3 -lseccomp -lm
SRC_ebb-ipc     := runtime/ipc
LINK_ebb-ipc    := wire base
EXT_ebb-ipc     := $(YAJL) -lseccomp
SRC_ebb-net     := runtime/net
LINK_ebb-net    := netns wire base
EXT_ebb-net     := -lseccomp
SRC_ebb-dns     := runtime/dns
LINK_ebb-dns    := netns wire base
EXT_ebb-dns     := -lldns -lcrypto -lseccomp
SRC_ebb-tick    := runtime/tick
LINK_ebb-tick   := wire base
EXT_ebb-tick    := -lseccomp
SRC_ebb-unpack  := images/unpack
LINK_ebb-unpack := wire base
EXT_ebb-unpack  := -larchive -lcrypto -lyajl -lseccomp
SRC_ebb-step    := images/step
LINK_ebb-step   := cgroups base
EXT_ebb-step    := -lseccomp
SRC_ebb         := runtime/cli
LINK_ebb        := rules http settings netns wire base
EXT_ebb         := -lyajl

BINARIES := $(patsubst %,$(OUT)/%,$(PROGRAMS))

.PHONY: all
all: $(BINARIES)

$(OUT)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(CFLAGS_$(firstword $(subst /, ,$*))) -MMD -MP -c $< -o $@

define library
$(OUT)/lib/$(1).a: $$(call objects,$$(DIR_$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach l,$(LIBS),$(eval $(call library,$(l))))

# llhttp's generated C comes from Debian's node-llhttp (or a pkg-config libllhttp); never vendored.
LLHTTP_DIR := /usr/share/llhttp
LLHTTP_INC := /usr/share/include/llhttp
$(OUT)/lib/http.a: $(patsubst %,$(OUT)/obj/llhttp/%.o,llhttp api http)
$(OUT)/obj/llhttp/%.o: $(LLHTTP_DIR)/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 $(FLAGS_$(MODE)) -DLLHTTP_STRICT_MODE=1 -I$(LLHTTP_INC) -c $< -o $@
$(OUT)/obj/runtime/http/%.o: STD += -DLLHTTP_STRICT_MODE=1 -isystem $(LLHTTP_INC)

define program
$(OUT)/$(1): $$(call objects,$$(SRC_$(1))) $$(call lib,$$(LINK_$(1)))
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(call link_mode,$(1)) $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(EXT_$(1)) -o $$@
endef
$(foreach p,$(filter-out ebb-init,$(PROGRAMS)),$(eval $(call program,$(p))))

# PID 1 of every instance: static, no libc, always built the same way.
$(OUT)/ebb-init: $(wildcard sandbox/init/*.c sandbox/init/*.h)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(STD) $(WARN) -O2 -g -ffreestanding -fno-stack-protector -fno-pie -static -nostdlib \
		-fno-asynchronous-unwind-tables $(filter %.c,$^) -o $@

# The kernel's names of its calls, for what a filter refused.
$(OUT)/gen/call_names.c: Makefile
	@mkdir -p $(@D)
	$(Q){ echo 'const char *const filter_call_names[] = {'; \
		echo '#include <asm/unistd.h>' | $(CC) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/[\2] = "\1",/p' | sort; \
		echo '}; const unsigned long filter_call_count = sizeof(filter_call_names) / sizeof(char *);'; } > $@
$(OUT)/obj/call_names.o: $(OUT)/gen/call_names.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(FLAGS_$(MODE)) -c $< -o $@
$(OUT)/lib/base.a: $(OUT)/obj/call_names.o

-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)
# Embedded files (FILTER_EMBED) are no includes to the compiler: x.o:x.policy for each.
EMBEDS := $(shell grep -rEo 'FILTER_EMBED.[a-z_]+, "[^"]+"' --include='*.c' runtime sandbox images tests | \
            sed -E 's/[.]c:.*"([^"]+)"$$/.o:\1/')
$(foreach e,$(EMBEDS),$(eval $(OUT)/obj/$(subst :,: ,$(e))))

# --- the rest: `## text` behind a target is what `make help` shows -----------------------------------
-include tests/tests.mk
-include tests/docs/docs.mk
-include tests/deb/deb.mk
-include tests/vm/vm.mk
-include tests/fuzz/fuzz.mk

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables: MODE=release|debug|asan  CC=gcc|clang  V=1  BUILD=build  PREFIX=/usr/local  DESTDIR='

all: ## every program (the default)
demo: ## see it work, on 127.0.0.1:8080 (root)
bench: ## side by side with its peers (root)
sim: ## the scaling policy in simulated time: instances, latency, bill per trace
docs: ## the documents that are made from the program's tables: docs/reference, schema, parts of man pages
check-integ: ## the integration tests only (root); INTEG=tests/integ/test_fluid.py for one family
check-programs: ## programs of Debian and npm, unmodified (root); APPS=Python,nginx for some
check-frameworks: ## projects of Next.js and the like, built from npm, served (root)
check-workflows: ## npm's Workflow SDK, and kills while its runs go on (root)
check-examples: ## examples of other languages, built from their Dockerfiles, served (root)
compatibility: ## check-programs, and docs/guide/compatibility.md from it (root)
check-network: ## what functions wait on, at length: chats of 20 s, 10,000 freezes of connection pools (root)
check-vm: ## the tests in a QEMU guest with Debian's kernel and pure cgroup v2
check-vm-quick: ## those of them that make check runs
check-deb: ## the Debian package: lintian, install, upgrade under load, remove, purge (root)
check-systemd: ## installed and run under systemd, in a guest that boots it (root)

.PHONY: site
site: ## docs/ as web pages, in $(BUILD)/site
	@tests/deps site
	@docs/site/make.py $(BUILD)/site

FOR ?= build run images
.PHONY: deps
deps: ## install what is missing of packages.txt; FOR="build run images check vm bench"
	@tests/deps $(FOR)

.PHONY: tests lint format measures check-unit check
tests: $(UNIT_TESTS)
# Checks that look at objects or run a program need them built.
LINT_BUILT := links circles dead-code
NATIVE := $(call objects,images/runtimes/native images/runtimes/static)
lint: $(if $(or $(if $(MEASURE),,all),$(filter $(LINT_BUILT),$(MEASURE))),$(BINARIES) $(NATIVE))
lint: ## measure the style: layers, lengths, warnings, static analysis; MEASURE="layers clang-tidy"
	@LINT_OUT=$(OUT) LINT_CFLAGS="$(subst ",\",$(STD) $(WARN))" /usr/bin/python3 tests/lint/lint.py $(MEASURE)
measures: all $(NATIVE) ## sizes, circles, asserts per folder: docs/internals/measures.md
	@LINT_OUT=$(OUT) tests/lint/measures.py
format: ## clang-format over every C file
	@find cgroups examples images netns runtime sandbox tests -name '*.[ch]' -exec clang-format -i {} +
check-unit: ## unit tests; what needs root is skipped without it
	@BUILD=$(BUILD) tests/run unit
STAGES ?= build prebuild lint unit asan fuzz conformance integ vm programs timing
check: ## everything (root); ends with `N passed, N failed`; STAGES="lint unit", NO_SKIP=1
	@tests/deps build run images check vm
	@BUILD=$(BUILD) tests/run $(STAGES)

# ebbd finds the other programs beside itself, so they live together; sbin has a link.
LIBEXEC = $(PREFIX)/libexec/ebb
.PHONY: install deb
install: all ## DESTDIR= PREFIX=/usr/local
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin sbin libexec/ebb share/doc/ebb)
	install -m 755 $(filter-out $(OUT)/ebb,$(BINARIES)) $(DESTDIR)$(LIBEXEC)
	install -m 755 $(OUT)/ebb $(DESTDIR)$(PREFIX)/bin
	ln -sfn ../libexec/ebb/ebbd $(DESTDIR)$(PREFIX)/sbin/ebbd
	packaging/install "$(DESTDIR)" "$(PREFIX)"
deb: all ## a Debian package in $(BUILD)
	packaging/deb $(VERSION) $(BUILD) $(MODE)

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD)
