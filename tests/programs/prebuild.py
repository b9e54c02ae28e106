#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the images of the programs that the tests will run (APPS), as these tests would themselves."""
import sys

sys.dont_write_bytecode = True
import conftest  # noqa: E402  it names the places of the modules
import images  # noqa: E402

for name in dict.fromkeys(program.image for program in conftest.CHOSEN):
    images.IMAGES[name]()
