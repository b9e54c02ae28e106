// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

int fault_say(struct fault *f, int err, const char *fmt, ...)
{
	va_list ap;

	must(err < 0);
	if (!f || f->err)
		return err;
	f->err = -err;
	va_start(ap, fmt);
	(void)vsnprintf(f->what, sizeof(f->what), fmt, ap);
	va_end(ap);
	return err;
}

int fault_errno(struct fault *f, int err, const char *fmt, ...)
{
	char about[FAULT_WHAT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(about, sizeof(about), fmt, ap);
	va_end(ap);
	return fault_say(f, err, "%s: %s", about, strerror(-err));
}

void fault_mend(struct fault *f, const char *fmt, ...)
{
	va_list ap;

	if (!f || !f->err)
		return;
	if (!f->mend[0]) {
		va_start(ap, fmt);
		(void)vsnprintf(f->mend, sizeof(f->mend), fmt, ap);
		va_end(ap);
	}
}

void fault_at(struct fault *f, const char *fmt, ...)
{
	char here[FAULT_WHERE_SIZE], deeper[FAULT_WHERE_SIZE];
	va_list ap;

	if (!f || !f->err)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(here, sizeof(here), fmt, ap);
	va_end(ap);
	memcpy(deeper, f->where, sizeof(deeper));
	(void)text_format(f->where, sizeof(f->where), "%s%s%s", here, *deeper ? ": " : "", deeper);
}

const char *fault_text(const struct fault *f, char *buf)
{
	(void)text_format(buf, FAULT_TEXT_SIZE, "%s%s%s%s%s", f->where, *f->where ? ": " : "",
			  f->what, *f->mend ? "; " : "", f->mend);
	return buf;
}
