/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that the programs of ebb exchange with root (ebbd), each of one fixed size. The
 * records of a gateway stand here. The records of the other channels stand in headers of their own,
 * which this header includes; only those of ebb-unpack are apart (unpack_records.h).
 *
 * Text fields are NUL-terminated and NUL-padded; a receiver checks that (text_terminated) before
 * use. Blobs (argv, env) are sequences of NUL-terminated strings with a count. Records live only
 * between processes of one build on one host: native byte order and alignment.
 */
#ifndef EBB_WIRE_RECORDS_H
#define EBB_WIRE_RECORDS_H

#include <stdint.h>

#include "runtime/wire/api_records.h"
#include "runtime/wire/common_records.h"
#include "runtime/wire/flow_records.h"
#include "runtime/wire/image_records.h"
#include "runtime/wire/ipc_records.h"
#include "runtime/wire/ledger_records.h"
#include "runtime/wire/net_records.h"
#include "runtime/wire/site_records.h"
#include "runtime/wire/tick_records.h"

/* ---- ebbd -> gateway ---- */

/* GATEWAY_CONFIG, the first record. fds: board, doorbell (an eventfd: write 1 after a thaw), the
 * counters (stats.h), the writing end of the access log, listeners[listener_count]. The gateway
 * inherits the ring as fd GATEWAY_RING_FD, because an io_uring cannot be sent. Root made the ring
 * with IORING_SETUP_R_DISABLED; ring_params is its struct io_uring_params as the kernel filled it.
 */
#define GATEWAY_CONFIG_FDS 4 /* fds before the listeners */
#define GATEWAY_CONTROL_FD 3
#define GATEWAY_RING_FD    4
struct wire_network {
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint32_t bits;       /* leading bits that must be equal, 0..128 */
};

/* Also sent as GATEWAY_CHANGE while the gateway serves: it takes what gateway/hear/hear.c names,
 * and keeps the rest. fds: all its listeners, also those that stay; or none, and then all stay as
 * they are. */
struct wire_gateway_config {
	uint32_t index, gateway_count; /* index: of the page of this gateway on the board */
	uint32_t listener_count;
	uint32_t head_bytes_max; /* bytes of a request head */
	uint32_t connections_max;
	uint32_t queue_max;        /* requests that wait for an instance, of all services */
	uint32_t queue_age_ms_max; /* a request waits so long at most, then 503 OVERLOADED */
	uint32_t head_timeout_ms, idle_timeout_ms;
	uint32_t access_every;  /* the access log: 0 no line, 1 all, N one of N and every error */
	uint32_t routes_follow; /* 1: ROUTES_KNOWN comes at once, and nobody is accepted before */
	unsigned char ring_params[128];
	char domain[HOST_NAME_SIZE]; /* NAME.<domain> also routes to a service; may be empty */
	/* Limits for clients; 0 = no limit. */
	uint32_t head_fields_max, target_bytes_max;
	uint32_t address_connections_max, connection_requests_max;
	uint64_t body_bytes_max;
	uint32_t body_rate_min, body_window_ms; /* bytes per second over a window, see pace.c */
	uint32_t proxy_listeners; /* bit n: connections of listener n begin with PROXY */
	uint32_t trusted_count;
	struct wire_network trusted[TRUSTED_MAX];
	uint32_t h2c_streams, reserved_h2c; /* streams of a connection at a time; 0 = no HTTP/2 */
};

/* A service as the gateway needs it. index is its number for ebbd and the gateway,
 * 0..SERVICES_MAX-1; putting it again replaces it. */
struct wire_route_put {
	uint32_t index, revision;
	uint32_t concurrency_max; /* tickets per instance */
	uint32_t max_duration_ms;
	uint32_t init_timeout_ms; /* a request waits so long at most for the first instance */
	uint32_t host_count;
	char name[SERVICE_NAME_SIZE];
	char hosts[SERVICE_HOSTS_MAX][HOST_NAME_SIZE]; /* lower case, no port */
	char prefix[PATH_PREFIX_SIZE];                 /* "" or "/p": matches /p and /p/... */
	/* A variant: parent is the service whose requests it shares; it gets share_permille of
	 * them. */
	uint32_t parent; /* index + 1; 0 = no variant: it has a name, hosts and a prefix */
	uint32_t share_permille;
	uint32_t
		hibernate_ms; /* silence after which a WebSocket gives its ticket back; 0 = never */
	uint32_t ups;         /* number of INSTANCE_UPs of this service so far, see NEED_INSTANCE */
	uint32_t flags;       /* WIRE_ROUTE_* */
	uint32_t body_kb_max; /* KiB of a request body, decoded; 0 = any */
	/* Keys of paths (http/path_key.h) at which no public request arrives; 0 = none. */
	uint64_t internal[TRIGGERS_MAX];
};
/* PRIVATE: no public request is for this service. CALLS: it has bindings. */
#define WIRE_ROUTE_PRIVATE 1u
#define WIRE_ROUTE_CALLS   2u

/* The service is gone. */
struct wire_route_del {
	uint32_t index, reserved;
};

/* The kind of address on which an instance listens inside its network namespace. */
enum wire_address { WIRE_ADDRESS_TCP, WIRE_ADDRESS_UNIX };
/* The protocol of an instance; AUTO: HTTP/1.1, unless it is found to speak HTTP/2. */
enum wire_http { WIRE_HTTP_AUTO, WIRE_HTTP_1, WIRE_HTTP_2, WIRE_HTTP_COUNT };

/* An instance that accepts connections. fds: its cgroup.freeze (write-only), then socket_count
 * unconnected sockets born in its namespace; the gateway owns them. Take a ticket on the board
 * before use. */
struct wire_instance_up {
	uint32_t slot, generation;
	uint32_t service, revision;
	uint32_t address; /* enum wire_address */
	uint32_t socket_count;
	uint32_t backlog;  /* so many connects at first; then ask for room (QUEUE_GET) */
	uint16_t port;     /* TCP: 127.0.0.1:port */
	uint16_t upstream; /* enum wire_http */
	uint32_t ups;      /* as in ROUTE_PUT, with this one */
	char id[INSTANCE_ID_SIZE];
	char unix_name[64]; /* UNIX: the abstract name, without the leading NUL */
};

/* The bindings of an instance that was born. fds: count listening sockets inside its namespace,
 * which the gateway owns. Comes before INSTANCE_UP: a program may call before it accepts. */
struct wire_bindings {
	uint32_t slot, generation;
	uint32_t count, reserved;
	char id[INSTANCE_ID_SIZE];
	char service[SERVICE_NAME_SIZE]; /* of the caller */
	struct wire_binding list[BINDINGS_MAX];
};

/* The instance is gone, whether or not it came up. */
struct wire_bindings_gone {
	uint32_t slot, generation;
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
	int32_t detail; /* exit code or signal number, by cause */
};

/* The instance takes no new work and ends when its open work has ended. Sleeping WebSockets are no
 * work and are told to go. */
struct wire_instance_drain {
	uint32_t slot, generation;
	uint32_t all, reserved; /* all: its time is over, so awake WebSockets are told too */
};

/* No instance of this service could be started. The gateway answers the waiting requests with this
 * text: 502, or 503 when retry_after_s > 0, because the host is full. */
struct wire_start_failed {
	uint32_t service, cause;
	int32_t detail;
	uint32_t retry_after_s;
	char text[ERROR_TEXT_SIZE];
};

/* ROUTES_KNOWN, without a record: ebbd has told every service, so a request that matches none is
 * NO_SERVICE from now on. API_SETTLED, with a cookie, from ebb-api: ebb-api has put all services
 * that it knew from before. */

/* GATEWAY_RETIRE, without a record: another gateway accepts in the place of this one. It accepts no
 * more; each connection ends when its client has had one more answer or is done, and WebSockets go
 * on until GATEWAY_DRAIN. */

/* RESUME and RESUMED, without a record: another ebbd took over. Between them it says all there
 * is, some of it known already (INSTANCE_UP, ROUTE_PUT); the rest is gone. Questions that were not
 * answered are asked again. */

/* Requests of this kind were in flight when instances died. until_ns 0: watch the kind, and send
 * CLEARED when one is answered. Else: answer requests of the kind with 503 and this text until then
 * (CLOCK_MONOTONIC). */
struct wire_ban {
	uint64_t kind, until_ns;
	uint32_t service, reserved;
	char text[ERROR_TEXT_SIZE];
};

/* Answers QUEUE_GET. length: connections, of all gateways, that nobody has accepted yet; share: how
 * many of them may be of this gateway. */
struct wire_queue {
	uint32_t slot, generation;
	uint32_t length, share;
};

/* The instance leaves connections waiting although it does nothing, because its threads wait for a
 * second request on idle connections. The gateway closes its idle connections and keeps none for
 * for_ms. */
struct wire_pool_drop {
	uint32_t slot, generation;
	uint32_t for_ms, reserved;
};

/* More sockets for an instance. fds: count sockets, which the gateway owns. */
struct wire_sockets {
	uint32_t slot, generation;
	uint32_t count, reserved;
};

/* ---- gateway -> ebbd ---- */

/* Requests wait and no instance had room: queued is the present number, so a repeated record does
 * no harm. ups: the number of the last INSTANCE_UP that the gateway got; while ebbd has sent more,
 * an instance with room may be on its way. The refused_ numbers count 503 OVERLOADED since the last
 * record: the queue was full, requests waited too long, or every instance gave them back. */
struct wire_need_instance {
	uint32_t service, queued;
	uint32_t ups;
	uint32_t refused_full, refused_late, refused_nacked;
};

/* Why a request went to its instance. */
#define WIRE_CHOICES(X) X(ONLY) X(FULLEST) X(WOKEN) X(SATURATED) X(OLDER)
#define X(name)         WIRE_CHOICE_##name,
enum wire_choice_reason { WIRE_CHOICES(X) WIRE_CHOICE_COUNT };
#undef X
const char *wire_choice_name(uint32_t reason); /* "fullest", ... */

/* Requests of a service go to another instance than the last record told, or for another reason:
 * the choice, the numbers behind it, and how many choices were made by reason since the last
 * record. At most one record per service and second. */
struct wire_choice {
	uint32_t service, slot, generation;
	uint32_t reason;         /* enum wire_choice_reason */
	uint32_t tickets, limit; /* of that instance, with this request */
	/* The number of instances by kind: awake with room, frozen, saturated with room, of an
	 * older revision, without room. */
	uint32_t awake, frozen, saturated, older, full;
	uint32_t made[WIRE_CHOICE_COUNT];
};

/* Asks for count more sockets of an instance. */
struct wire_need_sockets {
	uint32_t slot, generation;
	uint32_t count, reserved;
};

/* A connect or a first read failed in a way that puts the instance in doubt. error: -errno.
 * ETIMEDOUT, without the minus: a request went on after its maxDuration, although its connection
 * was half-closed. */
struct wire_instance_suspect {
	uint32_t slot, generation;
	int32_t error;
	uint32_t reserved;
};

/* The requests in flight on an instance that died by itself: kinds (a hash of method and path),
 * each with a label for people, and how many more kinds there were. One record for each
 * INSTANCE_DOWN of that sort. */
#define BLAME_KINDS_MAX  8
#define BLAME_LABEL_SIZE 64
struct wire_blame {
	uint32_t service, slot, generation;
	uint32_t count, more, reserved;
	uint64_t kinds[BLAME_KINDS_MAX];
	char labels[BLAME_KINDS_MAX][BLAME_LABEL_SIZE];
};

/* A request of a kind that was blamed got an answer. */
struct wire_cleared {
	uint64_t kind;
	uint32_t service, reserved;
};

/* Asks for QUEUE: the gateway used up its room in the accept queue of the instance, or a request
 * has waited for an answer for waited_ms. */
struct wire_queue_get {
	uint32_t slot, generation;
	uint32_t waited_ms, reserved;
};

#endif
