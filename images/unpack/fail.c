// SPDX-License-Identifier: Apache-2.0
#include "images/unpack/unpack.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/mem.h"

int unpack_fail(struct unpack *u, int err, const char *fmt, ...)
{
	va_list ap;

	must(err < 0);
	if (u->err[0])
		return err;
	va_start(ap, fmt);
	(void)vsnprintf(u->err, sizeof(u->err), fmt, ap);
	va_end(ap);
	return err;
}
