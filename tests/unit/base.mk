# SPDX-License-Identifier: Apache-2.0
# Rare failures: memory.
LIBS_test_heap := -Wl,--wrap=realloc
