// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/routes.h"

#include <string.h>

#include "runtime/api/handlers.h"
#include "runtime/api/operations.h"
#include "runtime/api/problem.h"
#include "runtime/api/query.h"
#include "runtime/api/request.h"
#include "runtime/base/mem.h"

/* docs/openapi.json describes exactly these; a row of "*" stands behind what it would swallow. */
static const struct route routes[] = {
	{"GET", "/v1", get_root},
	{"GET", "/healthz", get_healthz, .status = true},
	{"GET", "/readyz", get_readyz, .status = true},
	{"GET", "/metrics", get_metrics},
	{"GET", "/openapi.json", get_openapi},
	{"GET", "/v1/node", get_node},
	{"POST", "/v1/node/drain", post_drain, .action = "drain", .query = "async? deadline"},
	{"POST", "/v1/node/undrain", post_undrain},
	{"POST", "/v1/node/upgrade", post_upgrade, .query = "dryRun?"},
	{"GET", "/v1/operations", get_operations},
	{"GET", "/v1/operations/:", get_operation, .query = "wait"},
	{"GET", "/v1/services", get_services},
	{"PUT", "/v1/services/:", put_service, .action = "deploy", .query = "async? dryRun? with"},
	{"GET", "/v1/services/:", get_service},
	{"DELETE", "/v1/services/:", delete_service, .action = "remove", .query = "async?"},
	{"GET", "/v1/services/:/revisions", get_revisions},
	{"POST", "/v1/services/:/rollback", post_rollback, .action = "rollback",
	 .query = "async? dryRun?"},
	{"POST", "/v1/services/:/start", post_start},
	{"GET", "/v1/services/:/traffic", get_traffic},
	{"PUT", "/v1/services/:/traffic", put_traffic, .query = "dryRun?"},
	{"GET", "/v1/services/:/logs", get_service_logs,
	 .query = "follow? tail request since format"},
	{"POST", "/v1/services/:/redeploy", post_redeploy, .action = "redeploy",
	 .query = "async? dryRun?"},
	{"GET", "/v1/schedules", get_schedules, .query = "service"},
	{"POST", "/v1/schedules/run", post_schedule_run, .query = "service name"},
	{"GET", "/v1/runs", get_runs, .query = "service schedule"},
	{"GET", "/v1/workflows", get_workflows, .query = "namespace id state"},
	{"GET", "/v1/workflows/events", get_workflow_events, .query = "namespace id after"},
	{"POST", "/v1/workflows/cancel", post_workflow_cancel, .query = "namespace id"},
	{"POST", "/v1/workflows/retry", post_workflow_retry, .query = "namespace id"},
	{"GET", "/v1/queues", get_queues, .query = "namespace"},
	{"GET", "/v1/queues/messages", get_queue_messages,
	 .query = "namespace topic consumer id dead"},
	{"POST", "/v1/queues/retry", post_queue_retry, .query = "namespace topic consumer id"},
	{"POST", "/v1/queues/purge", post_queue_purge, .query = "namespace topic consumer id dead"},
	{"GET", "/v1/secrets", get_secrets},
	{"GET", "/v1/secrets/:", get_secret},
	{"PUT", "/v1/secrets/:", put_secret},
	{"DELETE", "/v1/secrets/:", delete_secret},
	{"GET", "/v1/sites", get_sites},
	{"GET", "/v1/sites/:", get_site},
	{"PUT", "/v1/sites/:", put_site, .query = "dryRun?"},
	{"DELETE", "/v1/sites/:", delete_site},
	{"GET", "/v1/deployments", get_deployments},
	{"GET", "/v1/deployments/:", get_deployments_of},
	{"POST", "/v1/deployments/:", post_deployment, .action = "deploy",
	 .query = "async? dryRun?"},
	{"DELETE", "/v1/deployments/:", delete_deployments},
	{"POST", "/v1/deployments/:/promote", post_promotion, .action = "promote",
	 .query = "async? dryRun?"},
	{"GET", "/v1/instances", get_instances, .query = "service wide?"},
	{"GET", "/v1/instances/:", get_instance},
	{"GET", "/v1/instances/:/why", get_instance_why},
	{"GET", "/v1/instances/:/connections", get_connections, .query = "all?"},
	{"GET", "/v1/instances/:/logs", get_instance_logs,
	 .query = "follow? tail request since format"},
	{"POST", "/v1/instances/:/freeze", post_instance_freeze},
	{"POST", "/v1/instances/:/thaw", post_instance_thaw},
	{"POST", "/v1/instances/:/exec", post_instance_exec},
	{"POST", "/v1/instances/:/stop", post_instance_stop},
	{"GET", "/v1/images", get_images},
	{"POST", "/v1/images", post_image, ROUTE_BODY_SPOOL, .action = "import",
	 .query = "async? format name reference"},
	{"POST", "/v1/images/gc", post_images_gc, .action = "image gc", .query = "async?"},
	{"GET", "/v1/images/*", get_image},
	{"DELETE", "/v1/images/*", delete_image, .action = "image removal", .query = "async?"},
	{"GET", "/v1/archives/*", get_archive},
	{"GET", "/v1/watch", get_watch, .query = "since of kind"},
	{"GET", "/v1/events", get_events, .query = "since follow? of kind"},
	{"GET", "/v1/usage", get_usage,
	 .query = "from to service format cpu_hour gb_hour million_invocations gb_out gb_in "
		  "currency"},
	{"POST", "/v1/ledger/verify", post_ledger_verify},
	{"GET", "/v1/tls/ask", get_tls_ask, .query = "domain", .status = true},
};

bool route_matches(const char *pattern, struct http_slice path, struct http_slice *arg)
{
	struct http_slice found = {path.at, 0};
	size_t at = 0;

	for (; *pattern; pattern++) {
		if (*pattern == '*' || *pattern == ':') {
			const char *end =
				*pattern == '*' ? NULL : memchr(path.at + at, '/', path.size - at);

			found.at = path.at + at;
			found.size = end ? (size_t)(end - found.at) : path.size - at;
			if (found.size == 0)
				return false;
			at += found.size;
		} else if (at >= path.size || path.at[at++] != *pattern) {
			return false;
		}
	}
	if (at != path.size)
		return false;
	*arg = found;
	return true;
}

void route_handle(const struct route *route, struct request *rq)
{
	if (route->action && request_flag(rq, "async"))
		operation_run(rq, route);
	else
		route->handle(rq);
}

const struct route *route_at(size_t index)
{
	return index < ARRAY_LEN(routes) ? &routes[index] : NULL;
}

/* Says what is wrong, and how to go on. */
static void refuse(struct request *rq, bool other_method, const char *mend)
{
	const struct http_head *head = &rq->head;

	if (other_method)
		problem_reply(rq, 405, mend, "%.*s is not offered for %.*s", (int)head->method.size,
			      head->method.at, (int)head->path.size, head->path.at);
	else
		problem_reply(rq, 404, mend, "there is nothing at %.*s", (int)head->path.size,
			      head->path.at);
}

static const struct route *find(struct request *rq, bool status, const char *mend)
{
	const struct route *route;
	bool other_method = false;

	for (size_t i = 0; (route = route_at(i)); i++) {
		struct http_slice arg;

		if ((status && !route->status) ||
		    !route_matches(route->pattern, rq->head.path, &arg))
			continue;
		if (!http_slice_is(rq->head.method, route->method)) {
			other_method = true;
			continue;
		}
		if (request_decode(arg, false, rq->arg, sizeof(rq->arg)) == 0)
			return query_fits(rq, route->query) ? route : NULL;
		problem_reply(rq, 400, "percent-encode the name, and keep it short",
			      "the path cannot be decoded");
		return NULL;
	}
	refuse(rq, other_method, mend);
	return NULL;
}

const struct route *route_find(struct request *rq)
{
	return find(rq, false, "GET /openapi.json lists what there is");
}

const struct route *route_find_status(struct request *rq)
{
	return find(rq, true, "this address has /healthz, /readyz and /v1/tls/ask");
}
