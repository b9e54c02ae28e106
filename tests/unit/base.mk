# SPDX-License-Identifier: Apache-2.0
# The test makes realloc fail.
LIBS_test_heap := -Wl,--wrap=realloc
