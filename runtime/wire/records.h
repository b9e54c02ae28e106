/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that ebb's programs exchange with root (ebbd), each of one fixed size. Those of a
 * gateway stand here; those of the other channels are in headers of their own, which this one
 * includes. Only those of ebb-unpack are apart (unpack_records.h).
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
#include "runtime/wire/image_records.h"
#include "runtime/wire/ipc_records.h"
#include "runtime/wire/ledger_records.h"
#include "runtime/wire/net_records.h"

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

/* Also as GATEWAY_CHANGE while the gateway serves: it takes what hear.c names, and keeps the rest.
 * fds: all its listeners, those that stay too; or none, and then they stay as they are. */
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
/* Its protocol there; AUTO: HTTP/1.1, unless it is found to speak HTTP/2. */
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

/* Answers QUEUE_GET: how many connections of all gateways nobody has accepted yet, and how many of
 * them may be this gateway's. */
struct wire_queue {
	uint32_t slot, generation;
	uint32_t length, share;
};

/* The instance leaves connections waiting although it does nothing: its threads wait for a second
 * request on idle connections. The gateway closes the idle connections and keeps none for so long.
 */
struct wire_pool_drop {
	uint32_t slot, generation;
	uint32_t for_ms, reserved;
};

/* More sockets for an instance; fds: count of them. */
struct wire_sockets {
	uint32_t slot, generation;
	uint32_t count, reserved;
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

/* A gateway used up its room in the instance's accept queue, or a request has waited for an answer
 * for waited_ms. */
struct wire_queue_get {
	uint32_t slot, generation;
	uint32_t waited_ms, reserved;
};

#endif
