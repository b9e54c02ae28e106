# SPDX-License-Identifier: Apache-2.0
# test_image runs the real ebb-unpack, which lies beside the directory of the tests.
$(OUT)/tests/test_image: | $(OUT)/ebb-unpack
