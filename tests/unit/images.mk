# SPDX-License-Identifier: Apache-2.0
# test_image drives the real ebb-unpack, which lies beside the tests' directory.
$(OUT)/tests/test_image: | $(OUT)/ebb-unpack
