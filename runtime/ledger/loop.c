// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/ledger/answer.h"
#include "runtime/ledger/append.h"
#include "runtime/wire/channel.h"

/* Rows at the end of the chain that are recomputed before the ledger says it is ready. */
#define TAIL_ROWS 1000u

enum { PHASE_NEW = 1, PHASE_SERVING = 2 };

struct ledger {
	uint32_t phase;
	int control_fd, api_fd, dir_fd, timer_fd;
	struct db db;
	struct wire_meter waiting[APPEND_BATCH_MAX];
	size_t waiting_count;
	uint64_t last_seq; /* named last by a METER or METER_SYNC */
	bool sync_wanted;
	bool ack_due; /* ack is to be sent; a newer one replaces it, they are cumulative */
	struct wire_meter_ack ack;
	struct answer answer;
	struct wire_message message;
};

static void set_timer(struct ledger *l, uint64_t ms)
{
	struct itimerspec when = {.it_value.tv_nsec = (long)(ms * NS_PER_MS)};

	must(timerfd_settime(l->timer_fd, 0, &when, NULL) == 0);
}

/* ---- acknowledging ---- */

static void ack(struct ledger *l, uint64_t seq)
{
	l->ack.seq = seq;
	l->ack.err = l->db.broken;
	l->ack_due = true;
}

static int send_ack(struct ledger *l)
{
	int err = wire_send(l->control_fd, WIRE_METER_ACK, &l->ack, sizeof(l->ack), NULL, 0);

	if (err == -EAGAIN)
		return 0;
	l->ack_due = false;
	return err;
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

/* Commits the waiting readings and acknowledges them. While another program holds the lock, they
 * wait on, and the control channel is read only as far as there is room: nothing is dropped. */
static void commit(struct ledger *l)
{
	struct append_report report;
	int err = 0;

	if (l->waiting_count)
		err = append_batch(&l->db, l->waiting, l->waiting_count, &report);
	if (err == -EBUSY) {
		log_warn("event=ledger_locked mend=\"end the program that writes to ledger.db\"");
		set_timer(l, LEDGER_BATCH_MS);
		return;
	}
	if (err)
		log_error("event=ledger_broken err=%d why=\"%s\" mend=\"free or replace the disk; "
			  "nothing is acknowledged until ebb-ledger starts again\"",
			  -err, l->db.why);
	else if (l->waiting_count)
		log_report(&report);
	if (l->sync_wanted || l->waiting_count)
		ack(l, err ? l->ack.seq : l->last_seq);
	l->waiting_count = 0;
	l->sync_wanted = false;
	set_timer(l, 0);
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
		db_break(&l->db, EBADMSG);
	}
	return 0;
}

/* SQLite wants a path. The directory is this process's root; by the descriptor, which comes from
 * the mount namespace of ebbd, it would have no name here. Sanitizer builds keep the host's root.
 */
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
		log_error("event=ledger_unusable err=%d why=\"%s\"", -err, l->db.why);
	return err;
}

static void take_api(struct ledger *l, int *api_fd)
{
	answer_fini(&l->answer);
	fd_close(&l->api_fd);
	l->api_fd = keep_fd(api_fd);
}

static int on_config(void *self, struct wire_message *m)
{
	struct ledger *l = self;
	int err = 0;

	if (fcntl(m->fds[1], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	take_api(l, &m->fds[1]);
	if (l->phase == PHASE_SERVING) /* ebb-api was started again, and this is its new channel */
		return 0;
	l->dir_fd = keep_fd(&m->fds[0]);
	err = open_database(l);
	if (err)
		return err;
	l->phase = PHASE_SERVING;
	log_info("event=ready rows=%" PRIu64, l->db.head_id);
	return wire_send(l->control_fd, WIRE_LEDGER_READY, NULL, 0, NULL, 0);
}

static int on_meter(void *self, struct wire_message *m)
{
	struct ledger *l = self;

	if (l->db.broken)
		return 0; /* never acknowledged, so ebbd still has it */
	memcpy(&l->waiting[l->waiting_count], m->record, sizeof(struct wire_meter));
	l->last_seq = l->waiting[l->waiting_count++].seq;
	if (l->waiting_count == 1)
		set_timer(l, LEDGER_BATCH_MS);
	if (l->waiting_count == APPEND_BATCH_MAX)
		commit(l);
	return 0;
}

static int on_sync(void *self, struct wire_message *m)
{
	struct ledger *l = self;
	struct wire_meter_sync sync;

	memcpy(&sync, m->record, sizeof(sync));
	if (l->db.broken) {
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

/* Reads while there is something and room for it. 1 = go on, 0 = ebbd is gone, -errno. */
static int read_control(struct ledger *l)
{
	int got = 1;

	while (got == 1 && l->waiting_count < APPEND_BATCH_MAX) {
		got = wire_recv(l->control_fd, &l->message);
		if (got == 1) {
			int err = wire_dispatch(control_rules, ARRAY_LEN(control_rules), l->phase,
						l, &l->message);
			if (err)
				return err;
		}
	}
	return got == -EAGAIN ? 1 : got;
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
	int got = wire_recv(l->api_fd, &l->message);

	if (got == 1)
		return wire_dispatch(api_rules, ARRAY_LEN(api_rules), l->phase, l, &l->message);
	return got == 0 ? -EPIPE : got == -EAGAIN ? 0 : got;
}

static void serve_api(struct ledger *l, short events)
{
	int err = 0;
	int none = -1;

	if (l->api_fd < 0)
		return;
	if (l->answer.kind != ANSWER_NONE && (!l->answer.blocked || events))
		err = answer_step(&l->answer, &l->db, l->api_fd);
	else if (events)
		err = read_api(l);
	if (!err)
		return;
	if (err != -EPIPE)
		log_error("event=api_dropped err=%d", -err);
	take_api(l, &none);
}

/* ---- the loop ---- */

/* One turn. 1 = go on, 0 = ebbd is gone, -errno. */
static int turn(struct ledger *l)
{
	bool answering = l->answer.kind != ANSWER_NONE;
	bool working = answering && !l->answer.blocked;
	bool room = l->waiting_count < APPEND_BATCH_MAX;
	short events = (short)((room ? POLLIN : 0) | (l->ack_due ? POLLOUT : 0));
	struct pollfd p[] = {
		{events ? l->control_fd : -1, events, 0},
		{l->timer_fd, POLLIN, 0},
		{l->api_fd, answering ? POLLOUT : POLLIN, 0},
	};
	uint64_t expirations;
	int err;

	if (working)
		p[2].fd = -1;
	if (poll(p, ARRAY_LEN(p), working ? 0 : -1) < 0)
		return errno == EINTR ? 1 : -errno;
	if (p[0].revents) {
		err = read_control(l);
		if (err <= 0)
			return err;
	}
	if (p[1].revents && read(l->timer_fd, &expirations, sizeof(expirations)) > 0)
		commit(l);
	if (l->ack_due) {
		err = send_ack(l);
		if (err)
			return err;
	}
	serve_api(l, p[2].revents);
	return 1;
}

static void ledger_free(struct ledger *l)
{
	answer_fini(&l->answer);
	db_close(&l->db);
	fd_close(&l->control_fd);
	fd_close(&l->api_fd);
	fd_close(&l->dir_fd);
	fd_close(&l->timer_fd);
	free(l);
}

int loop_run(int control_fd)
{
	struct ledger *l = calloc(1, sizeof(*l));
	int err = 1;

	if (!l)
		return -ENOMEM;
	l->phase = PHASE_NEW;
	l->control_fd = control_fd;
	l->api_fd = l->dir_fd = -1;
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->timer_fd < 0 || fcntl(control_fd, F_SETFL, O_NONBLOCK) < 0)
		err = -errno;
	while (err == 1)
		err = turn(l);
	if (err == 0 || err == -EPIPE) {
		commit(l); /* what came before ebbd went is its word still */
		err = 0;
	}
	if (err)
		log_error("event=ended err=%d what=\"the control channel failed\"", -err);
	ledger_free(l);
	return err;
}
