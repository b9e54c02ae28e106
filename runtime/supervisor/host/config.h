/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebbd's configuration: defaults, then the command line from left to right. --config FILE takes the
 * settings of a file (key = value lines, # comments) at its place on the command line. One table
 * (config.c) has every key, its kind and its bounds; `ebbd -T` prints the values in force.
 */
#ifndef EBB_SUPERVISOR_CONFIG_H
#define EBB_SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/records.h"

#define CONFIG_PATH_SIZE 1024

struct config {
	char root[CONFIG_PATH_SIZE]; /* "" = the usual FHS places */
	char run_dir[CONFIG_PATH_SIZE], state_dir[CONFIG_PATH_SIZE], log_dir[CONFIG_PATH_SIZE];
	char ledger_dir[CONFIG_PATH_SIZE], flow_dir[CONFIG_PATH_SIZE], image_dir[CONFIG_PATH_SIZE];
	char secret_key[CONFIG_PATH_SIZE];     /* file of the key of secrets */
	char libexec_dir[CONFIG_PATH_SIZE];    /* where ebb-gateway and the others are */
	char cgroup[64];                       /* name of ebb's cgroup tree */
	char seccomp_policy[CONFIG_PATH_SIZE]; /* "" = the one ebbd carries */
	char domain[HOST_NAME_SIZE], node[HOST_NAME_SIZE], api_group[64];
	char status_listen[64]; /* "" = none */
	char egress[8], egress_default[16], egress_resolver[48], net_pool[32], net_pool6[48],
		net_prefix[12];
	char listeners[LISTENERS_MAX][64];
	uint32_t listener_count;
	bool default_listener; /* nobody named one */
	uint64_t gateways, id_base, armed, tick_us, instances_max, connections_max, queue_max,
		queue_age_ms;
	uint64_t head_bytes_max, head_timeout_ms, idle_timeout_ms, h2c_streams, drain_ms,
		upgrade_drain_ms, nofile_max;
	uint64_t access_log;
	uint64_t head_fields_max, target_bytes_max, body_bytes_max, body_rate_min, body_window_ms;
	uint64_t address_connections_max, connection_requests_max;
	uint32_t proxy_listeners; /* bit n: listeners[n] expects the PROXY protocol */
	struct wire_network trusted[TRUSTED_MAX];
	uint32_t trusted_count;
	uint64_t image_max_mb, image_file_max_mb, image_entries_max, import_step_s;
	uint64_t memory_max_mb, memory_reserve_mb, egress_connections, egress_connections_all;
	char log_level[16];
	bool print_only; /* -T */
};

/* Fills *out from the defaults and the arguments. 0; 1: --help was printed; or -errno with a fault
 * that says what is wrong, where, and what is allowed. */
struct fault;
int config_load(int argc, char **argv, struct config *out, struct fault *f);
/* A configuration with PROXY headers must name the fronts. 0, or -EINVAL with a sentence. */
int config_check_fronts(const struct config *c, struct fault *f);
void config_print(const struct config *c);

/* Names of settings, with a space between. */
#define CONFIG_NAMES_SIZE 1024
struct config_change {
	char live[CONFIG_NAMES_SIZE];  /* in force from now on */
	char later[CONFIG_NAMES_SIZE]; /* differ too, and wait for the next start */
};

/* Takes from next the settings that a running ebbd can change, and names all that differ. */
void config_take(struct config *c, const struct config *next, struct config_change *out);
bool config_same_listeners(const struct config *a, const struct config *b);

/* A row of the table of settings, as help and documents show it. */
struct config_row {
	const char *name, *help;
	const char *below_root; /* of a directory: its name below --root, or NULL */
	char usual[48], allowed[48];
	bool live; /* changes at SIGHUP */
};

/* False behind the last row. */
bool config_row(size_t index, struct config_row *out);

#endif
