#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes every image archive the integration tests use, in EBB_CACHE (build/cache), so that a guest
# without network, compiler or npm finds them there (EBB_VM=1). Runs on the host; needs EBB_BIN.
set -eu
cd "$(dirname "$0")"
exec /usr/bin/python3 - <<'PYTHON'
import sys

sys.dont_write_bytecode = True
import pictures

for path in pictures.all_archives():
    print(path, flush=True)
PYTHON
