/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a service that are more than a number or a word. */
#ifndef EBB_API_SCHEMA_PARTS_H
#define EBB_API_SCHEMA_PARTS_H

#include <stddef.h>

#include "runtime/api/service_schema.h"

struct schema_part {
	/* before: the service as it is now, or NULL */
	void (*read)(struct service_spec *spec, const struct service_spec *before,
		     const struct json *value, const char *path, struct problem_list *errors);
	void (*write)(struct json_out *o, const char *key, const struct service_spec *spec,
		      enum spec_view view);
};

extern const struct schema_part schema_prefix, schema_hosts, schema_env, schema_command,
	schema_capabilities, schema_egress, schema_bindings, schema_crons, schema_schedules,
	schema_triggers, schema_queues;

/* Whether ebb sets this variable itself. */
bool schema_is_our_variable(const char *name);
/* Writes a value into buf as a message shows it, cut to fit. */
/* Copies a host name in lower case. 0 or -EINVAL: it is none. */
int schema_host(char *dst, size_t size, const char *text);
void schema_show(char *buf, size_t size, const struct json *value);

#endif
