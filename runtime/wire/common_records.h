/* SPDX-License-Identifier: Apache-2.0 */
/* The names of all records, the sizes of their fields, and the structures that more than one
 * channel uses. */
#ifndef EBB_WIRE_COMMON_RECORDS_H
#define EBB_WIRE_COMMON_RECORDS_H

#include <stdint.h>

#include "runtime/wire/capabilities.h"

/* clang-format off */
#define WIRE_TYPES(X) \
	/* ebbd -> gateway */ \
	X(GATEWAY_CONFIG) X(GATEWAY_CHANGE) X(ROUTE_PUT) X(ROUTE_DEL) X(INSTANCE_UP) X(INSTANCE_DOWN) X(SOCKETS) \
	X(START_FAILED) X(GATEWAY_DRAIN) X(GATEWAY_RETIRE) X(INSTANCE_DRAIN) X(BAN) X(ROUTES_KNOWN) X(QUEUE) \
	X(POOL_DROP) X(BINDINGS) X(BINDINGS_GONE) X(RESUME) X(RESUMED) X(SITES_KNOWN) X(DELIVERIES) \
	/* gateway -> ebbd */ \
	X(GATEWAY_READY) X(NEED_INSTANCE) X(NEED_SOCKETS) X(INSTANCE_SUSPECT) X(BLAME) X(CLEARED) \
	X(CHOICE) X(QUEUE_GET) \
	/* ebbd -> api */ \
	X(API_CONFIG) X(RESULT) X(IMAGE_DONE) X(INSTANCE_INFO) X(LOG_PIPE) X(EVENT) \
	X(API_LEDGER) X(GATEWAY_FILES) X(HEALTH) X(API_CHANGE) X(EXEC_STARTED) X(EXEC_ENDED) X(SOCKETS_OF) \
	X(API_FLOW) X(API_ZONES) \
	/* api -> ebbd */ \
	X(API_READY) X(API_SETTLED) X(SERVICE_PUT) X(SERVICE_DEL) X(SITE_PUT) X(SITE_DEL) X(SERVICE_START) X(IMAGE_IMPORT) X(IMAGE_EXPORT) X(IMAGE_CANCEL) X(IMAGE_DEL) X(INSTANCES_GET) X(SOCKETS_GET) \
	X(INSTANCE_COMMAND) X(METER_FLUSH) X(NODE_DRAIN) X(NODE_UPGRADE) X(EXEC_START) X(EXEC_SIGNAL) X(SHUTDOWN) \
	/* ebbd -> ledger */ \
	X(LEDGER_CONFIG) X(METER) X(METER_SYNC) \
	/* ledger -> ebbd */ \
	X(LEDGER_READY) X(METER_ACK) \
	/* api -> ledger, and back */ \
	X(USAGE_GET) X(USAGE_ROW) X(LEDGER_VERIFY) X(LEDGER_VERDICT) \
	/* ebbd -> unpack, and back */ \
	X(UNPACK_JOB) X(UNPACK_IMAGE) X(UNPACK_CHAIN) X(UNPACK_KEYS) X(UNPACK_FLOW) X(UNPACK_DIGEST) \
	X(UNPACK_USER_FOUND) X(UNPACK_DONE) \
	/* ebbd -> ipc */ \
	X(IPC_CONFIG) X(IPC_UP) X(IPC_DOWN) \
	/* ipc -> ebbd */ \
	X(IPC_READY) X(IPC_RETIRE) \
	/* ebbd -> net */ \
	X(NET_CONFIG) X(NET_ARM) X(NET_ASSIGN) X(NET_DROP) X(NET_OPEN) \
	/* net -> ebbd */ \
	X(NET_READY) X(NET_ARMED) X(NET_ASSIGNED) X(NET_REFUSED) X(NET_OPENED) \
	/* ebbd -> dns */ \
	X(DNS_CONFIG) X(DNS_ASSIGN) X(DNS_DROP) X(DNS_OPENED) \
	/* dns -> ebbd */ \
	X(DNS_READY) X(DNS_OPEN) X(DNS_REFUSED) \
	/* ebbd -> tick */ \
	X(TICK_SET) \
	/* tick -> ebbd */ \
	X(TICK_READY) \
	/* ebbd -> flow */ \
	X(FLOW_CONFIG) \
	/* flow -> ebbd */ \
	X(FLOW_READY) \
	/* api -> flow */ \
	X(FLOW_SERVICE) X(FLOW_SCHEDULE) X(FLOW_TRIGGER) X(FLOW_KNOWN) X(SCHEDULES_GET) X(RUNS_GET) \
	X(SCHEDULE_RUN) X(QUEUES_GET) X(LETTERS_GET) X(LETTERS_MOVE) X(WORKS_GET) X(WORK_MOVE) \
	X(WORK_EVENTS_GET) \
	/* flow -> api */ \
	X(SCHEDULE_ROW) X(RUN_ROW) X(QUEUE_ROW) X(LETTER_ROW) X(WORK_ROW) X(WORK_EVENT_ROW) \
	X(FLOW_TOTALS)
/* clang-format on */

#define X(name) WIRE_##name,
enum wire_type { WIRE_TYPES(X) WIRE_TYPE_COUNT };
#undef X

/* Sizes. The name of a service is a DNS label; the id of an instance is <service>-<number in base
 * 10>. */
#define SERVICE_NAME_SIZE 64
#define INSTANCE_ID_SIZE  96
#define HOST_NAME_SIZE    256
#define PATH_PREFIX_SIZE  256
#define ERROR_TEXT_SIZE   512
#define IMAGE_LAYERS_MAX  127 /* layers that lowerdir of overlayfs takes by fsconfig(2) */
#define IMAGE_NAME_SIZE   256
#define DIGEST_SIZE       32 /* SHA-256 */
#define SECRET_KEY_BYTES  32 /* of AES-256 */
#define SERVICES_MAX      1024
#define INSTANCES_MAX     4095
#define GATEWAYS_MAX      64
#define GATEWAYS_PAIRED   (GATEWAYS_MAX / 2) /* at an upgrade in place each has another beside it */
#define SERVICE_HOSTS_MAX 32
#define LISTENERS_MAX     8
#define BINDINGS_MAX      8  /* of a service */
#define TRIGGERS_MAX      8  /* of a service: paths to which messages are pushed */
#define DEPTH_MAX         16 /* a call through bindings at this depth is a loop */
#define TRUSTED_MAX       16

/* A binding: connections to 127.0.0.1:port inside an instance are requests to the service.
 * revision: of that service as it was when the caller was deployed; it is taken if it still serves.
 * 0: none. QUEUES: they are calls to ebb-flow, for the queues of the namespace that `service`
 * names. */
enum wire_binding_kind { WIRE_BINDING_SERVICE, WIRE_BINDING_QUEUES, WIRE_BINDING_KIND_COUNT };
struct wire_binding {
	char service[SERVICE_NAME_SIZE];
	uint32_t revision;
	uint16_t port, kind; /* enum wire_binding_kind */
};

/* How to start a process; ebb-api makes it out of the config of the image and the settings of the
 * service. Opaque to root, which checks counts and terminators and passes it to execve(2). */
struct wire_exec {
	uint32_t uid, gid; /* inside the instance, 0..65535 */
	uint32_t groups[32];
	uint16_t group_count;
	uint16_t argc, envc;  /* strings in argv and env */
	uint16_t stop_signal; /* number of the signal; SIGTERM unless the image says otherwise */
	uint16_t port;        /* TCP port that the function listens on = $PORT */
	uint16_t capabilities, reserved[2]; /* bits of enum wire_capability; 0 unless uid is 0 */
	char cwd[512];                      /* absolute; made if absent */
	char argv[8192];
	char env[24576]; /* without EBB_INSTANCE, which ebbd adds */
};

#endif
