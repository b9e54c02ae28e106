// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/service_record.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/api/binding_use.h"
#include "runtime/api/exec_merge.h"
#include "runtime/api/images.h"
#include "runtime/api/problem.h"
#include "runtime/api/secret_use.h"
#include "runtime/api/services.h"
#include "runtime/base/text.h"

void service_record_free(struct wire_service_put *put)
{
	if (put)
		explicit_bzero(&put->exec, sizeof(put->exec));
	free(put);
}

static void merge(struct api *api, const char *name, const struct revision *rev,
		  const struct image *image, struct wire_service_put *put,
		  struct problem_list *errors)
{
	char values[sizeof(put->exec.env)];
	struct blob given = {.memory = values, .size = sizeof(values)};

	secrets_fill(api, &rev->spec, &given, errors);
	if (bindings_fill(&rev->spec, exec_port(&image->config, &rev->spec), put, &given) < 0)
		problem_add(errors, "bindings",
			    "do not fit: 8 at most, with the one to queues, and beside the values "
			    "of secrets");
	exec_merge(&image->config, &rev->spec, &given, name, rev->number, &put->exec, errors);
	explicit_bzero(values, sizeof(values));
}

struct wire_service_put *service_record(struct api *api, const char *name,
					const struct revision *rev, const struct image *image,
					struct problem_list *errors)
{
	const struct service_spec *spec = &rev->spec;
	struct wire_service_put *put = calloc(1, sizeof(*put));

	if (!put)
		return NULL;
	put->revision = rev->number;
	put->memory_mb = spec->memory_mb;
	put->cpu_milli = spec->cpu_milli;
	put->pids_max = spec->pids_max;
	put->scratch_mb = spec->scratch_mb;
	put->max_duration_ms = spec->max_duration_ms;
	put->init_timeout_ms = spec->init_timeout_ms;
	put->stop_grace_ms = spec->stop_grace_ms;
	put->concurrency_max =
		spec->concurrency_max ? spec->concurrency_max : SETTING_CONCURRENCY_CAP;
	put->instances_min = spec->instances_min;
	put->instances_max = spec->instances_max;
	put->freeze_after_ms = spec->freeze_after_ms;
	put->hibernate_ms = spec->hibernate_ms;
	put->timers = spec->timers;
	put->arrivals = spec->arrivals;
	put->upstream = spec->upstream;
	put->body_kb_max = spec->body_kb_max;
	put->egress = spec->egress;
	put->flags = image_is_own_runtime(&image->config) ? WIRE_SERVICE_OWN_RUNTIME : 0;
	put->flags |= spec->seccomp ? WIRE_SERVICE_STRICT : 0;
	put->flags |= spec->is_private ? WIRE_SERVICE_PRIVATE : 0;
	if (spec->io_uring)
		put->flags |= WIRE_SERVICE_IO_URING;
	if (spec->io_uring && !(put->flags & WIRE_SERVICE_OWN_RUNTIME))
		problem_add(errors, "ebb.ioUring",
			    "true needs an image made for a runtime of ebb (EBB_RUNTIME=1, as "
			    "`ebb build` makes it); this one is not");
	put->flags |= spec->concurrency_max ? 0 : WIRE_SERVICE_AUTO_CONCURRENCY;
	put->layer_count = image->layer_count;
	put->host_count = spec->host_count;
	memcpy(put->hosts, spec->hosts, sizeof(put->hosts));
	memcpy(put->prefix, spec->prefix, sizeof(put->prefix));
	memcpy(put->layers, image->layers, sizeof(put->layers));
	if (text_copy(put->name, sizeof(put->name), name) < 0)
		problem_add(errors, "name", "is too long");
	merge(api, name, rev, image, put, errors);
	return put;
}
