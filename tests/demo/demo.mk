# SPDX-License-Identifier: Apache-2.0
# `sudo make demo`: PORT=8081 serves elsewhere, KEEP=1 goes on serving until Ctrl-C.
.PHONY: demo
demo: deps
	$(MAKE) --no-print-directory -s all
	@$(INTEG_ENV) /usr/bin/python3 tests/demo/demo.py
