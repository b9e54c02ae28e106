// SPDX-License-Identifier: Apache-2.0
/* This server, its health, and its host. */
#include <sched.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "runtime/api/api.h"
#include "runtime/api/gather.h"
#include "runtime/api/handlers.h"
#include "runtime/api/images.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/schedules.h"
#include "runtime/api/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/filter.h"
#include "runtime/base/mem.h"

FILTER_EMBED(openapi, "docs/openapi.json");

/* Features that a client may rely on beyond version 1 as it began; the list only grows. */
static const char *const extensions[] = {
	"images", "logs",  "rollback",   "watch",  "usage", "usage_focus", "usage_cloudevents",
	"verify", "drain", "operations", "upgrade"};

void get_root(struct request *rq)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "name", "ebb");
	json_out_string(&o, "version", EBB_VERSION);
	json_out_string(&o, "api", "v1");
	json_out_array(&o, "extensions");
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		json_out_string(&o, NULL, extensions[i]);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static void reply_ok(struct request *rq)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "status", "ok");
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

/* An answer says only that the loop of this process turns. */
void get_healthz(struct request *rq)
{
	reply_ok(rq);
}

/* A reason why this host takes no work. */
struct trouble {
	bool there;
	const char *mend, *detail;
};

/* Ready: ebbd knows every service and can start instances, usage is billed, and nobody stops the
 * host. Returns whether it is not, with the first reason. */
static bool find_trouble(const struct api *api, struct trouble *out)
{
	const struct trouble troubles[] = {
		{api->ill & WIRE_ILL_STOPPING, "start ebbd again", "ebb is stopping"},
		{!api->ready, "wait", "ebb is starting: services are being taken up"},
		{!wire_link_is_open(&api->ledger), "wait; see the log of ebbd",
		 "the ledger is away"},
		{api->ill & WIRE_ILL_LEDGER,
		 "free disk space, or mend the disk; see the log of ebbd",
		 "the usage of instances cannot be written to the ledger"},
		{api->ill & WIRE_ILL_STARTS, "wait; see the log of ebbd",
		 "no instance can be started: no sandbox can be made"},
		{api->drain.on, "ebb undrain ends it",
		 "this host is drained: it takes no new work"},
	};

	for (size_t i = 0; i < ARRAY_LEN(troubles); i++) {
		if (!troubles[i].there)
			continue;
		*out = troubles[i];
		return true;
	}
	return false;
}

void get_readyz(struct request *rq)
{
	struct trouble trouble;

	if (find_trouble(rq->api, &trouble))
		problem_reply(rq, 503, trouble.mend, "%s", trouble.detail);
	else
		reply_ok(rq);
}

void get_openapi(struct request *rq)
{
	reply_bytes(rq, 200, "application/json", NULL, openapi_start,
		    (size_t)(openapi_end - openapi_start));
}

static void write_capacity(struct json_out *o, const struct wire_api_config *config)
{
	struct sysinfo memory = {0};
	struct utsname system = {0};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	(void)sysinfo(&memory);
	(void)uname(&system);
	json_out_string(o, "kernel", system.release);
	json_out_string(o, "architecture", system.machine);
	json_out_object(o, "capacity");
	json_out_u64(o, "cpus", (uint64_t)CPU_COUNT(&cpus));
	json_out_u64(o, "memory_bytes", (uint64_t)memory.totalram * memory.mem_unit);
	json_out_u64(o, "services", SERVICES_MAX);
	json_out_u64(o, "instances", config->instances_max);
	json_out_end_object(o);
}

static void write_used(struct json_out *o, struct api *api, const struct answer *answer)
{
	const struct wire_instance_info *infos = answer->records;
	uint64_t memory_bytes = 0, frozen = 0, tickets = 0;

	for (size_t i = 0; i < answer->count; i++) {
		memory_bytes += infos[i].memory_bytes;
		frozen += infos[i].state == WIRE_INSTANCE_FROZEN;
		tickets += infos[i].tickets;
	}
	json_out_object(o, "used");
	json_out_u64(o, "services", services_count(api->services));
	json_out_u64(o, "images", images_count(api->images));
	json_out_u64(o, "instances", answer->count);
	json_out_u64(o, "frozen", frozen);
	json_out_u64(o, "tickets", tickets);
	json_out_u64(o, "memory_bytes", memory_bytes);
	json_out_end_object(o);
}

static void write_condition(struct json_out *o, const char *type, bool status)
{
	json_out_object(o, NULL);
	json_out_string(o, "type", type);
	json_out_bool(o, "status", status);
	json_out_end_object(o);
}

static void on_instances(struct api *api, struct request *rq, void *ctx,
			 const struct answer *answer)
{
	const struct wire_api_config *config = &api->config;
	struct trouble trouble;
	struct json_out o;
	char when[28];

	(void)ctx;
	if (!rq)
		return;
	if (answer->err) {
		problem_reply_answer(rq, "read the node", answer);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "node", config->node);
	json_out_string(&o, "version", config->version);
	json_out_string(&o, "started_at", clock_rfc3339(config->boot_us, when));
	json_out_string(&o, "run_dir", config->run_dir);
	json_out_string(&o, "state_dir", config->state_dir);
	json_out_u64(&o, "gateways", config->gateway_count);
	json_out_array(&o, "listeners");
	for (uint32_t i = 0; i < config->listener_count; i++)
		json_out_string(&o, NULL, config->listeners[i]);
	json_out_end_array(&o);
	write_capacity(&o, config);
	write_used(&o, api, answer);
	json_out_u64(&o, "upgrades", config->upgrades);
	json_out_u64(&o, "upgrades_failed", config->upgrades_failed);
	drain_write(&o, &api->drain);
	json_out_array(&o, "conditions");
	write_condition(&o, "Ready", !find_trouble(api, &trouble));
	write_condition(&o, "Billing",
			wire_link_is_open(&api->ledger) && !(api->ill & WIRE_ILL_LEDGER));
	write_condition(&o, "Starting", !(api->ill & WIRE_ILL_STARTS));
	write_condition(&o, "Schedules", schedules_up(api));
	write_condition(&o, "Drained", api->drain.on);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void get_node(struct request *rq)
{
	gather_instances(rq->api, rq, on_instances, NULL);
}
