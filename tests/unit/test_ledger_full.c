// SPDX-License-Identifier: Apache-2.0
/* A full disk is an error that the ledger names, at every point where it may become full. */
#include "ledger_fixture.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DISK_BYTES (2 << 20)
#define LEFT_KIB   400 /* more than so many rows need */
#define STEP_KIB   5
#define ROWS       10

struct disk {
	char dir[64], mount[96], filler[128], ledger[128];
};

static __attribute__((format(printf, 1, 2))) bool run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

static int setup(void **state)
{
	struct disk *d = calloc(1, sizeof(*d));
	char image[96];
	int fd;

	snprintf(d->dir, sizeof(d->dir), "/tmp/ebb-test-ledger-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(image, sizeof(image), "%s/image", d->dir);
	snprintf(d->mount, sizeof(d->mount), "%s/mount", d->dir);
	snprintf(d->filler, sizeof(d->filler), "%s/filler", d->mount);
	snprintf(d->ledger, sizeof(d->ledger), "%s/ledger.db", d->mount);
	*state = d;
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0 && mkdir(d->mount, 0700) == 0);
	close(fd);
	/* Blocks smaller than a page, as small disks have them. */
	if (geteuid() != 0 || !run("mkfs.ext4 -q -b 1024 -O ^has_journal %s", image) ||
	    !run("mount -o loop %s %s 2>/dev/null", image, d->mount))
		d->mount[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	struct disk *d = *state;

	if (d->mount[0])
		assert_int_equal(umount2(d->mount, MNT_DETACH), 0);
	assert_int_equal(fd_rmtree_at(AT_FDCWD, d->dir), 0);
	free(d);
	return 0;
}

/* Leaves so much free. */
static void fill(const struct disk *d, off_t left_bytes)
{
	static const char bytes[1024];
	int fd = open(d->filler, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t size = 0;

	assert_true(fd >= 0);
	while (write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		size += (off_t)sizeof(bytes);
	assert_int_equal(ftruncate(fd, size > left_bytes ? size - left_bytes : 0), 0);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

/* The child's end: 0 all went in, 1 the disk was full and was called so, 2 another error. */
static int keep_books(const struct disk *d)
{
	struct db db;
	struct append_report report;
	int err = db_open(&db, d->ledger);

	for (uint64_t n = 1; err == 0 && n <= ROWS; n++) {
		struct wire_meter m = reading("a-1", n, n);

		err = append_batch(&db, &m, 1, &report);
	}
	if (err && err != -ENOSPC)
		fprintf(stderr, "%d: %s\n", err, db.sql.why);
	return err == 0 ? 0 : err == -ENOSPC ? 1 : 2;
}

static void a_full_disk_is_an_error_wherever_it_becomes_full(void **state)
{
	struct disk *d = *state;
	uint32_t ends[3] = {0};

	if (!d->mount[0]) {
		printf("SKIP: needs root, mkfs.ext4 and a loop device\n");
		skip();
	}
	for (off_t left = 0; left <= LEFT_KIB; left += STEP_KIB) {
		int status;
		pid_t pid;

		fill(d, left << 10);
		pid = fork();
		if (pid == 0) {
			signal(SIGBUS, SIG_DFL); /* the test runner's own */
			_exit(keep_books(d));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status))
			fail_msg("%ld KiB left: ended by signal %d", (long)left, WTERMSIG(status));
		assert_true(WEXITSTATUS(status) < 3);
		ends[WEXITSTATUS(status)]++;
		assert_true(run("rm -f %s* %s", d->ledger, d->filler));
	}
	assert_true(ends[0] > 0 && ends[1] > 0);
	assert_int_equal(ends[2], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_disk_is_an_error_wherever_it_becomes_full,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
