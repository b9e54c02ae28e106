// SPDX-License-Identifier: Apache-2.0
/* The real ebb-ledger as ebbd starts it: with a uid of its own, its directory as its root, and its
 * seccomp filter. */
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ledger_fixture.h"

#include "runtime/ledger/verify.h"
#include "runtime/supervisor/programs/launch.h"
#include "runtime/wire/channel.h"

#define LEDGER_UID  0x70000003u
#define DEADLINE_MS 20000

struct program {
	char base[64], ledger[96], stage[96], binary[512];
	pid_t pid;
	int pid_fd, control_fd, api_fd;
	struct wire_message m;
};

/* The next record of this type; any other is an error, the deadline too. */
static void expect(struct program *p, int fd, uint32_t type)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
	assert_int_equal(wire_recv(fd, &p->m), 1);
	assert_string_equal(wire_type_name(p->m.head.type), wire_type_name(type));
}

static void send_config(struct program *p)
{
	struct wire_ledger_config config = {.boot_us = LEDGER_BOOT_US, .node = "test"};
	SCOPED_FD dir_fd = open(p->ledger, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCOPED_FD theirs_fd = -1;
	int fds[2];

	fd_close(&p->api_fd);
	assert_int_equal(wire_pair(&p->api_fd, &theirs_fd), 0);
	fds[0] = dir_fd;
	fds[1] = theirs_fd;
	assert_int_equal(
		wire_send(p->control_fd, WIRE_LEDGER_CONFIG, &config, sizeof(config), fds, 2), 0);
}

static void start(struct program *p)
{
	SCOPED_FD theirs_fd = -1;
	const char *step = "";
	struct launch l = {
		.name = "ebb-ledger",
		.binary = p->binary,
		.stage_dir = p->stage,
		.root_dir = p->ledger,
		.uid = LEDGER_UID,
		.extra_fd = -1,
	};

	assert_int_equal(wire_pair(&p->control_fd, &theirs_fd), 0);
	l.control_fd = theirs_fd;
	if (launch_program(&l, &p->pid, &p->pid_fd, &step) < 0)
		fail_msg("ebb-ledger does not start: step %s", step);
	fd_close(&theirs_fd);
	send_config(p);
	expect(p, p->control_fd, WIRE_LEDGER_READY);
}

static int ended(struct program *p)
{
	int status;

	fd_close(&p->control_fd);
	fd_close(&p->api_fd);
	fd_close(&p->pid_fd);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	p->pid = 0;
	return status;
}

static int setup(void **state)
{
	struct program *p = calloc(1, sizeof(*p));
	char self[400] = "";

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(p->binary, sizeof(p->binary), "%s/../ebb-ledger", dirname(self));
	snprintf(p->base, sizeof(p->base), "/tmp/ebb-test-ledgerd-XXXXXX");
	assert_non_null(mkdtemp(p->base));
	snprintf(p->ledger, sizeof(p->ledger), "%s/ledger", p->base);
	snprintf(p->stage, sizeof(p->stage), "%s/stage", p->base);
	assert_int_equal(chmod(p->base, 0755), 0);
	assert_int_equal(mkdir(p->ledger, 0700), 0);
	assert_int_equal(mkdir(p->stage, 0700), 0);
	assert_int_equal(chown(p->ledger, LEDGER_UID, LEDGER_UID), 0);
	p->pid_fd = p->control_fd = p->api_fd = -1;
	*state = p;
	start(p);
	return 0;
}

static int teardown(void **state)
{
	struct program *p = *state;

	if (p->pid) {
		kill(p->pid, SIGKILL);
		ended(p);
	}
	assert_int_equal(fd_rmtree_at(AT_FDCWD, p->base), 0);
	free(p);
	return 0;
}

static void send_meter(struct program *p, struct wire_meter m)
{
	assert_int_equal(wire_send(p->control_fd, WIRE_METER, &m, sizeof(m), NULL, 0), 0);
}

static void send_sync(struct program *p, uint64_t seq)
{
	struct wire_meter_sync sync = {.seq = seq};

	assert_int_equal(wire_send(p->control_fd, WIRE_METER_SYNC, &sync, sizeof(sync), NULL, 0),
			 0);
}

/* Waits for an acknowledgement of seq or an error, whichever is first. */
static struct wire_meter_ack await_ack(struct program *p, uint64_t seq)
{
	struct wire_meter_ack ack;

	do {
		expect(p, p->control_fd, WIRE_METER_ACK);
		memcpy(&ack, p->m.record, sizeof(ack));
	} while (ack.seq < seq && ack.err == 0);
	return ack;
}

/* The rows of the file itself once nobody has it open. */
static uint64_t rows_on_disk(struct program *p)
{
	char path[128];
	struct verify v;
	struct db db;

	snprintf(path, sizeof(path), "%s/ledger.db", p->ledger);
	assert_int_equal(db_open(&db, path), 0);
	assert_int_equal(verify_begin(&db, 1, &v), 0);
	while (verify_step(&db, &v) == 1)
		;
	assert_int_equal(v.bad_row, 0);
	db_close(&db);
	return v.rows;
}

static void a_sync_is_acknowledged(void **state)
{
	struct program *p = *state;

	send_meter(p, reading("a-1", 1, 1));
	send_meter(p, reading("a-1", 2, 2));
	send_sync(p, 2);
	assert_int_equal(await_ack(p, 2).err, 0);
	fd_close(&p->control_fd); /* ebbd is gone */
	assert_int_equal(ended(p), 0);
	assert_int_equal(rows_on_disk(p), 2);
}

static void what_waits_is_committed_without_asking(void **state)
{
	struct program *p = *state;

	send_meter(p, reading("a-1", 1, 1)); /* by the timer */
	assert_int_equal(await_ack(p, 1).err, 0);
	for (uint64_t seq = 2; seq <= 1 + APPEND_BATCH_MAX; seq++) /* by number */
		send_meter(p, reading("a-1", seq, seq));
	assert_int_equal(await_ack(p, 1 + APPEND_BATCH_MAX).err, 0);
}

static void an_end_without_a_sync_loses_nothing(void **state)
{
	struct program *p = *state;

	send_meter(p, reading("a-1", 1, 1));
	fd_close(&p->control_fd);
	assert_int_equal(ended(p), 0);
	assert_int_equal(rows_on_disk(p), 1);
}

/* Killed at twenty moments: everything acknowledged is there, and resending all of it adds up. */
static void a_kill_loses_nothing_acknowledged(void **state)
{
	struct program *p = *state;
	uint64_t acked = 0, seq = 0;

	srand(1);
	for (int round = 0; round < 20; round++) {
		int count = 1 + rand() % 400;
		uint64_t resend_from = acked + 1;

		for (uint64_t s = resend_from; s <= seq; s++)
			send_meter(p, reading("a-1", s, s));
		for (int i = 0; i < count; i++, seq++)
			send_meter(p, reading("a-1", seq + 1, seq + 1));
		send_sync(p, seq);
		if (rand() % 2)
			acked = await_ack(p,
					  resend_from + (uint64_t)rand() % (seq + 1 - resend_from))
					.seq;
		kill(p->pid, SIGKILL);
		assert_true(WIFSIGNALED(ended(p)));
		if (round % 2) /* else the next ledger is the first to see what is left */
			assert_true(rows_on_disk(p) >= acked);
		start(p);
	}
	for (uint64_t s = 1; s <= seq; s++)
		send_meter(p, reading("a-1", s, s));
	send_sync(p, seq);
	await_ack(p, seq);
	fd_close(&p->control_fd);
	assert_int_equal(ended(p), 0);
	assert_int_equal(rows_on_disk(p), seq);
}

/* ebbd may die between a question and its answer: the ledger notices when it answers. */
static void who_asks_and_goes_away_ends_it_in_order(void **state)
{
	struct program *p = *state;

	for (uint64_t seq = 1; seq <= 200; seq++)
		send_sync(p, seq);
	fd_close(&p->control_fd);
	assert_int_equal(ended(p), 0);
}

/* Readings that were acknowledged before the disk was full are on disk; the others are taken after
 * a restart with more space. */
static void a_full_disk_is_not_acknowledged(void **state)
{
	struct program *p = *state;
	struct wire_meter_ack ack = {0};
	uint64_t seq = 0, rows;

	assert_int_equal(unshare(CLONE_NEWNS), 0); /* the mount goes with this test's process */
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	kill(p->pid, SIGKILL);
	ended(p);
	assert_int_equal(mount("ebb-test", p->ledger, "tmpfs", 0, "size=400k,mode=0700"), 0);
	assert_int_equal(chown(p->ledger, LEDGER_UID, LEDGER_UID), 0);
	start(p);
	while (ack.err == 0 && seq < 20000) {
		for (int i = 0; i < APPEND_BATCH_MAX; i++, seq++)
			send_meter(p, reading("a-1", seq + 1, seq + 1));
		send_sync(p, seq);
		ack = await_ack(p, seq);
	}
	assert_int_equal(ack.err, ENOSPC);
	assert_true(ack.seq > 0 && ack.seq < seq);
	send_sync(p, seq); /* the answer stays no */
	assert_int_equal(await_ack(p, seq).err, ENOSPC);
	kill(p->pid, SIGKILL);
	ended(p);
	assert_int_equal(mount(NULL, p->ledger, NULL, MS_REMOUNT, "size=16m"), 0);
	rows = rows_on_disk(p);
	assert_true(rows >= ack.seq);
	start(p);
	for (uint64_t s = 1; s <= seq; s++)
		send_meter(p, reading("a-1", s, s));
	send_sync(p, seq);
	assert_int_equal(await_ack(p, seq).err, 0);
	fd_close(&p->control_fd);
	assert_int_equal(ended(p), 0);
	assert_int_equal(rows_on_disk(p), seq);
	assert_int_equal(umount2(p->ledger, MNT_DETACH), 0);
}

static void questions_are_answered(void **state)
{
	struct program *p = *state;
	struct wire_usage_get get = {.cookie = 7, .to_us = LEDGER_BOOT_US + 10000000};
	struct wire_ledger_verify verify = {.cookie = 8};
	struct wire_ledger_verdict verdict;
	struct wire_usage_row row;

	get.from_us = LEDGER_BOOT_US;
	get.bucket_us = 2000000;
	for (uint64_t s = 1; s <= 10; s++)
		send_meter(p, reading("a-1", s, s));
	send_sync(p, 10);
	await_ack(p, 10);
	assert_int_equal(wire_send(p->api_fd, WIRE_USAGE_GET, &get, sizeof(get), NULL, 0), 0);
	assert_int_equal(wire_send(p->api_fd, WIRE_LEDGER_VERIFY, &verify, sizeof(verify), NULL, 0),
			 0);
	for (uint64_t bucket = 0; bucket < 5; bucket++) {
		expect(p, p->api_fd, WIRE_USAGE_ROW);
		memcpy(&row, p->m.record, sizeof(row));
		assert_int_equal(row.cookie, 7);
		assert_int_equal(row.last, 0);
		assert_string_equal(row.service, "a");
		assert_int_equal(row.from_us, LEDGER_BOOT_US + bucket * 2000000);
		assert_int_equal(row.invocations, 6);
		assert_int_equal(row.provisioned_mb_us, 2 * 500000 * 512);
	}
	expect(p, p->api_fd, WIRE_USAGE_ROW);
	memcpy(&row, p->m.record, sizeof(row));
	assert_int_equal(row.last, 1);
	assert_int_equal(row.err, 0);
	expect(p, p->api_fd, WIRE_LEDGER_VERDICT);
	memcpy(&verdict, p->m.record, sizeof(verdict));
	assert_int_equal(verdict.cookie, 8);
	assert_int_equal(verdict.rows, 10);
	assert_int_equal(verdict.bad_row, 0);
	assert_int_equal(verdict.err, 0);
}

static void a_wrong_record_ends_only_its_peer(void **state)
{
	struct program *p = *state;
	struct wire_meter m = reading("a-1", 1, 1);
	struct pollfd gone = {.fd = p->api_fd, .events = POLLIN};

	/* ebb-api may ask, not write. */
	assert_int_equal(wire_send(p->api_fd, WIRE_METER, &m, sizeof(m), NULL, 0), 0);
	assert_int_equal(poll(&gone, 1, DEADLINE_MS), 1);
	assert_int_equal(wire_recv(p->api_fd, &p->m), 0);
	send_config(p); /* and its successor is served */
	questions_are_answered(state);
	assert_int_equal(wire_send(p->control_fd, WIRE_SHUTDOWN, NULL, 0, NULL, 0), 0);
	assert_true(WIFEXITED(ended(p)));
}

/* A reader that never reads stops its own answers, not the readings. */
static void a_reader_that_does_not_read_blocks_nobody(void **state)
{
	struct program *p = *state;
	struct wire_usage_get get = {.cookie = 7, .from_us = LEDGER_BOOT_US, .bucket_us = 1000000};
	struct wire_usage_row row = {0};
	uint64_t rows = 0;

	get.to_us = LEDGER_BOOT_US + 9999 * UINT64_C(1000000);
	for (uint64_t s = 1; s <= 9000; s++)
		send_meter(p, reading("a-1", s, s));
	send_sync(p, 9000);
	await_ack(p, 9000);
	assert_int_equal(wire_send(p->api_fd, WIRE_USAGE_GET, &get, sizeof(get), NULL, 0), 0);
	for (uint64_t s = 9001; s <= 9050; s++) {
		send_meter(p, reading("a-1", s, s));
		send_sync(p, s);
		assert_int_equal(await_ack(p, s).err, 0);
	}
	for (; !row.last; rows += !row.last) {
		expect(p, p->api_fd, WIRE_USAGE_ROW);
		memcpy(&row, p->m.record, sizeof(row));
	}
	assert_int_equal(row.err, 0);
	assert_true(rows >= 9000);
}

static uint64_t switches(struct program *p)
{
	char path[64], text[4096], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", p->pid);
	assert_true(fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0);
	at = strstr(text, "\nvoluntary_ctxt_switches:");
	assert_non_null(at);
	return strtoull(at + strlen("\nvoluntary_ctxt_switches:"), NULL, 10);
}

static void it_sleeps_when_nothing_waits(void **state)
{
	struct program *p = *state;
	struct pollfd nothing = {.fd = p->control_fd, .events = POLLIN};
	uint64_t before;

	send_meter(p, reading("a-1", 1, 1));
	await_ack(p, 1);
	assert_int_equal(poll(&nothing, 1, 50), 0); /* it goes back to poll(2) after the ack */
	before = switches(p);
	assert_int_equal(poll(&nothing, 1, 500), 0);
	assert_int_equal(switches(p), before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_sync_is_acknowledged),
		T(what_waits_is_committed_without_asking),
		T(an_end_without_a_sync_loses_nothing),
		T(a_kill_loses_nothing_acknowledged),
		T(who_asks_and_goes_away_ends_it_in_order),
		T(questions_are_answered),
		T(a_wrong_record_ends_only_its_peer),
		T(a_reader_that_does_not_read_blocks_nobody),
		T(it_sleeps_when_nothing_waits),
		T(a_full_disk_is_not_acknowledged),
	};

	if (geteuid() != 0) {
		printf("SKIP: needs root, to start ebb-ledger as its own user in its own root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
