// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/ledger/answer.h"
#include "runtime/ledger/append.h"
#include "runtime/wire/link.h"

/* Rows at the end of the chain that are recomputed before the ledger says it is ready. */
#define TAIL_ROWS 1000u

enum { PHASE_NEW = 1, PHASE_SERVING = 2 };

struct ledger {
	struct loop *loop;
	struct wire_link control;
	struct timer batch; /* due when the waiting readings must be committed */
	struct watch api;   /* owns the descriptor of ebb-api's channel */
	uint32_t api_events;
	int dir_fd;
	struct db db;
	struct wire_meter waiting[APPEND_BATCH_MAX];
	size_t waiting_count;
	uint64_t last_seq; /* the seq of the last METER or METER_SYNC */
	bool sync_wanted;
	bool ack_due; /* ack is to be sent; a newer ack replaces it, as acks are cumulative */
	struct wire_meter_ack ack;
	struct answer answer;
	struct wire_message message; /* of ebb-api */
};

static void commit_by(struct ledger *l, uint64_t ms)
{
	must(loop_timer_at(l->loop, &l->batch, clock_mono_ns() + ms * NS_PER_MS) == 0);
}

/* ---- acknowledging ---- */

/* Sends the acknowledgement, or leaves it due while others are queued. Acknowledgements are
 * cumulative, so a newer one replaces one that was not sent. */
static void send_ack(struct ledger *l)
{
	l->ack_due = wire_link_queued(&l->control) > 0;
	if (!l->ack_due)
		(void)wire_link_send(&l->control, WIRE_METER_ACK, &l->ack, sizeof(l->ack), NULL, 0);
}

static void on_drained(struct wire_link *link)
{
	struct ledger *l = link->self;

	if (l->ack_due)
		send_ack(l);
}

static void ack(struct ledger *l, uint64_t seq)
{
	l->ack.seq = seq;
	l->ack.err = l->db.sql.broken;
	send_ack(l);
}

static void log_report(const struct append_report *r)
{
	char instance[INSTANCE_ID_SIZE + 8];

	log_debug("event=commit added=%zu old=%zu refused=%zu", r->added, r->old, r->refused);
	if (r->refused)
		log_error("event=reading_refused count=%zu instance=%s seq=%" PRIu64 " why=\"%s\"",
			  r->refused,
			  log_quote(instance, sizeof(instance), r->refused_meter.instance),
			  r->refused_meter.seq, r->fault);
}

/* Commits the waiting readings and acknowledges them. While another program holds the lock the
 * readings wait, and the control channel is read only as far as there is room for more readings, so
 * none is dropped. */
static void commit(struct ledger *l)
{
	struct append_report report;
	int err = 0;

	if (l->waiting_count)
		err = append_batch(&l->db, l->waiting, l->waiting_count, &report);
	if (err == -EBUSY) {
		log_warn("event=ledger_locked mend=\"end the program that writes to ledger.db\"");
		commit_by(l, LEDGER_BATCH_MS);
		return;
	}
	if (err)
		log_error("event=ledger_broken err=%d why=\"%s\" mend=\"free or replace the disk; "
			  "nothing is acknowledged until ebb-ledger starts again\"",
			  -err, l->db.sql.why);
	else if (l->waiting_count)
		log_report(&report);
	if (l->sync_wanted || l->waiting_count)
		ack(l, err ? l->ack.seq : l->last_seq);
	l->waiting_count = 0;
	l->sync_wanted = false;
	loop_timer_off(l->loop, &l->batch);
	wire_link_hear(&l->control, true);
}

static void on_batch(struct timer *t)
{
	commit(container_of(t, struct ledger, batch));
}

/* ---- the control channel ---- */

static int check_tail(struct ledger *l)
{
	uint64_t first = l->db.head_id > TAIL_ROWS ? l->db.head_id - TAIL_ROWS + 1 : 1;
	struct verify v;
	int err = verify_begin(&l->db, first, &v);

	while (!err && (err = verify_step(&l->db, &v)) == 1)
		err = 0;
	if (err)
		return err;
	if (v.bad_row) {
		log_error("event=ledger_damaged why=\"%s\" mend=\"restore ledger.db from a copy; "
			  "until then it can be read, but takes no readings\"",
			  v.text);
		sql_break(&l->db.sql, EBADMSG);
	}
	return 0;
}

/* SQLite wants a path. The ledger directory is this process's root, so it is entered as "/": the
 * descriptor comes from the mount namespace of ebbd, and a directory entered by it has no path
 * here. Sanitizer builds keep the host's root and use the descriptor. */
static int enter_directory(struct ledger *l)
{
	struct stat root, dir;

	if (stat("/", &root) < 0 || fstat(l->dir_fd, &dir) < 0)
		return -errno;
	if (root.st_dev == dir.st_dev && root.st_ino == dir.st_ino)
		return chdir("/") < 0 ? -errno : 0;
	return fchdir(l->dir_fd) < 0 ? -errno : 0;
}

static int open_database(struct ledger *l)
{
	int err = enter_directory(l);

	if (!err)
		err = db_open(&l->db, "ledger.db");
	if (!err && fsync(l->dir_fd) < 0)
		err = -errno;
	if (!err)
		err = check_tail(l);
	if (err)
		log_error("event=ledger_unusable err=%d why=\"%s\"", -err, l->db.sql.why);
	return err;
}

static void on_api(struct watch *w, uint32_t events);

/* Waits for a request on ebb-api's channel, or during an answer for room to send. While the
 * answer is worked on and nothing is sent there is room at once, so each round of the loop does
 * a slice. */
static void watch_api(struct ledger *l)
{
	uint32_t events = l->answer.kind == ANSWER_NONE ? EPOLLIN : EPOLLOUT;

	if (l->api.fd < 0 || events == l->api_events)
		return;
	l->api_events = events;
	must(loop_rewatch(l->loop, &l->api, events) == 0);
}

static void drop_api(struct ledger *l)
{
	answer_fini(&l->answer);
	loop_unwatch(l->loop, &l->api);
	fd_close(&l->api.fd);
}

static int take_api(struct ledger *l, int *api_fd)
{
	drop_api(l);
	l->api = (struct watch){.fd = keep_fd(api_fd), .on_ready = on_api, .name = "ledger on_api"};
	l->api_events = EPOLLIN;
	return loop_watch(l->loop, &l->api, EPOLLIN);
}

static int on_config(void *self, struct wire_message *m)
{
	struct ledger *l = self;
	int err;

	if (fcntl(m->fds[1], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	err = take_api(l, &m->fds[1]);
	if (err || l->control.phase == PHASE_SERVING) /* only ebb-api is new, not this process */
		return err;
	l->dir_fd = keep_fd(&m->fds[0]);
	err = open_database(l);
	if (err)
		return err;
	l->control.phase = PHASE_SERVING;
	log_info("event=ready rows=%" PRIu64, l->db.head_id);
	return wire_link_send(&l->control, WIRE_LEDGER_READY, NULL, 0, NULL, 0);
}

static int on_meter(void *self, struct wire_message *m)
{
	struct ledger *l = self;

	if (l->db.sql.broken)
		return 0; /* this reading is never acknowledged, so ebbd keeps it */
	must(l->waiting_count < APPEND_BATCH_MAX);
	memcpy(&l->waiting[l->waiting_count], m->record, sizeof(struct wire_meter));
	l->last_seq = l->waiting[l->waiting_count++].seq;
	if (l->waiting_count == 1)
		commit_by(l, LEDGER_BATCH_MS);
	if (l->waiting_count == APPEND_BATCH_MAX)
		commit(l);
	wire_link_hear(&l->control, l->waiting_count < APPEND_BATCH_MAX);
	return 0;
}

static int on_sync(void *self, struct wire_message *m)
{
	struct ledger *l = self;
	struct wire_meter_sync sync;

	memcpy(&sync, m->record, sizeof(sync));
	if (l->db.sql.broken) {
		ack(l, l->ack.seq);
		return 0;
	}
	l->last_seq = sync.seq;
	l->sync_wanted = true;
	commit(l);
	return 0;
}

static const struct wire_rule control_rules[] = {
	{WIRE_LEDGER_CONFIG, sizeof(struct wire_ledger_config), PHASE_NEW | PHASE_SERVING, 2, 2,
	 on_config},
	{WIRE_METER, sizeof(struct wire_meter), PHASE_SERVING, 0, 0, on_meter},
	{WIRE_METER_SYNC, sizeof(struct wire_meter_sync), PHASE_SERVING, 0, 0, on_sync},
};

/* err 0 or -EPIPE: ebbd is gone. Records that it sent before are still committed (ledger_run). */
static void on_lost(struct wire_link *link, int err)
{
	struct ledger *l = link->self;

	loop_stop(l->loop, err == -EPIPE ? 0 : err);
}

/* ---- the channel of ebb-api ---- */

static int on_usage(void *self, struct wire_message *m)
{
	struct ledger *l = self;
	struct wire_usage_get get;

	memcpy(&get, m->record, sizeof(get));
	answer_usage(&l->answer, &get);
	return 0;
}

static int on_verify(void *self, struct wire_message *m)
{
	struct ledger *l = self;
	struct wire_ledger_verify verify;

	memcpy(&verify, m->record, sizeof(verify));
	answer_verify(&l->answer, &l->db, verify.cookie);
	return 0;
}

static const struct wire_rule api_rules[] = {
	{WIRE_USAGE_GET, sizeof(struct wire_usage_get), PHASE_SERVING, 0, 0, on_usage},
	{WIRE_LEDGER_VERIFY, sizeof(struct wire_ledger_verify), PHASE_SERVING, 0, 0, on_verify},
};

static int read_api(struct ledger *l)
{
	int got = wire_recv(l->api.fd, &l->message);

	if (got == 1)
		return wire_dispatch(api_rules, ARRAY_LEN(api_rules), PHASE_SERVING, l,
				     &l->message);
	return got == 0 ? -EPIPE : got == -EAGAIN ? 0 : got;
}

/* Does one slice of the answer under way, or reads one request. */
static void on_api(struct watch *w, uint32_t events)
{
	struct ledger *l = container_of(w, struct ledger, api);
	int err;

	if (l->answer.kind != ANSWER_NONE)
		err = answer_step(&l->answer, &l->db, l->api.fd);
	else
		err = read_api(l);
	if (err && err != -EPIPE)
		log_error("event=api_dropped err=%d", -err);
	if (err)
		drop_api(l);
	else
		watch_api(l);
}

/* ---- life cycle ---- */

static void ledger_free(struct ledger *l)
{
	answer_fini(&l->answer);
	db_close(&l->db);
	wire_link_close(&l->control);
	if (l->loop) {
		loop_timer_off(l->loop, &l->batch);
		drop_api(l);
	}
	fd_close(&l->dir_fd);
	loop_free(l->loop);
	free(l);
}

static int serve(struct ledger *l, int control_fd)
{
	int err = loop_new(&l->loop);

	if (!err)
		err = wire_link_open(&l->control, l->loop, control_fd);
	if (!err)
		err = loop_run(l->loop);
	if (!err)
		commit(l); /* readings that came before ebbd ended are still committed */
	return err;
}

int ledger_run(int control_fd)
{
	struct ledger *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->api.fd = l->dir_fd = -1;
	l->batch = (struct timer){.on_due = on_batch, .name = "ledger on_batch"};
	l->control = (struct wire_link){.name = "ebbd",
					.rules = control_rules,
					.rule_count = ARRAY_LEN(control_rules),
					.phase = PHASE_NEW,
					.self = l,
					.lost = on_lost,
					.drained = on_drained,
					.burst = APPEND_BATCH_MAX,
					.ends_on_failure = true};
	err = serve(l, control_fd);
	ledger_free(l);
	return err;
}
