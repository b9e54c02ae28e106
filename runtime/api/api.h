/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-api: the REST server. Process: ebb-api, own uid, empty root, seccomp. It owns the desired
 * state (services and images, as files in its state directory) and asks ebbd, over fd 3, to make it
 * so. It never touches cgroups, namespaces or mounts, and never blocks but on its own disk.
 *
 * struct api only wires the modules together; each module keeps its own data to itself.
 */
#ifndef EBB_API_API_H
#define EBB_API_API_H

#include <stdbool.h>

#include "runtime/api/deploys.h"
#include "runtime/api/drain.h"
#include "runtime/wire/link.h"
#include "runtime/wire/records.h"

struct calls;
struct early;
struct execs;
struct gateway_files;
struct images;
struct logs;
struct loop;
struct server;
struct secrets;
struct services;
struct site_store;
struct deployment_store;
struct events_watch;
struct request;

struct api {
	struct loop *loop;
	struct timer tick;                      /* armed while something waits for a deadline */
	struct wire_link control, ledger, flow; /* closed while ebb-ledger, ebb-flow is away */
	struct calls *calls;
	struct early *early; /* changes that wait for `ready` */
	struct server *server;
	struct server *status; /* on status_listen; NULL without */
	struct services *services;
	struct secrets *secrets;
	struct site_store *sites;
	struct deployment_store *deployments;
	struct deploys deploys; /* under way */
	struct images *images;
	struct logs *logs;
	struct gateway_files *gateways;
	struct events_watch *watch;
	int state_dir_fd;
	int zones_fd;         /* the time zone database of the host; -1: it has none */
	struct chain imports; /* imports under way (image_routes.c) */
	struct chain exports; /* exports under way (image_export.c) */
	struct operations *operations;
	struct execs *execs;
	struct drain drain;
	struct drain_word drain_word;
	bool ready;   /* ebbd knows every service */
	uint32_t ill; /* bits of enum wire_ill, as ebbd last said */
	struct wire_flow_totals flow_totals;
	struct wire_api_config config;
	struct wire_instance_info health; /* of ebbd's loop, as ebbd last said */
};

#endif
