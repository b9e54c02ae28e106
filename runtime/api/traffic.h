/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the requests of a service are shared between its current revision and earlier revisions. The
 * current revision gets the rest. A new deployment or a rollback ends the sharing: the new revision
 * gets all requests.
 *
 * For ebbd an earlier revision that serves is a service of its own beside the service (a variant,
 * wire_service_put.variant). The shares are on disk in services/NAME.traffic.
 */
#ifndef EBB_API_TRAFFIC_H
#define EBB_API_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#define TRAFFIC_MAX 4 /* earlier revisions at once */

struct api;
struct json_out;
struct request;
struct service;

struct traffic {
	size_t count;
	struct traffic_share {
		uint32_t revision, percent; /* 1..100, in all at most 100 */
	} shares[TRAFFIC_MAX];
};

/* Reads and writes the file of a service. 0 or -errno; no file means no sharing. */
int traffic_load(int services_dir_fd, const char *name, struct traffic *out);
int traffic_save(int services_dir_fd, const char *name, const struct traffic *traffic);

/* "traffic": [{revision, percent}], the current revision first, into an open object. */
void traffic_write(struct json_out *o, const struct service *s);

/* Called when ebbd has done its part. rq is NULL when its client has left, or there was none. */
typedef void (*traffic_done)(struct api *api, struct request *rq, void *ctx);
/* After a deployment: the new revision gets all requests. s->changing is set until done
 * is called. */
void traffic_end(struct api *api, struct request *rq, struct service *s, traffic_done done,
		 void *ctx);
/* Tells ebbd again of the earlier revisions that serve; done is called when ebbd knows them all. */
void traffic_resend(struct api *api, struct service *s, traffic_done done, void *ctx);

#endif
