# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_dns := $(addprefix runtime/dns/,packet pointers policy) runtime/net/openings
# (static: malloc of ldns fails, too)
LIBS_test_dns := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc -l:libldns.a -lcrypto
