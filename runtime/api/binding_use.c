// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/binding_use.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/base/nearest.h"
#include "runtime/base/text.h"
#include "runtime/http/path_key.h"

/* Whether the list "a,b" has the name. */
static bool listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
		if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
			return true;
	return false;
}

static void refuse_unknown(struct api *api, const char *name, uint32_t number,
			   struct problem_list *errors)
{
	char path[48], question[128];
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < services_count(api->services); i++)
		nearest_offer(&near, services_at(api->services, i)->name);
	snprintf(path, sizeof(path), "bindings[%u].service", number);
	problem_add(errors, path,
		    "there is no service \"%s\"; %sdeploy it first, or both in one file", name,
		    nearest_question(&near, question, sizeof(question)));
}

void bindings_pin(struct request *rq, const char *name, struct service_spec *spec,
		  struct problem_list *errors)
{
	char with[REQUEST_ARG_SIZE] = "";

	(void)request_query(rq, "with", with, sizeof(with));
	for (uint32_t i = 0; i < spec->binding_count; i++) {
		struct spec_binding *b = &spec->bindings[i];
		const struct service *s = services_find(rq->api->services, b->service);
		bool self = strcmp(b->service, name) == 0;

		b->revision = s && !self ? s->current.number : 0;
		if (!s && !self && !listed(with, b->service))
			refuse_unknown(rq->api, b->service, i, errors);
	}
}

const char *queues_space(const struct service_spec *spec, const char *name)
{
	if (*spec->queues)
		return spec->queues;
	return spec->trigger_count ? name : NULL;
}

/* The way to queues is one more binding, and its paths are nobody's but ebb's. */
static int fill_queues(const struct service_spec *spec, uint32_t port, struct wire_service_put *put,
		       struct blob *env)
{
	const char *space = queues_space(spec, put->name);
	struct wire_binding *b = &put->bindings[put->binding_count];
	char url[40];

	if (!space)
		return 0;
	if (put->binding_count == BINDINGS_MAX)
		return -E2BIG;
	*b = (struct wire_binding){.port = (uint16_t)port, .kind = WIRE_BINDING_QUEUES};
	(void)text_copy(b->service, sizeof(b->service), space);
	put->binding_count++;
	for (uint32_t i = 0; i < spec->trigger_count; i++)
		put->internal[i] = http_path_key((struct http_slice){
			spec->triggers[i].path, strlen(spec->triggers[i].path)});
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	return blob_add_pair(env, "EBB_QUEUE_URL", url);
}

int bindings_fill(const struct service_spec *spec, uint32_t own_port, struct wire_service_put *put,
		  struct blob *env)
{
	uint32_t port = BINDING_PORT_FIRST;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < spec->binding_count; i++, port++) {
		const struct spec_binding *b = &spec->bindings[i];
		char url[40];

		port += port == own_port;
		put->bindings[i] =
			(struct wire_binding){.port = (uint16_t)port, .revision = b->revision};
		memcpy(put->bindings[i].service, b->service, sizeof(b->service));
		snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
		r = blob_add_pair(env, b->variable, url);
	}
	put->binding_count = spec->binding_count;
	port += port == own_port;
	return r == 0 ? fill_queues(spec, port, put, env) : r;
}
