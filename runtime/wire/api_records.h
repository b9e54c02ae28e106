/* SPDX-License-Identifier: Apache-2.0 */
/* Records between ebbd and ebb-api; those about images are in image_records.h. */
#ifndef EBB_WIRE_API_RECORDS_H
#define EBB_WIRE_API_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/common_records.h"
#include "runtime/wire/net_records.h"

/* ---- ebbd <-> api ---- */

/* API_CONFIG, the first record. fds: the listening api.sock, the state directory and the log
 * directory (both owned by ebb-api), the channel to the ledger, and the listener of status_listen
 * if there is one. Also sent as API_CHANGE, without fds, when the settings have changed. */
struct wire_api_config {
	uint64_t boot_us; /* wall clock when ebbd started */
	uint32_t gateway_count, listener_count;
	char node[HOST_NAME_SIZE], domain[HOST_NAME_SIZE];
	char listeners[LISTENERS_MAX][64]; /* "127.0.0.1:8080" */
	char run_dir[1024], state_dir[1024];
	char version[32];
	uint64_t upload_bytes_max; /* bytes of an image archive; 0 = 16 GiB */
	uint32_t instances_max;
	uint32_t egress; /* enum wire_egress_mode of services that do not say: NONE or INTERNET */
	uint32_t upgrades, upgrades_failed; /* in place, since boot_us */
	uint64_t events_given;              /* the number of the last event; 0: none yet */
	/* API_CONFIG only: the key with which secrets are sealed. If there is none, secret_fault
	 * says why in a sentence and secret_mend what to do; else both are "". */
	uint8_t secret_key[SECRET_KEY_BYTES];
	char secret_fault[ERROR_TEXT_SIZE], secret_mend[ERROR_TEXT_SIZE];
};

/* A gateway was started. fds: its counters (stats.h), the reading end of its access log. */
struct wire_gateway_files {
	uint32_t index, reserved;
};

/* API_LEDGER, without a record: the ledger was started again. fds: the new channel to it. */

/* API_FLOW, without a record: ebb-flow was started. fds: the channel to it. API_ZONES, without a
 * record, before it: fds: the directory of the time zone database, read-only and cut off from the
 * rest of the host; it does not come if the host has none. */

/* HEALTH: the reasons that keep this host from taking work; sent each time that they change. */
enum wire_ill {
	WIRE_ILL_STARTS = 1,   /* no sandbox can be made */
	WIRE_ILL_LEDGER = 2,   /* the ledger cannot write down the usage of instances */
	WIRE_ILL_STOPPING = 4, /* ebbd ends */
};
struct wire_health {
	uint32_t ill, reserved; /* bits of enum wire_ill */
};

/* The answer to any request that carries a cookie. err: 0 or a positive errno, which text explains.
 */
struct wire_result {
	uint64_t cookie;
	int32_t err;
	uint32_t value;
	char text[ERROR_TEXT_SIZE];
};

/* Flags of wire_service_put. OWN_RUNTIME: the image is a runtime of ours (EBB_RUNTIME=1 in its
 * Env). It serves on the socket that it inherits as fd 3, not on TCP $PORT. */
#define WIRE_SERVICE_OWN_RUNTIME 1u
/* The function gets one restricted io_uring as fd 4; only together with OWN_RUNTIME. */
#define WIRE_SERVICE_IO_URING 2u
/* ebb finds the limit of requests per instance itself, up to concurrency_max. */
#define WIRE_SERVICE_AUTO_CONCURRENCY (1u << 4)
/* The function runs under a second, tighter seccomp filter. */
#define WIRE_SERVICE_STRICT (1u << 5)
/* No public request reaches the service: bindings do. */
#define WIRE_SERVICE_PRIVATE (1u << 6)
#define WIRE_SERVICE_FLAGS_ALL                                                              \
	(WIRE_SERVICE_OWN_RUNTIME | WIRE_SERVICE_IO_URING | WIRE_SERVICE_AUTO_CONCURRENCY | \
	 WIRE_SERVICE_STRICT | WIRE_SERVICE_PRIVATE)

/* The desired state of one service, whole. Answered by RESULT. */
struct wire_service_put {
	uint64_t cookie;
	uint32_t revision;
	uint32_t memory_mb; /* 64.. */
	uint32_t cpu_milli; /* 1000 = one CPU; 0 = one CPU for each 2 GiB of memory */
	uint32_t pids_max;
	uint32_t scratch_mb; /* size of the writable layer */
	uint32_t max_duration_ms, init_timeout_ms, stop_grace_ms;
	uint32_t concurrency_max;
	uint32_t instances_min, instances_max;
	uint32_t freeze_after_ms; /* 0 = learned */
	uint32_t hibernate_ms;    /* for gateways, see wire_route_put */
	uint32_t flags;           /* WIRE_SERVICE_* */
	/* 0: the service itself. Else an earlier revision that serves beside it and gets
	 * share_permille of its requests. A variant has its own instances and queue, but no hosts
	 * and no prefix. (name, variant) names it, here and in SERVICE_DEL. A record of the service
	 * itself with the revision of a variant makes the two change places: instances stay, and
	 * the revision before becomes a variant without a share. */
	uint32_t variant, share_permille;
	uint32_t layer_count, host_count;
	char name[SERVICE_NAME_SIZE];
	char hosts[SERVICE_HOSTS_MAX][HOST_NAME_SIZE];
	char prefix[PATH_PREFIX_SIZE];
	uint8_t layers[IMAGE_LAYERS_MAX][DIGEST_SIZE]; /* keys in the store, lowest first */
	struct wire_exec exec;
	uint32_t timers;   /* enum wire_timers */
	uint32_t upstream; /* enum wire_http */
	struct wire_egress egress;
	uint32_t binding_count;
	uint32_t body_kb_max; /* for gateways, see wire_route_put */
	uint32_t arrivals;    /* enum wire_arrivals */
	uint32_t reserved_arrivals;
	struct wire_binding bindings[BINDINGS_MAX];
	uint64_t internal[TRIGGERS_MAX]; /* for gateways, see wire_route_put */
};

/* Timers of a frozen instance. FIRE: the instance is thawed in time for them. LATE: they wait for
 * the next request. AUTO: as FIRE for a runtime of ours; in other images short ticks that do
 * nothing are late (docs/interface.md section 9). */
enum wire_timers { WIRE_TIMERS_AUTO, WIRE_TIMERS_FIRE, WIRE_TIMERS_LATE, WIRE_TIMERS_COUNT };

/* Data from the network for a frozen instance: they wake it, or wait for the next thaw. */
enum wire_arrivals { WIRE_ARRIVALS_WAKE, WIRE_ARRIVALS_LATE, WIRE_ARRIVALS_COUNT };

struct wire_service_del {
	uint64_t cookie;
	uint32_t variant, reserved;
	char name[SERVICE_NAME_SIZE];
};

/* Starts an instance of the present revision if there is none. RESULT says that ebbd took the
 * request; events say how the start ended. */
struct wire_service_start {
	uint64_t cookie;
	uint32_t variant, reserved; /* as in wire_service_put */
	char name[SERVICE_NAME_SIZE];
};

/* Answered by one INSTANCE_INFO per instance and a last one with last = 1 and an empty id. */
struct wire_instances_get {
	uint64_t cookie;
	uint32_t counted, reserved; /* counted 1: also the open connections of each */
};

/* Asks for the sockets inside an instance. */
struct wire_sockets_get {
	uint64_t cookie;
	char id[INSTANCE_ID_SIZE];
};

/* The answer. fds: a socket of NETLINK_SOCK_DIAG that was born inside (netns/sockets.h), with which
 * nobody can do more than list; none if err is a positive errno. */
struct wire_sockets_of {
	uint64_t cookie;
	int32_t err;
	uint32_t reserved;
};

/* The parts of wire_instance_info about the network that are known. */
enum wire_info_network { WIRE_INFO_V4 = 1, WIRE_INFO_V6 = 2, WIRE_INFO_CONNECTIONS = 4 };

enum wire_instance_state {
	WIRE_INSTANCE_STARTING,
	WIRE_INSTANCE_RUNNING,
	WIRE_INSTANCE_FROZEN,
	WIRE_INSTANCE_DRAINING,
};

struct wire_instance_info {
	uint64_t cookie;
	uint32_t last, state; /* enum wire_instance_state */
	uint32_t slot, generation;
	uint32_t revision, tickets, holds;
	int32_t pid; /* PID 1 of the instance, as the host numbers it */
	uint64_t cpu_us, awake_us, frozen_us, memory_bytes, invocations, freezes, thaws;
	uint64_t look_us,
		background_us; /* ebbd looked at it; awake without work, part of awake_us */
	uint64_t started_us;   /* wall clock */
	char id[INSTANCE_ID_SIZE];
	char service[SERVICE_NAME_SIZE];
	char why[ERROR_TEXT_SIZE]; /* why it is in this state; `ebb why` shows it */
	uint64_t ipc_messages, ipc_refused, holds_cut, log_lines_lost, ipc_work_us, ipc_paused;
	uint64_t egress_refused;                               /* attempts that ebb-net told */
	uint64_t net_out_bytes, net_in_bytes, net_connections; /* as in METER */
	uint32_t network;     /* bits of enum wire_info_network: which of these are there */
	uint32_t connections; /* open now, with somebody outside of it */
	uint8_t v4[4], v6[16];
	uint32_t reserved_network;
	/* Thaws for the network; those that had to wait; time from such a thaw until it was quiet,
	 * part of background_us. */
	uint64_t wakes, wakes_late, wake_us;
	/* In the record with last = 1: the health of ebbd itself since it began (loop.h). */
	uint64_t stalls, delays, longest_handler_us, longest_handler_cpu_us;
};

enum wire_instance_command { WIRE_COMMAND_FREEZE, WIRE_COMMAND_THAW, WIRE_COMMAND_STOP };

struct wire_instance_command_record {
	uint64_t cookie;
	uint32_t command, reserved;
	char id[INSTANCE_ID_SIZE];
};

/* The output of an instance. fds: the read end of its pipe for stdout and stderr. */
struct wire_log_pipe {
	char id[INSTANCE_ID_SIZE];
	char service[SERVICE_NAME_SIZE];
};

/* clang-format off */
/* The text for users stands behind each name; docs/reference/events.md is made from this table. */
#define WIRE_EVENT_KINDS(X) \
	X(SERVICE_UP, service_up, "A service is taken up, or a new revision of it") \
	X(SERVICE_GONE, service_gone, "A service was removed") \
	X(INSTANCE_STARTING, instance_starting, "An instance is being started: why, with the numbers") \
	X(INSTANCE_READY, instance_ready, "It accepts connections") \
	X(INSTANCE_FROZEN, instance_frozen, "It was frozen") \
	X(INSTANCE_THAWED, instance_thawed, "It was thawed") \
	X(INSTANCE_STOPPED, instance_stopped, "It ended as it was told to") \
	X(INSTANCE_FAILED, instance_failed, "It could not start, or ended by itself: exit code, signal, memory or a forbidden system call") \
	X(IMAGE_IMPORTED, image_imported, "An image came into the store") \
	X(GATEWAY_UP, gateway_up, "A gateway serves") \
	X(GATEWAY_LOST, gateway_lost, "A gateway died; another one is started") \
	X(INSTANCE_SATURATED, instance_saturated, "An instance has more to do than it can: the measure that says so") \
	X(INSTANCE_RELIEVED, instance_relieved, "It has room again") \
	X(CONCURRENCY_CHANGED, concurrency_changed, "The automatic limit of requests per instance moved") \
	X(REQUESTS_REFUSED, requests_refused, "Requests were answered 503: sums by cause, at most every 5 s") \
	X(START_REFUSED, start_refused, "No instance is started although one is wanted: why, with the numbers") \
	X(INSTANCE_UNRESPONSIVE, instance_unresponsive, "It goes on after maxDuration, or nobody listens any more: it is replaced") \
	X(INSTANCE_RETIRED, instance_retired, "It asked to be replaced") \
	X(REQUEST_BANNED, request_banned, "Requests of a kind under which instances died are refused for a while") \
	X(INSTANCE_EVICTED, instance_evicted, "It was stopped because its room was wanted") \
	X(INSTANCE_CHOSEN, instance_chosen, "Requests go to another instance than before, or for another reason") \
	X(PROGRAM_DIED, program_died, "One of ebb's own programs died: which, and by what") \
	X(SERVICE_MUTED, service_muted, "Messages of an instance are not heard for a while, because reading them ended ebb-ipc") \
	X(LOOP_STALLED, loop_stalled, "A handler of ebbd took more than 50 ms: which, how long, how much CPU") \
	X(SETTINGS_CHANGED, settings_changed, "ebbd has read its settings again: which are in force now, which wait for its next start") \
	X(SETTINGS_REFUSED, settings_refused, "ebbd has read its settings again and changed nothing: why") \
	X(UPGRADED, upgraded, "Another version of ebb has taken over in place: from which binary") \
	X(UPGRADE_FAILED, upgrade_failed, "Another version of ebb took over in place and could not go on; the one before does: why") \
	X(UPGRADE_REFUSED, upgrade_refused, "Another version of ebb cannot take over in place, and nothing has changed: why") \
	X(NODE_DRAINED, node_drained, "The host takes no new work (`ebb drain`), until when its instances may go on") \
	X(NODE_UNDRAINED, node_undrained, "The host takes work again (`ebb undrain`)") \
	X(EGRESS_REFUSED, egress_refused, "An instance tried to reach what ebb.egress does not let it: address, port, rule") \
	X(RUN_FAILED, run_failed, "A run of a schedule failed: which, after how many deliveries, why") \
	X(RUN_SKIPPED, run_skipped, "A run of a schedule was left out: which, why") \
	X(MESSAGE_DEAD, message_dead, "A message is a dead letter: its topic and consumer, how many deliveries, why") \
	X(TOPIC_UNHEARD, topic_unheard, "A message came for a topic that no consumer hears") \
	X(WORKFLOW_FAILED, workflow_failed, "A run of a workflow failed: which; `ebb runs show` has its log")
/* clang-format on */
#define X(kind, name, words) WIRE_EVENT_##kind,
enum wire_event_kind { WIRE_EVENT_KINDS(X) WIRE_EVENT_KIND_COUNT };
#undef X
/* Whether ebb-flow may tell events of this kind. */
bool wire_event_is_of_flow(uint32_t kind);
const char *wire_event_kind_name(uint32_t kind); /* "instance_frozen", ... */

/* Events of this ebbd and of those before it that a new ebb-api hears of. */
#define EVENTS_KEPT_MAX 256

struct wire_event {
	uint64_t number;   /* rises by one; begins at the date in us, and stays below 2^53 */
	uint64_t when_us;  /* wall clock */
	uint32_t kind;     /* enum wire_event_kind */
	uint32_t unready;  /* 1: the instance was not ready yet */
	uint32_t revision; /* of the instance; 0: it is about none */
	uint32_t again;    /* 1: it happened before this ebb-api served */
	char service[SERVICE_NAME_SIZE];
	char instance[INSTANCE_ID_SIZE];
	char text[ERROR_TEXT_SIZE]; /* the reason, one sentence */
};

/* The host takes no new work, or takes work again. Answered by RESULT: for a drain when the last
 * instance is gone, or with ECANCELED when another record of this kind came. */
struct wire_node_drain {
	uint64_t cookie;
	uint64_t deadline_ms;     /* ms from now; 0 = when the time of the last request is over */
	uint32_t drain, reserved; /* drain 0: the host takes work again */
};

/* Whether the binaries that stand in the place of those that run can take over. Answered by RESULT:
 * err 0 and their version as the text, or the reason. */
enum wire_upgrade {
	WIRE_UPGRADE_ASK,     /* and nothing more */
	WIRE_UPGRADE_PROMISE, /* if they can, they will: at GO, or when ebbd or ebb-api has died */
	WIRE_UPGRADE_GO,      /* if they can, they do, after the answer */
	WIRE_UPGRADE_COUNT
};

struct wire_node_upgrade {
	uint64_t cookie;
	uint32_t how, reserved; /* enum wire_upgrade */
};

/* Runs a command in an instance, under all limits of its function. The command has the user,
 * environment and directory of the function. Answered by EXEC_STARTED if it runs and, in any case,
 * by EXEC_ENDED. */
struct wire_exec_start {
	uint64_t cookie; /* not 0, and not that of another running command */
	uint32_t tty, rows, columns;
	uint16_t argc, reserved;
	char id[INSTANCE_ID_SIZE];
	char argv[8192];
};

/* Signals a command. number 0: the command is killed, and EXEC_ENDED does not come. */
struct wire_exec_signal {
	uint64_t cookie;
	uint32_t number, reserved;
};

/* The command runs. fds: without tty its standard input (to write), output and error (to read);
 * with tty the master of its terminal. */
struct wire_exec_started {
	uint64_t cookie;
	uint32_t tty, reserved;
};

/* The command ended. err 0: with this exit code or signal. Else err and text say why it did not
 * run; ESRCH: its instance is gone. */
struct wire_exec_ended {
	uint64_t cookie;
	int32_t err, code;
	uint32_t signalled, reserved;
	char text[ERROR_TEXT_SIZE];
};

/* Reads every live meter, has the ledger commit the readings, then answers RESULT. */
struct wire_meter_flush {
	uint64_t cookie;
};

#endif
