/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that ebb's programs exchange with root (ebbd), each of one fixed size.
 *
 * Text fields are NUL-terminated and NUL-padded; a receiver checks that (text_terminated) before
 * use. Blobs (argv, env) are sequences of NUL-terminated strings with a count. Records live only
 * between processes of one build on one host: native byte order and alignment.
 */
#ifndef EBB_WIRE_RECORDS_H
#define EBB_WIRE_RECORDS_H

#include <stdint.h>

#include "runtime/wire/capabilities.h"
#include "runtime/wire/queue_records.h"

/* clang-format off */
#define WIRE_TYPES(X) \
	/* ebbd -> gateway */ \
	X(GATEWAY_CONFIG) X(ROUTE_PUT) X(ROUTE_DEL) X(INSTANCE_UP) X(INSTANCE_DOWN) X(SOCKETS) \
	X(START_FAILED) X(GATEWAY_DRAIN) X(INSTANCE_DRAIN) X(BAN) X(ROUTES_KNOWN) X(QUEUE) \
	X(POOL_DROP) \
	/* gateway -> ebbd */ \
	X(GATEWAY_READY) X(NEED_INSTANCE) X(NEED_SOCKETS) X(INSTANCE_SUSPECT) X(BLAME) X(CLEARED) \
	X(CHOICE) X(QUEUE_GET) \
	/* ebbd -> api */ \
	X(API_CONFIG) X(RESULT) X(IMAGE_DONE) X(INSTANCE_INFO) X(LOG_PIPE) X(EVENT) \
	X(API_LEDGER) X(GATEWAY_FILES) \
	/* api -> ebbd */ \
	X(API_READY) X(API_SETTLED) X(SERVICE_PUT) X(SERVICE_DEL) X(SERVICE_START) X(IMAGE_IMPORT) X(IMAGE_CANCEL) X(IMAGE_DEL) X(INSTANCES_GET) \
	X(INSTANCE_COMMAND) X(METER_FLUSH) X(SHUTDOWN) \
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
	X(IPC_READY) X(IPC_RETIRE)
/* clang-format on */

#define X(name) WIRE_##name,
enum wire_type { WIRE_TYPES(X) WIRE_TYPE_COUNT };
#undef X

/* Sizes. A name of a service is a DNS label; an instance is <service>-<number in base 10>. */
#define SERVICE_NAME_SIZE 64
#define INSTANCE_ID_SIZE  96
#define HOST_NAME_SIZE    256
#define PATH_PREFIX_SIZE  256
#define ERROR_TEXT_SIZE   512
#define IMAGE_LAYERS_MAX  127 /* what overlayfs's lowerdir holds by fsconfig(2) */
#define IMAGE_NAME_SIZE   256
#define DIGEST_SIZE       32 /* SHA-256 */
#define SERVICES_MAX      1024
#define INSTANCES_MAX     4095
#define GATEWAYS_MAX      64
#define SERVICE_HOSTS_MAX 4
#define LISTENERS_MAX     8
#define TRUSTED_MAX       16

/* How a process is to be started; made by ebb-api out of the image's config and the service's
 * settings. Opaque to root, which checks counts and terminators and passes it to execve(2). */
struct wire_exec {
	uint32_t uid, gid; /* inside the instance, 0..65535 */
	uint32_t groups[32];
	uint16_t group_count;
	uint16_t argc, envc;  /* strings in argv and env */
	uint16_t stop_signal; /* Linux number; SIGTERM unless the image says otherwise */
	uint16_t port;        /* TCP port the function will listen on = $PORT */
	uint16_t capabilities, reserved[2]; /* bits of enum wire_capability; 0 unless uid is 0 */
	char cwd[512];                      /* absolute; made if absent */
	char argv[8192];
	char env[24576]; /* without EBB_INSTANCE, which ebbd adds */
};

/* ---- ebbd -> gateway ---- */

/* First record. fds: board, doorbell (eventfd: write 1 after a thaw), its counters (stats.h), the
 * writing end of its access log, listeners[listener_count]. The gateway inherits the ring as fd
 * GATEWAY_RING_FD (io_uring fds cannot be sent), made while root with IORING_SETUP_R_DISABLED;
 * ring_params is its struct io_uring_params as the kernel filled it. */
#define GATEWAY_CONFIG_FDS 4 /* before the listeners */
#define GATEWAY_CONTROL_FD 3
#define GATEWAY_RING_FD    4
struct wire_network {
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint32_t bits;       /* that count, 0..128 */
};

struct wire_gateway_config {
	uint32_t index, gateway_count; /* this gateway's page on the board */
	uint32_t listener_count;
	uint32_t head_bytes_max; /* request head, 64 KiB */
	uint32_t connections_max;
	uint32_t queue_max;        /* requests waiting for an instance, in all */
	uint32_t queue_age_ms_max; /* then 503 OVERLOADED */
	uint32_t head_timeout_ms, idle_timeout_ms;
	uint32_t access_every; /* lines of the access log: 0 none, 1 all, N one of N and errors */
	uint32_t reserved;
	unsigned char ring_params[128];
	char domain[HOST_NAME_SIZE]; /* NAME.<domain> also routes; may be empty */
	/* Limits of what clients may ask for; 0 = none. */
	uint32_t head_fields_max, target_bytes_max;
	uint32_t address_connections_max, connection_requests_max;
	uint64_t body_bytes_max;
	uint32_t body_rate_min, body_window_ms; /* bytes per second, over a window */
	uint32_t proxy_listeners; /* bit n: connections of listener n begin with PROXY */
	uint32_t trusted_count;
	struct wire_network trusted[TRUSTED_MAX];
	uint32_t h2c_streams, reserved_h2c; /* of one HTTP/2 connection at a time; 0 = no HTTP/2 */
};

/* A service as the gateway needs it. index is its number in both tables, 0..SERVICES_MAX-1; putting
 * again replaces. */
struct wire_route_put {
	uint32_t index, revision;
	uint32_t concurrency_max; /* tickets per instance */
	uint32_t max_duration_ms;
	uint32_t init_timeout_ms; /* a request waits this long at most for a first instance */
	uint32_t host_count;
	char name[SERVICE_NAME_SIZE];
	char hosts[SERVICE_HOSTS_MAX][HOST_NAME_SIZE]; /* lower case, no port */
	char prefix[PATH_PREFIX_SIZE];                 /* "" or "/p": matches /p and /p/... */
	/* A variant: of the service with this index, of whose requests it gets so many. */
	uint32_t parent; /* index + 1; 0 = none, it has its own name, hosts and prefix */
	uint32_t share_permille;
	uint32_t
		hibernate_ms; /* silence after which a WebSocket gives its ticket back; 0 = never */
	uint32_t ups;         /* INSTANCE_UPs of this service so far, see NEED_INSTANCE */
};

struct wire_route_del {
	uint32_t index, reserved;
};

/* Where inside its network namespace an instance listens. */
enum wire_address { WIRE_ADDRESS_TCP, WIRE_ADDRESS_UNIX };
/* What it speaks there; AUTO: HTTP/1.1, unless it is found to speak HTTP/2. */
enum wire_http { WIRE_HTTP_AUTO, WIRE_HTTP_1, WIRE_HTTP_2, WIRE_HTTP_COUNT };

/* An instance that accepts. fds: its cgroup.freeze (write-only), then socket_count unconnected
 * sockets born in its namespace (owned by the gateway). Take a ticket on the board before use. */
struct wire_instance_up {
	uint32_t slot, generation;
	uint32_t service, revision;
	uint32_t address; /* enum wire_address */
	uint32_t socket_count;
	uint32_t backlog;  /* so many connects at first; then ask for room (QUEUE_GET) */
	uint16_t port;     /* TCP: 127.0.0.1:port */
	uint16_t upstream; /* enum wire_http */
	uint32_t ups;      /* as in ROUTE_PUT, this one among them */
	char id[INSTANCE_ID_SIZE];
	char unix_name[64]; /* UNIX: abstract name, without the leading NUL */
};

/* Why an instance ended. */
#define WIRE_DOWN_CAUSES(X) \
	X(STOPPED)          \
	X(EXITED) X(SIGNALED) X(OOM) X(SECCOMP) X(NEVER_LISTENED) X(FAILED_TO_START) X(UNRESPONSIVE)
#define X(name) WIRE_DOWN_##name,
enum wire_down_cause { WIRE_DOWN_CAUSES(X) WIRE_DOWN_CAUSE_COUNT };
#undef X
const char *wire_down_cause_name(uint32_t cause); /* "oom", ... */

struct wire_instance_down {
	uint32_t slot, generation;
	uint32_t cause; /* enum wire_down_cause */
	int32_t detail; /* exit code or signal number */
};

/* It takes no more and ends when its work has: sleeping WebSockets, which are no work, are told. */
struct wire_instance_drain {
	uint32_t slot, generation;
	uint32_t all, reserved; /* all: its time is over, so WebSockets that do not sleep go too */
};

/* No instance of this service could be started. The gateway answers the waiting requests with this
 * (502, or 503 when retry_after_s > 0 because the host is full). */
struct wire_start_failed {
	uint32_t service, cause;
	int32_t detail;
	uint32_t retry_after_s;
	char text[ERROR_TEXT_SIZE];
};

/* ROUTES_KNOWN, without a record: ebbd has told every service; a request that matches none is
 * NO_SERVICE from now on. API_SETTLED: a cookie; the API has put all services that it knew from
 * before. */

/* Requests of this kind were in flight when instances died. until_ns (CLOCK_MONOTONIC) 0: tell by
 * CLEARED if one is answered; else: answer them 503 until then, with this text. */
struct wire_ban {
	uint64_t kind, until_ns;
	uint32_t service, reserved;
	char text[ERROR_TEXT_SIZE];
};

/* ---- gateway -> ebbd ---- */

/* Requests wait and no instance had room. Idempotent: it says the present number. ups is the last
 * instance that the gateway heard of; while that is not ebbd's last, an instance with room may be
 * on its way to it. It also says how many requests were answered 503 OVERLOADED since the last
 * record: the queue was full, they waited too long, or every instance gave them back. */
struct wire_need_instance {
	uint32_t service, queued;
	uint32_t ups;
	uint32_t refused_full, refused_late, refused_nacked;
};

/* Why a request went to the instance it went to. */
#define WIRE_CHOICES(X) X(ONLY) X(FULLEST) X(WOKEN) X(SATURATED) X(OLDER)
#define X(name)         WIRE_CHOICE_##name,
enum wire_choice_reason { WIRE_CHOICES(X) WIRE_CHOICE_COUNT };
#undef X
const char *wire_choice_name(uint32_t reason); /* "fullest", ... */

/* Requests of a service go elsewhere, or for another reason, than the last one told: the choice
 * itself, what it was made from, and how many were made by reason since the last record. At most
 * one record per service and second. */
struct wire_choice {
	uint32_t service, slot, generation;
	uint32_t reason;         /* enum wire_choice_reason */
	uint32_t tickets, limit; /* of that instance, this request among them */
	/* The other instances, by kind: awake with room, frozen, saturated with room, of an older
	 * revision, without room. */
	uint32_t awake, frozen, saturated, older, full;
	uint32_t made[WIRE_CHOICE_COUNT];
};

struct wire_need_sockets {
	uint32_t slot, generation;
	uint32_t count, reserved;
};

/* A connect or a first read failed in a way that puts the instance in doubt. error ETIMEDOUT: a
 * request went on after its maxDuration although its connection was ended. */
struct wire_instance_suspect {
	uint32_t slot, generation;
	int32_t error;
	uint32_t reserved;
};

/* The requests in flight on an instance that died by itself: kinds (a hash of method and path),
 * each with a label for people, and how many more kinds there were. One record for each
 * INSTANCE_DOWN. */
#define BLAME_KINDS_MAX  8
#define BLAME_LABEL_SIZE 64
struct wire_blame {
	uint32_t service, slot, generation;
	uint32_t count, more, reserved;
	uint64_t kinds[BLAME_KINDS_MAX];
	char labels[BLAME_KINDS_MAX][BLAME_LABEL_SIZE];
};

/* A request of a kind that was blamed was answered. */
struct wire_cleared {
	uint64_t kind;
	uint32_t service, reserved;
};

/* ---- ebbd <-> api ---- */

/* fds: listening api.sock, state directory (own), log directory (own), ledger channel. */
struct wire_api_config {
	uint64_t boot_us; /* wall clock when ebbd started */
	uint32_t gateway_count, listener_count;
	char node[HOST_NAME_SIZE];
	char listeners[LISTENERS_MAX][64]; /* "127.0.0.1:8080" */
	char run_dir[1024], state_dir[1024];
	char version[32];
	uint64_t upload_bytes_max; /* of an image archive; 0 = 16 GiB */
};

/* fds: its counters (stats.h), the reading end of its access log. */
struct wire_gateway_files {
	uint32_t index, reserved;
};

/* API_LEDGER, without a record: the ledger was started again. fds: its new channel. */

/* Answer to any request that carries a cookie. err is 0 or a positive errno; text says it. */
struct wire_result {
	uint64_t cookie;
	int32_t err;
	uint32_t value;
	char text[ERROR_TEXT_SIZE];
};

/* wire_service_put.flags. OWN_RUNTIME: the image is a runtime of ours (EBB_RUNTIME=1 in its Env),
 * which serves on the socket it inherits as fd 3 instead of on TCP $PORT. */
#define WIRE_SERVICE_OWN_RUNTIME 1u
/* Its function gets one restricted io_uring as fd 4; only together with OWN_RUNTIME. */
#define WIRE_SERVICE_IO_URING 2u
/* concurrency_max is a cap, not a wish. */
#define WIRE_SERVICE_AUTO_CONCURRENCY (1u << 4)
/* Its function runs under a second, tighter seccomp filter. */
#define WIRE_SERVICE_STRICT (1u << 5)
#define WIRE_SERVICE_FLAGS_ALL                                                              \
	(WIRE_SERVICE_OWN_RUNTIME | WIRE_SERVICE_IO_URING | WIRE_SERVICE_AUTO_CONCURRENCY | \
	 WIRE_SERVICE_STRICT)

/* Desired state of one service, whole. Answered by RESULT. */
struct wire_service_put {
	uint64_t cookie;
	uint32_t revision;
	uint32_t memory_mb; /* 64.. */
	uint32_t cpu_milli; /* 1000 = one CPU; 0 = memory / 2 GiB of one */
	uint32_t pids_max;
	uint32_t scratch_mb; /* size of the writable layer */
	uint32_t max_duration_ms, init_timeout_ms, stop_grace_ms;
	uint32_t concurrency_max;
	uint32_t instances_min, instances_max;
	uint32_t freeze_after_ms; /* 0 = learned */
	uint32_t hibernate_ms;    /* for gateways, see wire_route_put */
	uint32_t flags;           /* WIRE_SERVICE_* */
	/* 0: the service itself. Else this is an earlier revision that serves beside it and gets
	 * share_permille of its requests. It has its own instances and queue, but no hosts and no
	 * prefix. (name, variant) names it, as does SERVICE_DEL. */
	uint32_t variant, share_permille;
	uint32_t layer_count, host_count;
	char name[SERVICE_NAME_SIZE];
	char hosts[SERVICE_HOSTS_MAX][HOST_NAME_SIZE];
	char prefix[PATH_PREFIX_SIZE];
	uint8_t layers[IMAGE_LAYERS_MAX][DIGEST_SIZE]; /* keys in the store, lowest first */
	struct wire_exec exec;
	uint32_t timers;   /* enum wire_timers */
	uint32_t upstream; /* enum wire_http */
};

/* Timers of a frozen instance: it is thawed in time for them; or they are late; or, where the image
 * is no runtime of ours, in time except short ticks that do nothing. */
enum wire_timers { WIRE_TIMERS_AUTO, WIRE_TIMERS_FIRE, WIRE_TIMERS_LATE, WIRE_TIMERS_COUNT };

struct wire_service_del {
	uint64_t cookie;
	uint32_t variant, reserved;
	char name[SERVICE_NAME_SIZE];
};

/* Starts an instance of the present revision if there is none. RESULT says that ebbd took the wish,
 * events say how the start ended. */
struct wire_service_start {
	uint64_t cookie;
	char name[SERVICE_NAME_SIZE];
};

#define WIRE_IMAGE_FORMATS(X) X(OCI_ARCHIVE) X(DOCKER_ARCHIVE) X(ROOTFS_TAR)
#define X(name)               WIRE_IMAGE_##name,
enum wire_image_format { WIRE_IMAGE_FORMATS(X) WIRE_IMAGE_FORMAT_COUNT };
#undef X

/* fds: the source, a regular file open for reading. Answered by IMAGE_DONE. */
struct wire_image_import {
	uint64_t cookie;
	uint32_t format; /* enum wire_image_format */
	uint32_t reserved;
	char reference[IMAGE_NAME_SIZE]; /* which image of several in the archive; "" = the only one
					  */
};

/* An image's own description (OCI image-spec config.md). ebb-unpack resolved the names with the
 * image's /etc/passwd and /etc/group. entrypoint and cmd stay apart, so that each can be
 * overridden. */
struct wire_image_config {
	uint32_t uid, gid;
	uint32_t groups[32];
	uint16_t group_count, entrypoint_count, cmd_count, env_count;
	uint16_t stop_signal; /* 0 = none given */
	uint16_t port;        /* the one exposed tcp port, or 0 */
	uint16_t user_count, reserved;
	char cwd[512]; /* "" = none given */
	char entrypoint[4096], cmd[4096];
	char env[16384];
	char users[8192]; /* of its /etc/passwd, what fits: "name:uid:gid:groups,...:home" */
};

struct wire_image_done {
	uint64_t cookie;
	int32_t err;
	uint32_t layer_count;
	uint64_t bytes;              /* unpacked size of all layers */
	char text[ERROR_TEXT_SIZE];  /* when err != 0 */
	uint8_t digest[DIGEST_SIZE]; /* of the manifest, or of the tar for rootfs archives */
	uint8_t layers[IMAGE_LAYERS_MAX][DIGEST_SIZE]; /* keys in the store, lowest first */
	struct wire_image_config config;
};

/* Removes the layers which no image in keep needs any more; api sends one per layer. RESULT. */
struct wire_image_del {
	uint64_t cookie;
	uint8_t layer[DIGEST_SIZE];
};

/* Answered by one INSTANCE_INFO per instance and a last one with last = 1 and an empty id. */
struct wire_instances_get {
	uint64_t cookie;
};

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
	int32_t pid; /* of its PID 1, on the host */
	uint64_t cpu_us, awake_us, frozen_us, memory_bytes, invocations, freezes, thaws;
	uint64_t look_us,
		background_us; /* ebbd looked at it; awake without work, in awake_us too */
	uint64_t started_us;   /* wall clock */
	char id[INSTANCE_ID_SIZE];
	char service[SERVICE_NAME_SIZE];
	char why[ERROR_TEXT_SIZE]; /* why it is in this state, for ebb why */
	uint64_t ipc_messages, ipc_refused, holds_cut, log_lines_lost, ipc_work_us, ipc_paused;
	/* In the last record: ebbd's own health since it began (loop.h). */
	uint64_t stalls, delays, longest_handler_us, longest_handler_cpu_us;
};

enum wire_instance_command { WIRE_COMMAND_FREEZE, WIRE_COMMAND_THAW, WIRE_COMMAND_STOP };

struct wire_instance_command_record {
	uint64_t cookie;
	uint32_t command, reserved;
	char id[INSTANCE_ID_SIZE];
};

/* fds: read end of the instance's stdout+stderr pipe. */
struct wire_log_pipe {
	char id[INSTANCE_ID_SIZE];
	char service[SERVICE_NAME_SIZE];
};

/* clang-format off */
/* What users read of it stands behind its name: docs/reference/events.md is made from this. */
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
	X(INSTANCE_UNRESPONSIVE, instance_unresponsive, "It went on with a request after maxDuration and is replaced") \
	X(INSTANCE_RETIRED, instance_retired, "It asked to be replaced") \
	X(REQUEST_BANNED, request_banned, "Requests of a kind under which instances died are refused for a while") \
	X(INSTANCE_EVICTED, instance_evicted, "It was stopped because its room was wanted") \
	X(INSTANCE_CHOSEN, instance_chosen, "Requests go to another instance than before, or for another reason") \
	X(PROGRAM_DIED, program_died, "One of ebb's own programs died: which, and by what") \
	X(SERVICE_MUTED, service_muted, "What an instance says on its socket is not heard for a while, because reading it ended ebb-ipc") \
	X(LOOP_STALLED, loop_stalled, "A handler of ebbd took more than 50 ms: which, how long, how much CPU")
/* clang-format on */
#define X(kind, name, words) WIRE_EVENT_##kind,
enum wire_event_kind { WIRE_EVENT_KINDS(X) WIRE_EVENT_KIND_COUNT };
#undef X
const char *wire_event_kind_name(uint32_t kind); /* "instance_frozen", ... */

struct wire_event {
	uint64_t when_us; /* wall clock */
	uint32_t kind;    /* enum wire_event_kind */
	uint32_t unready; /* 1: the instance was not ready yet */
	char service[SERVICE_NAME_SIZE];
	char instance[INSTANCE_ID_SIZE];
	char text[ERROR_TEXT_SIZE]; /* the reason, one sentence */
};

/* Reads every live meter, has the ledger commit it, then answers RESULT. */
struct wire_meter_flush {
	uint64_t cookie;
};

/* ---- ebbd <-> ledger ---- */

/* fds: ledger directory (own), channel of the api. */
struct wire_ledger_config {
	uint64_t boot_us;
	char node[HOST_NAME_SIZE];
};

#define WIRE_METER_REASONS(X) X(OPEN) X(FREEZE) X(PERIODIC) X(FLUSH) X(CLOSE)
#define X(name)               METER_AT_##name,
enum wire_meter_reason { WIRE_METER_REASONS(X) METER_REASON_COUNT };
#undef X

/* The meters of one instance, cumulative since its birth and monotonic; sending one again, or an
 * older one, is harmless. (instance, boot_us) names it for ever. */
struct wire_meter {
	uint64_t seq; /* rises by one with every METER of this ebbd; METER_ACK names the last safe
			 one */
	uint64_t boot_us, cgroup_id;
	uint64_t read_us;  /* wall clock of the reading */
	uint64_t lived_us; /* since the account was opened: awake + idle + frozen */
	uint64_t cpu_us;   /* cpu.stat usage_usec since the account was opened: what is billed */
	uint64_t cpu_user_us, cpu_system_us; /* shown, never summed */
	uint64_t cpu_init_us;                /* part of cpu_us until the instance was ready */
	uint64_t awake_us;                   /* provisioned time: sum of the awake intervals */
	uint64_t frozen_us; /* at most lived_us - awake_us, or the ledger refuses it
			       (docs/ledger.md) */
	uint64_t invocations;
	uint32_t memory_mb, revision;
	uint32_t reason; /* enum wire_meter_reason */
	uint32_t reserved;
	char instance[INSTANCE_ID_SIZE];
	char service[SERVICE_NAME_SIZE];
};

/* Commit what came before, then METER_ACK with this seq. */
struct wire_meter_sync {
	uint64_t seq;
};

/* Everything up to and with seq would survive a power cut. err != 0: the ledger cannot write. */
struct wire_meter_ack {
	uint64_t seq;
	int32_t err;
	uint32_t reserved;
};

/* ---- api <-> ledger ---- */

/* Answered by USAGE_ROWs, the last one with last = 1 and no service. service "" = all; bucket_us 0
 * = one row per service over the whole window, else one per service and bucket. Counters inside a
 * window are differences of cumulative readings, interpolation never. */
struct wire_usage_get {
	uint64_t cookie;
	uint64_t from_us, to_us, bucket_us;
	char service[SERVICE_NAME_SIZE];
};

struct wire_usage_row {
	uint64_t cookie;
	uint64_t from_us, to_us;
	uint64_t invocations, active_cpu_us, awake_us, frozen_us;
	uint64_t provisioned_mb_us; /* sum of memory_mb x awake_us */
	uint32_t instances, last;
	int32_t err;
	uint32_t reserved;
	char service[SERVICE_NAME_SIZE];
};

struct wire_ledger_verify {
	uint64_t cookie;
};

struct wire_ledger_verdict {
	uint64_t cookie;
	uint64_t rows, bad_row;    /* bad_row 0 = the chain holds */
	uint8_t head[DIGEST_SIZE]; /* hash of the last row */
	int32_t err;
	uint32_t reserved;
	char text[ERROR_TEXT_SIZE];
};

/* ---- ebbd <-> ipc ---- */

#define IPC_CONTROL_FD 3
/* IPC_CONFIG, first and without a record. fds: board, doorbell (eventfd: write 1 after a thaw). */

/* An instance whose program may talk. fds: its listening IPC socket, its cgroup.freeze
 * (write-only), the write end of its log pipe (non-blocking, of its own). */
struct wire_ipc_up {
	uint32_t slot, generation;
	uint32_t max_duration_ms; /* no hold is longer */
	uint32_t reserved;
	char id[INSTANCE_ID_SIZE];
};

struct wire_ipc_down {
	uint32_t slot, generation;
};

/* A program asks for its replacement: it takes no new work, finishes and is replaced. failed: the
 * program says that it cannot go on (unrecoverable-error). */
struct wire_ipc_retire {
	uint32_t slot, generation;
	uint32_t failed, reserved;
	char text[ERROR_TEXT_SIZE]; /* its own words, printable */
};

#endif
