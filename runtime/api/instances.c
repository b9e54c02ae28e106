// SPDX-License-Identifier: Apache-2.0
/* Instances as ebbd shows them, their connections, and freeze, thaw, stop. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/api/api.h"
#include "runtime/api/gather.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/ip.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

static const char *state_name(uint32_t state)
{
	static const char *const names[] = {
		[WIRE_INSTANCE_STARTING] = "starting",
		[WIRE_INSTANCE_RUNNING] = "running",
		[WIRE_INSTANCE_FROZEN] = "frozen",
		[WIRE_INSTANCE_DRAINING] = "draining",
	};

	return state < ARRAY_LEN(names) ? names[state] : "unknown";
}

/* Addresses stand in JSON as people write them. */
static void write_address(struct json_out *o, const char *key, int family, const void *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(family, address, text, sizeof(text));
	json_out_string(o, key, text);
}

/* An instance without a network has none of these but the meters, which are 0. */
static void write_network(struct json_out *o, const struct wire_instance_info *info)
{
	json_out_array(o, "addresses");
	if (info->network & WIRE_INFO_V4)
		write_address(o, NULL, AF_INET, info->v4);
	if (info->network & WIRE_INFO_V6)
		write_address(o, NULL, AF_INET6, info->v6);
	json_out_end_array(o);
	if (info->network & WIRE_INFO_CONNECTIONS)
		json_out_u64(o, "open_connections", info->connections);
	json_out_u64(o, "net_out_bytes", info->net_out_bytes);
	json_out_u64(o, "net_in_bytes", info->net_in_bytes);
	json_out_u64(o, "net_connections", info->net_connections);
	json_out_u64(o, "wakes", info->wakes);
	json_out_u64(o, "wakes_late", info->wakes_late);
	json_out_u64(o, "wake_us", info->wake_us);
}

static void write_instance(struct json_out *o, const struct wire_instance_info *info)
{
	char when[28];

	json_out_object(o, NULL);
	json_out_string(o, "id", info->id);
	json_out_string(o, "service", info->service);
	json_out_u64(o, "revision", info->revision);
	json_out_string(o, "state", state_name(info->state));
	json_out_u64(o, "tickets", info->tickets);
	json_out_u64(o, "holds", info->holds);
	json_out_i64(o, "pid", info->pid);
	json_out_u64(o, "cpu_us", info->cpu_us);
	json_out_u64(o, "awake_us", info->awake_us);
	json_out_u64(o, "frozen_us", info->frozen_us);
	json_out_u64(o, "memory_bytes", info->memory_bytes);
	json_out_u64(o, "invocations", info->invocations);
	json_out_u64(o, "freezes", info->freezes);
	json_out_u64(o, "thaws", info->thaws);
	write_network(o, info);
	json_out_string(o, "started_at", clock_rfc3339(info->started_us, when));
	json_out_end_object(o);
}

/* Whether the service exists, or was removed a moment ago and has instances that finish
 * their work. */
static bool is_known(struct api *api, const char *service, const struct wire_instance_info *infos,
		     size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(infos[i].service, service) == 0)
			return true;
	return services_find(api->services, service) != NULL;
}

static void on_list(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_instance_info *infos = answer->records;
	struct json_out o;
	char service[SERVICE_NAME_SIZE] = "";

	(void)ctx;
	if (!rq)
		return;
	if (answer->err) {
		problem_reply_answer(rq, "list the instances", answer);
		return;
	}
	(void)request_query(rq, "service", service, sizeof(service));
	if (*service && !is_known(api, service, infos, answer->count)) {
		answer_no_service(rq, service);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "instances");
	for (size_t i = 0; i < answer->count; i++)
		if (!*service || strcmp(service, infos[i].service) == 0)
			write_instance(&o, &infos[i]);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void get_instances(struct request *rq)
{
	char service[SERVICE_NAME_SIZE];

	if (request_query(rq, "service", service, sizeof(service)) < 0)
		problem_reply(rq, 400, "ebb ls shows what there is",
			      "service: it is not a name of a service");
	else
		(request_flag(rq, "wide") ? gather_counted : gather_instances)(rq->api, rq, on_list,
									       NULL);
}

/* The instance that rq names; NULL after having answered, or when the client has left. */
static const struct wire_instance_info *pick(struct request *rq, const struct answer *answer)
{
	const struct wire_instance_info *infos = answer->records;

	if (!rq)
		return NULL;
	if (answer->err) {
		problem_reply_answer(rq, "read the instance", answer);
		return NULL;
	}
	for (size_t i = 0; i < answer->count; i++)
		if (strcmp(infos[i].id, rq->arg) == 0)
			return &infos[i];
	answer_no_instance(rq, rq->arg, infos, answer->count);
	return NULL;
}

/* Answers with what `write` says of the instance that was asked for. */
static void answer_one(struct request *rq, const struct answer *answer,
		       void (*write)(struct json_out *o, const struct wire_instance_info *info))
{
	const struct wire_instance_info *info = pick(rq, answer);
	struct json_out o;

	if (!info)
		return;
	json_out_init(&o);
	write(&o, info);
	reply_json(rq, 200, NULL, &o);
}

/* Its sockets are there, or (it just ended) not. */
static void on_one_counted(struct api *api, struct request *rq, void *ctx,
			   const struct answer *answer)
{
	const struct one_socket *sockets = answer->records;
	struct wire_instance_info *info = ctx;
	struct json_out o;

	(void)api;
	if (rq) {
		for (size_t i = 0; answer->err == 0 && i < answer->count; i++)
			info->connections += net_socket_is_connection(&sockets[i].socket);
		if (answer->err == 0)
			info->network |= WIRE_INFO_CONNECTIONS;
		json_out_init(&o);
		write_instance(&o, info);
		reply_json(rq, 200, NULL, &o);
	}
	free(info);
}

/* Connections are counted for the one that was asked for, and only if it can have some. */
static void on_one(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_instance_info *info = pick(rq, answer);
	struct wire_instance_info *copy = info && info->network ? malloc(sizeof(*copy)) : NULL;

	(void)ctx;
	if (!copy) {
		if (info)
			answer_one(rq, answer, write_instance);
		return;
	}
	*copy = *info;
	gather_sockets(api, rq, copy->id, on_one_counted, copy);
}

void get_instance(struct request *rq)
{
	gather_instances(rq->api, rq, on_one, NULL);
}

/* ---- connections ---- */

static void write_end(struct json_out *o, const char *key, const uint8_t address[16], uint16_t port)
{
	char host[IP_TEXT_SIZE], text[IP_TEXT_SIZE + 16], number[8] = "*";
	bool v4 = ip_format(address, host);

	if (port)
		(void)text_format(number, sizeof(number), "%u", port);
	(void)text_format(text, sizeof(text), v4 ? "%s:%s" : "[%s]:%s", host, number);
	json_out_string(o, key, text);
}

static void write_socket(struct json_out *o, const struct net_socket *s)
{
	json_out_object(o, NULL);
	json_out_string(o, "protocol", s->protocol == IPPROTO_TCP ? "tcp" : "udp");
	json_out_string(o, "state", net_socket_state(s->state));
	json_out_u64(o, "receive_bytes", s->receive_bytes);
	json_out_u64(o, "send_bytes", s->send_bytes);
	write_end(o, "local", s->local, s->local_port);
	write_end(o, "peer", s->remote, s->remote_port);
	json_out_end_object(o);
}

static void on_missing(struct api *api, struct request *rq, void *ctx, const struct answer *answer);

static void on_connections(struct api *api, struct request *rq, void *ctx,
			   const struct answer *answer)
{
	const struct one_socket *sockets = answer->records;
	struct json_out o;
	bool all;

	(void)ctx;
	if (!rq)
		return;
	if (answer->err == ENOENT || answer->err == ESRCH) {
		gather_instances(api, rq, on_missing, NULL);
		return;
	}
	if (answer->err) {
		problem_reply_answer(rq, "list the connections", answer);
		return;
	}
	all = request_flag(rq, "all");
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "id", rq->arg);
	json_out_array(&o, "connections");
	for (size_t i = 0; i < answer->count; i++)
		if (all || net_socket_is_connection(&sockets[i].socket))
			write_socket(&o, &sockets[i].socket);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void get_connections(struct request *rq)
{
	gather_sockets(rq->api, rq, rq->arg, on_connections, NULL);
}

static void write_why(struct json_out *o, const struct wire_instance_info *info)
{
	json_out_object(o, NULL);
	json_out_string(o, "id", info->id);
	json_out_string(o, "state", state_name(info->state));
	json_out_u64(o, "tickets", info->tickets);
	json_out_u64(o, "holds", info->holds);
	json_out_string(o, "why", info->why);
	json_out_end_object(o);
}

static void on_why(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)api;
	(void)ctx;
	answer_one(rq, answer, write_why);
}

void get_instance_why(struct request *rq)
{
	gather_instances(rq->api, rq, on_why, NULL);
}

/* ---- commands ---- */

static const char *const command_names[] = {
	[WIRE_COMMAND_FREEZE] = "freeze",
	[WIRE_COMMAND_THAW] = "thaw",
	[WIRE_COMMAND_STOP] = "stop",
};

/* Answers 404 and suggests the nearest existing name. That is the same name if the instance has
 * come up since the command failed. */
static void on_missing(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)api;
	(void)ctx;
	if (rq)
		answer_no_instance(rq, rq->arg, answer->records, answer->err ? 0 : answer->count);
}

static void on_commanded(struct api *api, struct request *rq, void *ctx,
			 const struct answer *answer)
{
	const char *command = ctx;
	struct json_out o;
	char what[160];

	if (!rq)
		return;
	if (answer->err == ENOENT || answer->err == ESRCH) {
		gather_instances(api, rq, on_missing, NULL);
		return;
	}
	if (answer->err) {
		(void)text_format(what, sizeof(what), "%s instance '%.96s'", command, rq->arg);
		problem_reply_answer(rq, what, answer);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "id", rq->arg);
	json_out_string(&o, "done", command);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static void command(struct request *rq, enum wire_instance_command what)
{
	struct wire_instance_command_record record = {.command = what};

	if (text_copy(record.id, sizeof(record.id), rq->arg) < 0) {
		answer_no_instance(rq, rq->arg, NULL, 0);
		return;
	}
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_EBBD,
					      .type = WIRE_INSTANCE_COMMAND,
					      .record = &record,
					      .size = sizeof(record),
					      .timeout_ms = 60000,
					      .rq = rq,
					      .done = on_commanded,
					      .ctx = (void *)(uintptr_t)command_names[what]});
}

void post_instance_freeze(struct request *rq)
{
	command(rq, WIRE_COMMAND_FREEZE);
}

void post_instance_thaw(struct request *rq)
{
	command(rq, WIRE_COMMAND_THAW);
}

void post_instance_stop(struct request *rq)
{
	command(rq, WIRE_COMMAND_STOP);
}
