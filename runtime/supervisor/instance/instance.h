/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance, seen by the fleet's own files only (fleet.c, start.c, probe.c, probe_unix.c,
 * freezer.c, stop.c, metering.c, holds.c, report.c). Its life is the table next_state in fleet.c.
 */
#ifndef EBB_SUPERVISOR_INSTANCE_H
#define EBB_SUPERVISOR_INSTANCE_H

#include "runtime/supervisor/decide/idle.h"
#include "runtime/supervisor/decide/saturation.h"
#include "runtime/supervisor/instance/armory.h"
#include "runtime/supervisor/instance/common.h"
#include "runtime/supervisor/instance/report.h"
#include "runtime/supervisor/look/look.h"

/* clang-format off */
#define INSTANCE_STATES(X) \
	X(WAITING)  /* for an armed sandbox */ \
	X(PREPARED) /* ahead of need: has sandbox, limits and root, waits for the first request */ \
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
	uint64_t read_ns, cpu_us, stalled_us, first_bytes, first_byte_us; /* as read last */
	uint32_t crowded, nacks, tickets, idle_samples;
	bool stalled_known;
	uint64_t said_ns, limit_said_ns; /* the last events, and what they said */
	bool said_saturated;
	uint32_t said_limit;
};

/* What is known of an instance without work: may it be frozen, what is due, why not yet. */
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
	uint64_t worked_ns; /* the last request or hold, or thaw that was not for a timer */
	uint64_t io_ns, verified_ns; /* when look.io was read; when its ticks were told apart */
	pid_t stuck_tid;             /* it did not park when asked */
	struct look look;
	struct look_run *run;   /* a look under way, or NULL */
	uint64_t part_ns;       /* when its next part is due; no look before that */
	uint64_t busy_until_ns; /* as the last look saw it; 0 */
	uint64_t spent_ns;      /* what looking at it took, since it was made */
	struct look_notes *notes;
};

/* Its accept queue; accept.c. */
struct accept_queue {
	bool known, starving;  /* the kernel says how full it is; it was when looked at last */
	uint32_t max, longest; /* longest: since load.c asked last */
	uint64_t read_ns, cpu_us, held_until_ns;
	uint32_t hold_ms;
};

struct instance {
	struct fleet *fleet;
	struct instance *next; /* in the fleet's list, oldest first */
	struct spec *spec;
	uint32_t service; /* index */
	uint32_t slot, generation;
	enum instance_state state;
	char id[INSTANCE_ID_SIZE];
	char why[ERROR_TEXT_SIZE / 2]; /* it was started */

	struct armed armed; /* pid, pid_fd, control_fd, net_ns_fd */
	struct cgroup cgroup;
	int log_fd, probe_fd, root_fd;
	bool ahead; /* nobody needs it yet: not counted, not shown, not billed */
	struct watch control, death, probe;
	struct timer timer; /* the one thing due next in this state */
	uint64_t state_since_ns, deadline_ns, probe_gap_ns;

	/* freezing */
	uint64_t grace_ns, asked_ns, frozen_ns, frozen_sum_ns, not_before_ns;
	uint64_t freezes;
	uint64_t repeat_until_ns; /* its holds were lost; until then they may be repeated */
	uint64_t ready_ns;
	struct idleness idle;
	uint64_t memory_bytes; /* when it was frozen last */

	struct load load;
	struct accept_queue accept;

	/* how it ended */
	bool announced, was_ready, stop_wanted, exit_known, unresponsive, outstayed;
	uint32_t cause; /* enum wire_down_cause */
	int32_t detail;
	char fault[ERROR_TEXT_SIZE];

	/* metering */
	uint64_t opened_ns, started_us;
	struct cgroup_cpu before; /* CPU of arming: the platform's */
	uint64_t init_cpu_us, read_awake_ns, read_at_ns;
	uint64_t background_ns,
		background_to_ns; /* awake by itself: so long, and seen until then */
	struct timer periodic;    /* the next reading, while it is not frozen */
	struct wire_meter last;
};

struct fleet {
	struct fleet_options options;
	struct armory *armory;
	int home_ns_fd;
	bool stopping;
	uint32_t host_cpu_milli;
	uint64_t parts_from_ns; /* no second part of anybody's look before that */
	struct timer rescale;   /* look at every service again */
	struct watch pressure;  /* for memory, on the host; evict.c */
	uint32_t count, next_slot;
	struct instance *first;
	struct instance *slots[INSTANCES_MAX];
};

/* fleet.c */
void instance_move(struct instance *i, enum instance_event event); /* must be in the table */
/* Of a service; at most ERROR_TEXT_SIZE bytes. */
void service_say(struct fleet *f, const struct service *service, uint32_t event_kind,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void instance_say(struct instance *i, uint32_t event_kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
struct instance *fleet_instance(struct fleet *f, uint32_t slot, uint32_t generation);
/* Drains the instances of a service that are not of this revision; also_up: those that serve too.
 */
void fleet_drain(struct fleet *f, uint32_t service, const struct spec *except, bool also_up);
void fleet_forget(struct instance *i); /* the last thing done to an instance; frees it */

/* scale.c */
void fleet_scale(struct fleet *f, struct service *service);
/* One that serves is about to go: another comes, unless there are others already. */
void fleet_replace(struct instance *i, const char *why);
/* While the present revision fails to start: what waits gets instances of the last one that did
 * not. False if there is none and nobody serves. */
bool fleet_fall_back(struct fleet *f, struct service *service);
void fleet_rescale_at(struct fleet *f, uint64_t due_ns); /* all services, not later than this */
void fleet_on_rescale(struct timer *t);

/* start.c */
int instance_new(struct fleet *f, struct service *service, struct spec *spec, bool ahead,
		 const char *why);
/* Sends the one made ahead for this service, if there is one, on its way. */
bool instance_use_prepared(struct fleet *f, const struct service *service, const char *why);
void fleet_claim_waiting(struct fleet *f); /* gives armed sandboxes to those that wait */

/* Tells the API of it and hands over its output. Not on the way of a fast start: everybody woken
 * then takes a CPU from it. */
void instance_announce(struct instance *i);

/* probe.c */
void probe_begin(struct instance *i);
void probe_ready(struct instance *i); /* it accepts */

/* probe_unix.c: the same for one that inherited its listening socket */
void probe_unix_begin(struct instance *i);
void probe_off(struct instance *i); /* closes what the probe had open */

/* Where an instance serves whose image is a runtime of ours: an abstract unix name in its network
 * namespace. The kernel refuses a connect to a full queue at once. */
#define UNIX_NAME  "ebb-http"
#define UNIX_QUEUE 4096
static inline bool instance_inherits(const struct instance *i)
{
	return i->spec->put.flags & WIRE_SERVICE_OWN_RUNTIME;
}

/* What its sandbox must have. */
static inline enum armory_kind instance_kind(const struct instance *i)
{
	return i->spec->put.flags & WIRE_SERVICE_IO_URING ? ARMORY_RING : ARMORY_PLAIN;
}
/* quiet.c */
/* Whether an instance without work may be frozen now; if not, *again_ns is when to ask again. */
bool quiet_enough(struct instance *i, uint64_t *again_ns);
void quiet_sample(struct instance *i); /* where the next window of CPU begins */
/* It was seen frozen: what is due, and when must it be thawed for it? While i->idle.run is not
 * NULL, that is not known yet: again at part_ns. */
void quiet_frozen(struct instance *i);
void quiet_end(struct instance *i); /* no look goes on */
void quiet_thawed(struct instance *i, uint64_t since_ns, bool by_timer);

/* evict.c: frozen instances stay until their room is wanted */
void evict_note(struct instance *i); /* it was frozen: what it occupies */
/* How many more instances of a service have room now. */
uint32_t evict_room(struct fleet *f, const struct service *service);
/* There is none: makes room for one. False if nobody may go for it; true: when those that go are
 * gone, all services are looked at again. */
bool evict_for(struct fleet *f, const struct service *service);
/* None may go now, but one that just became idle may as soon as it is frozen. */
bool evict_soon(struct fleet *f, const struct service *service);
/* One starts: gives the host back what it lacks for that. */
void evict_to_reserve(struct fleet *f, const struct service *service);
/* Whether the host has memory for what is not needed yet. */
bool evict_spares(struct fleet *f);
void evict_watch(struct fleet *f); /* memory pressure of the host */
void evict_watch_end(struct fleet *f);

/* why.c */
void instance_explain(const struct instance *i, board_word w, char *out, size_t size);

/* freezer.c */
void freezer_begin(struct instance *i); /* ready or thawed: when may it freeze? */
int freezer_ask(struct instance *i);    /* 0 or -EBUSY */
void freezer_thaw(struct instance *i);  /* by the supervisor itself */
void freezer_look(struct instance *i);  /* did a gateway thaw it? */
/* Not to be frozen before this, whatever else: WebSockets that sleep ahead of time, see board.h. */
uint64_t freezer_kept_until_ns(const struct instance *i);

/* choice.c */
/* Tells why requests go where they go, if that is news and not too early. */
void choice_say_due(struct fleet *f, struct service *service);

/* accept.c */
void accept_begin(struct instance *i);
/* A gateway asks. 0 with *out, and *drop_ms > 0 if idle connections to it are to be closed and none
 * kept for so long; -errno. */
int accept_ask(struct instance *i, uint32_t waited_ms, struct wire_queue *out, uint32_t *drop_ms);
/* For each gateway at first. */
uint32_t accept_room(const struct instance *i);
/* The longest it was since this was asked last. */
uint32_t accept_longest(struct instance *i);

/* load.c */
uint32_t load_limit_first(const struct spec *spec); /* tickets of a new instance */
void load_begin(struct instance *i);                /* ready or thawed: measure while it works */
void load_end(struct instance *i);

/* stop.c */
void stop_drain(struct instance *i);
/* It does not end what it was told to end: drains, but only for its stop grace. */
void stop_unresponsive(struct instance *i);
void stop_terminate(struct instance *i);
void stop_kill(struct instance *i, uint32_t cause, const char *fault);
void stop_watch(struct instance *i); /* control socket and death */

/* holds.c has what ebb-ipc needs: see fleet.h */

/* metering.c */
void meter_open(struct instance *i);
void meter_ready(struct instance *i);
void meter_take(struct instance *i);                                /* brings i->last up to date */
void meter_read(struct instance *i, enum wire_meter_reason reason); /* and sends it to the ledger */
/* It was awake without work until then (at most now), and not quiet: that is provisioned time too.
 */
void meter_background(struct instance *i, uint64_t idle_since_ns, uint64_t to_ns);
/* It may use something: read it now and then. Not while it is frozen. */
void meter_begin(struct instance *i);
void meter_end(struct instance *i);

#endif
