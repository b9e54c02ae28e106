/* SPDX-License-Identifier: Apache-2.0 */
/* Bindings of a service: the services they are for, and the ports at which its instances call them.
 */
#ifndef EBB_API_BINDING_USE_H
#define EBB_API_BINDING_USE_H

#include "runtime/api/blob.h"
#include "runtime/api/problem.h"
#include "runtime/api/service_schema.h"

/* Ports of an instance's loopback, below those that Linux gives out by itself (32768..60999). */
#define BINDING_PORT_FIRST 29901

struct api;
struct request;

/* Notes which revision of each service this one is deployed beside. A service that is not there
 * goes to errors, unless it is name itself, or the request says that it comes too
 * (?with=NAME,NAME). */
void bindings_pin(struct request *rq, const char *name, struct service_spec *spec,
		  struct problem_list *errors);
/* Fills the bindings of the record, and adds VARIABLE=http://127.0.0.1:PORT for each to env.
 * own_port is the function's. 0 or -E2BIG. */
int bindings_fill(const struct service_spec *spec, uint32_t own_port, struct wire_service_put *put,
		  struct blob *env);

/* The namespace of the queues of a service, or NULL: it has none. */
const char *queues_space(const struct service_spec *spec, const char *name);

#endif
