# SPDX-License-Identifier: Apache-2.0
# The test makes realloc fail.
LIBS_test_heap := -Wl,--wrap=realloc
# The same of malloc.
LIBS_test_link_hostile := -Wl,--wrap=malloc
