// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/ledgerlink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/readings.h"
#include "runtime/supervisor/programs/daemon.h"

#define WAITING_MAX \
	LEDGERLINK_WAITING_MAX /* meters not yet safe; at half of it new work is refused */
#define FLUSHES_MAX    64
#define ERRNO_MAX      4095              /* as the kernel's */
#define RETRY_AFTER_NS (10 * NS_PER_SEC) /* before a ledger that cannot write is started again */

struct flush {
	bool used;
	uint64_t cookie, seq;
};

struct ledgerlink {
	struct ledgerlink_options options;
	struct daemon daemon;
	int directory_fd;
	struct timer retry;
	struct readings *readings;
	/* The same in the estate: a reading that is not in the ledger yet outlives ebbd. */
	struct wire_meter *kept;
	struct estate_words *words; /* meters_given, meters_safe */
	bool broken;                /* it said it cannot write, and not yet that it can again */
	bool said_behind;
	struct flush flushes[FLUSHES_MAX];
};

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

static void answer_flushes(struct ledgerlink *l, int error)
{
	for (size_t i = 0; i < FLUSHES_MAX; i++) {
		struct flush *f = &l->flushes[i];

		if (!f->used || (error == 0 && f->seq > readings_acked(l->readings)))
			continue;
		f->used = false;
		l->options.on_flushed(l->options.self, f->cookie, error);
	}
}

static int on_ready(void *self, struct wire_message *m)
{
	struct ledgerlink *l = self;

	l->daemon.link.phase = PHASE_SERVING;
	return 0; /* whether it can write, its first acknowledgement says */
}

static bool keeps_up(void *self)
{
	const struct ledgerlink *l = self;

	return !l->broken &&
	       readings_last(l->readings) - readings_acked(l->readings) < WAITING_MAX / 2;
}

static void say_if_new(struct ledgerlink *l)
{
	bool now = keeps_up(l);

	if (now != l->said_behind)
		return;
	l->said_behind = !now;
	l->options.on_keeping_up(l->options.self, now);
}

static int on_ack(void *self, struct wire_message *m)
{
	struct ledgerlink *l = self;
	const struct wire_meter_ack *ack = (const void *)m->record;

	if (ack->err < 0 || ack->err > ERRNO_MAX || ack->seq > readings_last(l->readings))
		return -EPROTO;
	if (ack->err != 0) {
		if (!l->broken)
			log_error("event=ledger_failed cause=\"%s\" "
				  "mend=\"free disk space or mend the disk, then restart ebbd\"",
				  strerror(ack->err));
		l->broken = true;
		say_if_new(l);
		answer_flushes(l, -ack->err);
		/* The ledger acknowledges nothing on that file any more but still answers
		 * questions. A new process can write again if the disk does. */
		if (!timer_is_armed(&l->retry))
			(void)loop_timer_at(l->options.host->loop, &l->retry,
					    loop_now_ns(l->options.host->loop) + RETRY_AFTER_NS);
		return 0;
	}
	l->broken = false;
	readings_safe(l->readings, ack->seq);
	atomic_store(&l->words->meters_safe, readings_acked(l->readings));
	say_if_new(l);
	answer_flushes(l, 0);
	return 0;
}

static void on_retry(struct timer *t)
{
	struct ledgerlink *l = container_of(t, struct ledgerlink, retry);

	if (l->broken && daemon_runs(&l->daemon))
		kill(l->daemon.pid, SIGKILL);
}

static const struct wire_rule rules[] = {
	{WIRE_LEDGER_READY, 0, PHASE_STARTING, 0, 0, on_ready},
	{WIRE_METER_ACK, sizeof(struct wire_meter_ack), PHASE_SERVING, 0, 0, on_ack},
};

static void send_sync(struct ledgerlink *l)
{
	struct wire_meter_sync sync = {.seq = readings_last(l->readings)};

	daemon_send(&l->daemon, WIRE_METER_SYNC, &sync, sizeof(sync), NULL, 0);
}

void ledgerlink_channel(struct ledgerlink *l)
{
	struct wire_ledger_config config = {.boot_us = l->options.boot_us};
	SCOPED_FD ledger_end_fd = -1;
	int api_end_fd, fds[2];

	if (wire_pair(&ledger_end_fd, &api_end_fd) < 0)
		return; /* a ledger without its config ends, and is started again */
	(void)text_copy(config.node, sizeof(config.node), l->options.host->config->node);
	fds[0] = l->directory_fd;
	fds[1] = ledger_end_fd;
	daemon_send(&l->daemon, WIRE_LEDGER_CONFIG, &config, sizeof(config), fds, 2);
	l->options.on_channel(l->options.self, api_end_fd);
}

static void on_started(struct daemon *d)
{
	struct ledgerlink *l = d->self;

	d->link.phase = PHASE_STARTING;
	ledgerlink_channel(l);
	for (uint64_t seq = readings_acked(l->readings) + 1; seq <= readings_last(l->readings);
	     seq++)
		daemon_send(d, WIRE_METER, readings_at(l->readings, seq), sizeof(struct wire_meter),
			    NULL, 0);
	send_sync(l);
}

static void on_ended(struct daemon *d)
{
	struct ledgerlink *l = d->self;

	if (d->stopping)
		l->options.on_stopped(l->options.self);
}

/* The place of a number. Places begin anew when nothing waits, so that few pages are touched. */
static struct wire_meter *place(struct ledgerlink *l, uint64_t seq)
{
	return &l->kept[(seq - atomic_load(&l->words->meters_base)) % WAITING_MAX];
}

/* Readings that were added, some of them others that gave way. A place is written
 * when its reading is safe or has a later number. */
static void keep_readings(struct ledgerlink *l)
{
	uint64_t seq = atomic_load(&l->words->meters_given);

	if (seq == atomic_load(&l->words->meters_safe))
		atomic_store(&l->words->meters_base, seq + 1);
	while (seq < readings_last(l->readings)) {
		seq++;
		*place(l, seq) = *readings_at(l->readings, seq);
		atomic_store(&l->words->meters_given, seq); /* it is whole now */
		if (seq - atomic_load(&l->words->meters_safe) >= WAITING_MAX)
			atomic_store(&l->words->meters_safe, seq - WAITING_MAX + 1);
	}
	atomic_store(&l->words->meters_safe, readings_acked(l->readings));
}

/* Those that an earlier ebbd left get their numbers again. */
static int take_readings(struct ledgerlink *l)
{
	struct estate_words *words = l->words;
	int r;

	if (atomic_load(&words->meters_given) == 0) { /* above what any earlier ebbd gave */
		atomic_store(&words->meters_safe, l->options.boot_us);
		atomic_store(&words->meters_given, l->options.boot_us);
	}
	r = readings_new(WAITING_MAX, atomic_load(&words->meters_safe), &l->readings);
	if (r < 0)
		return r;
	for (uint64_t seq = atomic_load(&words->meters_safe) + 1;
	     seq <= atomic_load(&words->meters_given); seq++) {
		struct wire_meter meter = *place(l, seq);

		(void)readings_add(l->readings, &meter);
		must(meter.seq == seq);
	}
	return 0;
}

/* Where readings wait, and where the ledger keeps them. */
static int open_books(struct ledgerlink *l, struct fault *f)
{
	const char *path = l->options.host->config->ledger_dir;

	l->kept = estate_meters(l->options.host->estate);
	l->words = estate_words(l->options.host->estate);
	if (take_readings(l) < 0)
		return fault_say(f, -ENOMEM, "no memory for readings that wait for the ledger");
	l->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->directory_fd < 0)
		return fault_errno(f, -errno, "cannot open the ledger's directory %s", path);
	return 0;
}

static const struct program program = {.file = "ebb-ledger",
				       .uid = UID_LEDGER,
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .on_started = on_started,
				       .on_ended = on_ended};

int ledgerlink_new(const struct ledgerlink_options *options, struct ledgerlink **out,
		   struct fault *f)
{
	struct ledgerlink *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->options = *options;
	l->retry.on_due = on_retry;
	l->retry.name = "ledgerlink on_retry";
	l->directory_fd = -1;
	l->daemon.self = l;
	l->daemon.root_dir = options->host->config->ledger_dir;
	r = open_books(l, f);
	if (r == 0)
		r = daemon_start(&l->daemon, &program, options->host, f);
	if (r < 0) {
		ledgerlink_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void ledgerlink_free(struct ledgerlink *l)
{
	if (!l)
		return;
	loop_timer_off(l->options.host->loop, &l->retry);
	daemon_kill(&l->daemon);
	fd_close(&l->directory_fd);
	readings_free(l->readings);
	free(l);
}

/* Gives the record its sequence number, remembers and sends it. */
static void on_meter(void *self, struct wire_meter *record)
{
	struct ledgerlink *l = self;

	if (!readings_add(l->readings, record))
		log_error("event=reading_lost cause=\"%d instances wait for the ledger\"",
			  WAITING_MAX);
	keep_readings(l);
	daemon_send(&l->daemon, WIRE_METER, record, sizeof(*record), NULL, 0);
	say_if_new(l);
}

struct observer ledgerlink_observer(struct ledgerlink *l)
{
	return (struct observer){.self = l, .meter = on_meter, .keeps_up = keeps_up};
}

void ledgerlink_flush(struct ledgerlink *l, uint64_t cookie)
{
	for (size_t i = 0; i < FLUSHES_MAX; i++) {
		if (l->flushes[i].used)
			continue;
		l->flushes[i] = (struct flush){
			.used = true, .cookie = cookie, .seq = readings_last(l->readings)};
		send_sync(l);
		if (l->broken)
			answer_flushes(l, -EIO);
		return;
	}
	l->options.on_flushed(l->options.self, cookie, -EAGAIN);
}

void ledgerlink_stop(struct ledgerlink *l)
{
	wire_link_close(&l->daemon.link);
	daemon_stop(&l->daemon);
}
