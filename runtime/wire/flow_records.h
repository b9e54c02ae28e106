/* SPDX-License-Identifier: Apache-2.0 */
/* The records of ebb-flow, which keeps schedules: from ebbd, and to and from ebb-api. */
#ifndef EBB_WIRE_FLOW_RECORDS_H
#define EBB_WIRE_FLOW_RECORDS_H

#include <stdint.h>

#include "runtime/wire/common_records.h"

/* ---- ebbd <-> flow ---- */

/* FLOW_CONFIG, the first record, without one. fds: the directory of its store (owned by ebb-flow),
 * the channel to ebb-api. Comes again with the channel of another ebb-api. In the directory stands
 * FLOW_SOCKET, on which the gateways listen: a request there is a delivery, for the service that
 * x-ebb-service names. FLOW_READY, without a record: its store is open. */
#define FLOW_CONTROL_FD 3
#define FLOW_SOCKET     "gateways.sock"

/* DELIVERIES, without a record, to a gateway. fd: the listening socket of FLOW_SOCKET, which all
 * gateways share. A gateway that has it keeps the one that it has. */

/* ---- api -> flow ---- */

#define SCHEDULES_MAX       20 /* of a service */
#define SCHEDULE_NAME_SIZE  256
#define SCHEDULE_PATH_SIZE  256
#define SCHEDULE_TEXT_SIZE  128
#define SCHEDULE_ZONE_SIZE  64
#define SCHEDULE_ZONE_BYTES 8192
#define SCHEDULE_TOKEN_SIZE 1024
#define QUEUE_NAME_SIZE     256 /* of a topic or a consumer: [A-Za-z0-9_-]+ */

/* A run that is due while an earlier one of its schedule is not over: both run, it is left out, or
 * it waits. */
enum wire_overlap { WIRE_OVERLAP_ALLOW, WIRE_OVERLAP_SKIP, WIRE_OVERLAP_QUEUE, WIRE_OVERLAP_COUNT };
/* Runs that were due while nobody could see to it: one of them is made up for, or none. */
enum wire_missed { WIRE_MISSED_ONCE, WIRE_MISSED_SKIP, WIRE_MISSED_COUNT };
enum wire_run_method { WIRE_RUN_GET, WIRE_RUN_POST, WIRE_RUN_METHOD_COUNT };

/* FLOW_SERVICE: the schedules of a service are the `count` FLOW_SCHEDULE that follow, its triggers
 * the `triggers` FLOW_TRIGGER. FLOW_KNOWN, without a record: services that were not said on this
 * channel have none. */
struct wire_flow_service {
	uint32_t count, triggers;
	char service[SERVICE_NAME_SIZE];
};

struct wire_flow_schedule {
	uint32_t overlap, missed; /* enum wire_overlap, enum wire_missed */
	uint32_t method;          /* enum wire_run_method */
	uint32_t jitter_s;        /* a run begins up to so much later, by chance */
	uint32_t retries;         /* deliveries at most behind the first */
	uint32_t zone_size;       /* 0 = UTC */
	char service[SERVICE_NAME_SIZE];
	char name[SCHEDULE_NAME_SIZE];
	char expression[SCHEDULE_TEXT_SIZE];
	char zone[SCHEDULE_ZONE_SIZE];
	char path[SCHEDULE_PATH_SIZE];
	char space[SERVICE_NAME_SIZE], topic[QUEUE_NAME_SIZE]; /* a message there instead; or "" */
	char host[HOST_NAME_SIZE];
	char token[SCHEDULE_TOKEN_SIZE]; /* of Authorization: Bearer; "" = none. It is a secret. */
	uint8_t zone_bytes[SCHEDULE_ZONE_BYTES]; /* its file of the time zone database */
};

/* Messages of a topic are pushed to a path of the service, for the consumer of this name. A topic
 * that ends in * is each that begins so. */
struct wire_flow_trigger {
	uint32_t deliveries_max;  /* then it is a dead letter */
	uint32_t retry_after_s;   /* behind a delivery that failed */
	uint32_t initial_delay_s; /* before the first one */
	uint32_t concurrency_max; /* deliveries at once */
	char service[SERVICE_NAME_SIZE], space[SERVICE_NAME_SIZE];
	char topic[QUEUE_NAME_SIZE], consumer[QUEUE_NAME_SIZE];
	char path[SCHEDULE_PATH_SIZE];
	char host[HOST_NAME_SIZE];
};

/* BINDINGS and BINDINGS_GONE, from ebbd: the same records that gateways get, with those bindings of
 * an instance that lead to queues. */

/* Asks for all schedules, of a service or of all (""). Answered by SCHEDULE_ROWs and a last one
 * with last = 1 and no service. */
struct wire_schedules_get {
	uint64_t cookie;
	char service[SERVICE_NAME_SIZE];
};

/* The same for runs, the newest first: RUN_ROWs. schedule "": of all schedules. */
struct wire_runs_get {
	uint64_t cookie;
	char service[SERVICE_NAME_SIZE], schedule[SCHEDULE_NAME_SIZE];
};

/* Runs a schedule now. Answered by RESULT, whose text is the id of the run. */
struct wire_schedule_run {
	uint64_t cookie;
	char service[SERVICE_NAME_SIZE], schedule[SCHEDULE_NAME_SIZE];
};

/* Asks for all topics with their consumers, of a namespace or of all (""): QUEUE_ROWs, one for each
 * consumer, or one for a topic without any. */
struct wire_queues_get {
	uint64_t cookie;
	char space[SERVICE_NAME_SIZE];
};

/* Messages of a topic that no consumer has handled (or of one consumer; "": of all), the oldest
 * first, or only dead letters: LETTER_ROWs. LETTERS_MOVE delivers them again, or drops them
 * (purge). number 0: all. Answered by RESULT, whose text is their number. */
struct wire_letters_get {
	uint64_t cookie, number;
	uint32_t dead, purge;
	char space[SERVICE_NAME_SIZE];
	char topic[QUEUE_NAME_SIZE], consumer[QUEUE_NAME_SIZE];
};

/* Runs of workflows of a namespace ("": of all), the newest first, or the one of that id (of any
 * namespace, if space is ""): WORK_ROWs. state WIRE_WORK_ALL: in any state. WORK_MOVE cancels the
 * run of that id, or sends the message that goes on with it; answered by RESULT. */
#define WORK_ID_ROOM 72
enum wire_work_state {
	WIRE_WORK_PENDING,
	WIRE_WORK_RUNNING,
	WIRE_WORK_COMPLETED,
	WIRE_WORK_FAILED,
	WIRE_WORK_CANCELLED,
	WIRE_WORK_ALL
};
struct wire_works_get {
	uint64_t cookie;
	uint32_t state, retry;
	char space[SERVICE_NAME_SIZE];
	char id[WORK_ID_ROOM];
};

/* Events of a run of a workflow, the oldest first, behind the one of number `after`: as many
 * WORK_EVENT_ROWs as are sent at once. None: there are no more. */
struct wire_work_events_get {
	uint64_t cookie, after;
	char space[SERVICE_NAME_SIZE];
	char id[WORK_ID_ROOM];
};

/* ---- flow -> api ---- */

#define RUN_ID_SIZE   33 /* 32 hexadecimal digits */
#define RUN_ID_ROOM   40 /* of a field that has one */
#define RUN_TEXT_SIZE 256

#define WIRE_RUN_STATES(X) X(WAITING) X(DELIVERING) X(DONE) X(FAILED) X(SKIPPED)
#define X(name)            WIRE_RUN_##name,
enum wire_run_state { WIRE_RUN_STATES(X) WIRE_RUN_STATE_COUNT };
#undef X
const char *wire_run_state_name(uint32_t state); /* "done", ... */

/* The reason why there is a run. */
enum wire_run_cause { WIRE_RUN_BY_TIME, WIRE_RUN_BY_HAND, WIRE_RUN_MISSED, WIRE_RUN_CAUSE_COUNT };
const char *wire_run_cause_name(uint32_t cause); /* "time", ... */

/* Times are wall clock; 0 = not yet. */
struct wire_run_row {
	uint64_t cookie;
	uint32_t last, state, cause, attempts;
	uint32_t status, reserved; /* of the last answer; 0 = there was none */
	int32_t err, reserved_err;
	uint64_t scheduled_us, due_us, begun_us, ended_us;
	char id[RUN_ID_ROOM];
	char service[SERVICE_NAME_SIZE], schedule[SCHEDULE_NAME_SIZE];
	char text[RUN_TEXT_SIZE]; /* why it failed or was skipped */
};

struct wire_schedule_row {
	uint64_t cookie;
	uint32_t last, open; /* open: runs that are not over */
	int32_t err;
	uint32_t has_run; /* run has the last one */
	uint64_t next_us; /* 0 = never */
	char service[SERVICE_NAME_SIZE], schedule[SCHEDULE_NAME_SIZE];
	char expression[SCHEDULE_TEXT_SIZE], zone[SCHEDULE_ZONE_SIZE], path[SCHEDULE_PATH_SIZE];
	char topic[QUEUE_NAME_SIZE]; /* or "", and there is a path */
	struct wire_run_row run;
};

/* A consumer of a topic; consumer "": the topic has none. */
struct wire_queue_row {
	uint64_t cookie;
	uint32_t last, pushed; /* pushed: by a trigger; else it polls */
	int32_t err, reserved;
	uint64_t waiting, delivering, dead; /* messages; without a consumer: all wait */
	uint64_t messages, bytes;           /* of the topic */
	uint64_t oldest_us;                 /* due time of the first that waits; 0 = none */
	char space[SERVICE_NAME_SIZE];
	char topic[QUEUE_NAME_SIZE], consumer[QUEUE_NAME_SIZE];
};

/* The state of a message for a consumer. */
#define WIRE_LETTER_STATES(X) X(WAITING) X(DELIVERING) X(BEHIND) X(DEAD)
#define X(name)               WIRE_LETTER_##name,
enum wire_letter_state { WIRE_LETTER_STATES(X) WIRE_LETTER_STATE_COUNT };
#undef X
const char *wire_letter_state_name(uint32_t state); /* "dead", ... */

/* A run of a workflow. Words are as its client sent them. */
struct wire_work_row {
	uint64_t cookie;
	uint32_t last, state;
	int32_t err, reserved;
	uint64_t created_us, started_us, ended_us, updated_us; /* 0 = not yet */
	uint64_t events, bytes;
	char space[SERVICE_NAME_SIZE], service[SERVICE_NAME_SIZE];
	char id[WORK_ID_ROOM];
	char deployment[136], name[520];
};

/* An event of such a run. Nobody has read its bytes. */
struct wire_work_event_row {
	uint64_t cookie, number;
	uint32_t last, reserved;
	int32_t err, reserved_err;
	uint64_t created_us, bytes;
	char id[40], type[32];
	char about[136]; /* the step, hook or wait; "" = the run itself */
	char step[520];  /* the name of the step, or "" */
};

#define LETTER_BODY_SHOWN 256
struct wire_letter_row {
	uint64_t cookie, number;
	uint32_t last, state, attempts, failures;
	int32_t err;
	uint32_t shown; /* bytes of body */
	uint64_t created_us, due_us, expires_us, size;
	char space[SERVICE_NAME_SIZE];
	char topic[QUEUE_NAME_SIZE], consumer[QUEUE_NAME_SIZE];
	char type[128]; /* its content type */
	char text[RUN_TEXT_SIZE];
	char body[LETTER_BODY_SHOWN]; /* its beginning */
};

/* FLOW_TOTALS, since ebb-flow began; sent after a change. */
struct wire_flow_totals {
	uint64_t due, late,
		late_us; /* runs that began; those that began 50 ms late; how late in all */
	uint64_t attempts, done, failed, skipped, missed;
	uint64_t broken; /* 1: its store cannot be written */
	/* Messages: sent, delivered for the first time, those that were 50 ms late, deliveries,
	 * handled, dead letters, refused, out of time. */
	uint64_t sent, given, given_late, given_late_us, tries, handled, dead, refused, expired;
	uint64_t messages, bytes; /* that are there now */
	/* Runs of workflows: not over now, and those that came to an end. */
	uint64_t works, works_completed, works_failed, works_cancelled;
};

#endif
