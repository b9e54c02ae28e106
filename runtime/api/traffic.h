/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the requests of a service are shared between its current revision and earlier ones. The
 * current one gets the rest; a new deployment or a rollback gets all and ends the sharing.
 *
 * In ebbd an earlier revision that serves is a service beside the service (a variant,
 * wire_service_put.variant). On disk: services/NAME.traffic.
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

/* The file of a service: 0 (none is an empty sharing) or -errno. */
int traffic_load(int services_dir_fd, const char *name, struct traffic *out);
int traffic_save(int services_dir_fd, const char *name, const struct traffic *traffic);

/* "traffic": [{revision, percent}], the current revision first, into an open object. */
void traffic_write(struct json_out *o, const struct service *s);

/* It is so. rq is NULL when its client has left, or there was none. */
typedef void (*traffic_done)(struct api *api, struct request *rq, void *ctx);
/* After a deployment: all requests are the new revision's. Until done is called the service is
 * changing. */
void traffic_end(struct api *api, struct request *rq, struct service *s, traffic_done done,
		 void *ctx);
/* Tells ebbd again of the earlier revisions that serve; done is called when it knows all. */
void traffic_resend(struct api *api, struct service *s, traffic_done done, void *ctx);

#endif
