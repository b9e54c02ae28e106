/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance. Only the rooms instance, freeze and scale see its inside; others have report.h and
 * fleet.h. life.h moves an instance from state to state.
 */
#ifndef EBB_SUPERVISOR_INSTANCE_H
#define EBB_SUPERVISOR_INSTANCE_H

#include "runtime/supervisor/decide/idle.h"
#include "runtime/supervisor/decide/precedence.h"
#include "runtime/supervisor/decide/saturation.h"
#include "runtime/supervisor/instance/armory.h"
#include "runtime/supervisor/instance/ground.h"
#include "runtime/supervisor/instance/report.h"
#include "runtime/supervisor/look/look.h"
#include "runtime/supervisor/look/talks.h"

/* clang-format off */
#define INSTANCE_STATES(X) \
	X(WAITING)  /* for an armed sandbox */ \
	X(PREPARED) /* ahead of need: all is done but the execve; waits for the first request */ \
	X(STARTING) /* claimed; probed until it accepts */ \
	X(RUNNING) \
	X(FREEZING) /* asked, not yet seen to have happened */ \
	X(FROZEN) \
	X(DRAINING) /* takes no more tickets; SIGTERM when none is open */ \
	X(STOPPING) /* SIGTERM sent, grace running */ \
	X(DYING)    /* PID 1 is gone or killed; waiting for the cgroup to empty */ \
	X(GONE)
#define INSTANCE_EVENTS(X) \
	X(PREPARE) X(CLAIM) X(READY) X(ASK_FREEZE) X(SEEN_FROZEN) X(THAW) X(DRAIN) X(TERMINATE) X(DEATH) X(EMPTY)
/* clang-format on */
#define X(name) INSTANCE_##name,
enum instance_state { INSTANCE_STATES(X) INSTANCE_STATE_COUNT };
enum instance_event { INSTANCE_EVENTS(X) INSTANCE_EVENT_COUNT };
#undef X

/* How busy it is; load.c. */
struct load {
	struct timer timer;
	struct load_state state;
	struct precedence precedence;
	uint32_t used_milli; /* over the last sample; in the sum of all */
	bool counted;        /* in the number of those awake */
	bool counted_heavy;  /* in the number of those that use much */
	bool busy;           /* it was in its first 20 ms */
	bool glanced;        /* at these */
	uint64_t ended_ns;   /* frozen since then */
	uint64_t read_ns, cpu_us, stalled_us, first_bytes, first_byte_us; /* as read last */
	uint32_t crowded, nacks, tickets, idle_samples;
	bool stalled_known;
	uint64_t said_ns, limit_said_ns; /* the last events, and what they said */
	bool said_saturated;
	uint32_t said_limit;
};

#define SPEAKERS_MAX 16
/* Facts about an instance without work: may it be frozen, which timer is due, why not yet. */
struct idleness {
	uint64_t since_ns;           /* nothing that waits now began before: the last thaw */
	uint64_t cpu_us, sampled_ns; /* cpu.stat as it was then */
	uint64_t used_us, window_ns; /* over the last window */
	uint64_t patience_ns;        /* until the next look, while the answer is no */
	uint64_t wake_ns;            /* FROZEN: thaw then; LOOK_NEVER */
	uint64_t timer_thaws;
	enum idle_reason reason;
	bool late, by_hand, by_timer; /* frozen for good; frozen by command; thawed for a timer */
	bool ticks_work;              /* over the last two looks: see idle_view */
	uint32_t anew;                /* FROZEN: looks that are left since the clock jumped */
	uint64_t latest_ns;           /* FROZEN: wake_ns as it was before the clock jumped */
	uint64_t worked_ns; /* the last request or hold, or thaw that was not for a timer */
	uint64_t io_ns, verified_ns; /* when look.io was read; when its ticks were told apart */
	pid_t stuck_tid;             /* it did not park when asked */
	struct look look;
	struct look_run *run;   /* a look under way, or NULL */
	uint64_t part_ns;       /* when its next part is due; no look before that */
	uint64_t busy_until_ns; /* as the last look saw it; 0 */
	uint64_t spent_ns;      /* the time that looks at it took, since it was made */
	struct look_notes *notes;
	struct talks talks; /* its connections, as the last look before a freeze saw them */
	struct talk_key settled[TALKS_SETTLED];
	uint32_t settled_next; /* modulo TALKS_SETTLED */
	/* Thaws for the network. */
	bool by_wake;         /* thawed for it, and no request came since */
	bool wake_owed;       /* data wait, but its service had enough thaws this second */
	uint64_t wake_due_ns; /* then it is thawed for them */
	uint64_t wakes, wakes_late;
	char woken_by[80];
	uint16_t speakers[SPEAKERS_MAX]; /* local ports on which the peer spoke by itself */
	uint32_t speakers_next;          /* modulo SPEAKERS_MAX */
};

/* Its accept queue; accept.c. */
struct accept_queue {
	bool known, starving;  /* the kernel says how full it is; it was when looked at last */
	uint32_t max, longest; /* longest: since load.c asked last */
	uint64_t read_ns, cpu_us, held_until_ns, at_work_until_ns;
	uint32_t hold_ms;
};

struct instance {
	uint64_t egress_refused; /* attempts against its network policy that ebb-net told */
	struct ground *ground;
	struct chain in_ground; /* the list of all */
	struct spec *spec;
	uint32_t service; /* index */
	uint32_t slot, generation;
	enum instance_state state;
	char id[INSTANCE_ID_SIZE];
	char why[ERROR_TEXT_SIZE / 2]; /* it was started */

	struct armed armed; /* pid, pid_fd, control_fd, net_ns_fd */
	struct cgroup cgroup;
	int log_fd, probe_fd, root_fd;
	int start_fd; /* claimed ahead of need: a byte here executes its program; -1: not so */
	int binding_fds[BINDINGS_MAX]; /* listen inside; gateways accept. -1: none */
	bool wire_asked; /* ebb-net was told what it may reach; it starts when that is in force */
	bool wire_v6;    /* it has an IPv6 address; known with traffic_fd */
	int traffic_fd;  /* the counters of its wire; -1: not opened (yet) */
	uint32_t wire_interface;  /* index of the host's end; 0: not known (yet) */
	struct wire_use wire_use; /* as read last */
	uint64_t wire_sent_ns;    /* CLOCK_MONOTONIC: when more bytes out were seen last */
	uint64_t wire_counted_ns; /* when its connections were read last */
	bool ahead;               /* nobody needs it yet: not counted, not shown, not billed */
	struct watch control, death, probe;
	struct timer timer; /* the one thing due next in this state */
	uint64_t state_since_ns, deadline_ns, probe_gap_ns;

	/* freezing */
	uint64_t grace_ns, asked_ns, frozen_ns, frozen_sum_ns, not_before_ns;
	uint64_t freezes;
	uint32_t execs;           /* commands that run in it (ebb exec): it is not frozen */
	uint64_t repeat_until_ns; /* its holds were lost; until then they may be repeated */
	uint64_t ready_ns;
	struct idleness idle;
	uint64_t memory_bytes; /* when it was frozen last */

	struct load load;
	struct accept_queue accept;
	uint64_t deaf_ns; /* it is known since then that nobody listens; 0 */

	/* how it ended */
	bool announced, was_ready, stop_wanted, exit_known, unresponsive, outstayed;
	uint32_t cause; /* enum wire_down_cause */
	int32_t detail;
	char fault[ERROR_TEXT_SIZE];

	/* metering */
	struct {
		uint64_t since_ns, cpu_us;
	} still; /* nobody is in its cgroup, and it has used so much CPU since then (settle.h) */
	uint64_t opened_ns, started_us;
	struct cgroup_cpu before; /* CPU of arming: the platform's */
	struct wire_use wire_before;
	uint64_t init_cpu_us, read_awake_ns, read_at_ns;
	uint64_t wake_ns; /* part of background_ns: from thaws for the network until it was quiet */
	uint64_t background_ns,
		background_to_ns; /* awake by itself: so long, and seen until then */
	struct timer periodic;    /* the next reading, while it is not frozen */
	bool closed;              /* its account: the last reading was told */
	struct wire_meter last;
};

/* Followers of a state are called in order when an instance has entered the state; each gets the
 * state before. A follower may move other instances, never this one. The only follower of GONE
 * frees the instance. */
#define FOLLOWERS_MAX 7
struct followers {
	void (*on_enter[INSTANCE_STATE_COUNT][FOLLOWERS_MAX])(struct instance *i,
							      enum instance_state from);
};

/* The address of an instance whose image is a runtime of ours: an abstract unix name in its network
 * namespace. The kernel refuses a connect to a full queue at once. */
#define UNIX_NAME  "ebb-http"
#define UNIX_QUEUE 4096
/* Calls through bindings that no gateway has accepted yet, of each binding. */
#define BINDING_QUEUE 256
static inline bool instance_inherits(const struct instance *i)
{
	return i->spec->put.flags & WIRE_SERVICE_OWN_RUNTIME;
}

static inline bool instance_has_wire(const struct instance *i)
{
	return i->spec->put.egress.mode != WIRE_EGRESS_NONE;
}

/* It has a resolver (../peers/dnslink.c). */
static inline bool instance_asks(const struct instance *i)
{
	const struct wire_egress *e = &i->spec->put.egress;

	return e->mode == WIRE_EGRESS_INTERNET || e->name_count > 0;
}

/* The kind of sandbox that it needs. */
static inline enum armory_kind instance_kind(const struct instance *i)
{
	bool ring = i->spec->put.flags & WIRE_SERVICE_IO_URING;

	if (instance_has_wire(i))
		return ring ? ARMORY_NET_RING : ARMORY_NET;
	return ring ? ARMORY_RING : ARMORY_PLAIN;
}

#endif
