/* SPDX-License-Identifier: Apache-2.0 */
/* For the unit tests of runtime/api, which link everything but its main.c. */
#ifndef EBB_TESTS_UNIT_API_SUPPORT_H
#define EBB_TESTS_UNIT_API_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/api/api.h"
#include "runtime/base/json.h"

static inline struct json *parse(const char *text)
{
	struct json *v = NULL;
	char err[200];

	if (json_parse(text, strlen(text), 32, &v, err, sizeof(err)) < 0)
		fail_msg("%s: %s", text, err);
	return v;
}

#endif
