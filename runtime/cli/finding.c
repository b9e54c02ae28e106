// SPDX-License-Identifier: Apache-2.0
/* The finding of a probe of `ebb doctor`. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/cli/doctor.h"

void finding_ok(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->fact, sizeof(f->fact), fmt, ap);
	va_end(ap);
	f->status = FINDING_OK;
	f->mend[0] = '\0';
}

void finding_bad(struct finding *f, enum finding_status status, const char *mend, const char *fmt,
		 ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->fact, sizeof(f->fact), fmt, ap);
	va_end(ap);
	f->status = status;
	snprintf(f->mend, sizeof(f->mend), "%s", mend);
}

void finding_needs_root(struct finding *f)
{
	finding_bad(f, FINDING_WARN, "sudo ebb doctor", "not tried: that needs root");
}
