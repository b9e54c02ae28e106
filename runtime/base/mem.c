// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/mem.h"

#include <stdio.h>

void must_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "level=error event=bug check=\"%s\" at=%s:%d\n", what, file, line);
	abort();
}
