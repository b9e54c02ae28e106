/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the table of a site's rules out of JSON, for unprivileged programs: `ebb` checks a file
 * with it, and ebb-api compiles what it is sent.
 *
 * {"rewrites": [...], "redirects": [...], "headers": [...], "cleanUrls": bool, "trailingSlash":
 * bool, "otherwise": "NAME", "passes": bool, "services": {"NAME": {"files": bool, "revision":
 * number, and rewrites, redirects, headers, cleanUrls, trailingSlash}}}
 */
#ifndef EBB_RULES_BUILD_H
#define EBB_RULES_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/json.h"
#include "runtime/rules/table.h"

/* Hears of each value that is wrong, or (warning) that ebb takes otherwise: where it is, the value,
 * and half a sentence behind it. */
struct rules_listener {
	void *self;
	void (*say)(void *self, bool warning, const char *path, const struct json *value,
		    const char *what);
};

/* 0 and *out, which the caller frees; -EINVAL after the listener heard of an error, or -ENOMEM. */
int rules_build(const struct json *site, const struct rules_listener *listener,
		struct rules_table **out);

#endif
