# SPDX-License-Identifier: Apache-2.0
# What fails seldom: memory.
LIBS_test_heap := -Wl,--wrap=realloc
