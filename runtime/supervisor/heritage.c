// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/heritage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/egresslink.h"
#include "runtime/supervisor/peers/ledgerlink.h"
#include "runtime/supervisor/programs/daemon.h"
#include "runtime/supervisor/reload.h"
#include "runtime/supervisor/scale/adopt.h"
#include "runtime/supervisor/service/services.h"

#define FILES_MAX    (9 + GATEWAYS_MAX * (LISTENERS_MAX + 3)) /* one each, and those of a gateway */
#define PROGRAMS_MAX (GATEWAYS_MAX + 9)

static void fill_rows(struct estate_rows rows[ESTATE_KIND_COUNT])
{
	const struct estate_rows all[ESTATE_KIND_COUNT] = {
		[ESTATE_SETTINGS] = {1, sizeof(struct reload_row)},
		[ESTATE_FILES] = {FILES_MAX, sizeof(struct estate_file)},
		[ESTATE_PROGRAMS] = {PROGRAMS_MAX, sizeof(struct estate_program)},
		[ESTATE_SPECS] = {SPECS_MAX, sizeof(struct spec_row)},
		[ESTATE_SERVICES] = {SERVICES_MAX, sizeof(struct service_row)},
		[ESTATE_NETWORK] = {1, sizeof(struct egress_row)},
		[ESTATE_EVENTS] = {EVENTS_KEPT_MAX, sizeof(struct wire_event)},
		[ESTATE_INSTANCES] = {INSTANCES_MAX, adopt_row_size()},
	};

	memcpy(rows, all, sizeof(all));
}

/* The descriptor that a variable names, or -1. */
static int named_fd(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t fd;

	return text && text_parse_u64(text, STDERR_FILENO + 1, INT32_MAX, &fd) == 0 ? (int)fd : -1;
}

static int name_fd(const char *variable, int fd)
{
	char text[16];

	(void)text_format(text, sizeof(text), "%d", fd);
	return setenv(variable, text, 1) < 0 ? -errno : 0;
}

static int open_estate(int fd, struct estate **out)
{
	struct estate_rows rows[ESTATE_KIND_COUNT];

	fill_rows(rows);
	return fd < 0 ? estate_new(rows, LEDGERLINK_WAITING_BYTES, out)
		      : estate_open(fd, rows, LEDGERLINK_WAITING_BYTES, out);
}

int heritage_can_follow(void)
{
	struct estate *estate;
	int fd = named_fd(HERITAGE_VARIABLE);

	(void)printf("%s", EBB_VERSION);
	return fd >= 0 && open_estate(fd, &estate) == 0 ? HERITAGE_CAN_FOLLOW
							: HERITAGE_OTHER_RECORDS;
}

/* ---- descriptors of the estate ---- */

static void each_row(struct estate *e, void (*fn)(void *ctx, int fd), void *ctx)
{
	estate_each_file(e, fn, ctx);
	programs_each_fd(e, fn, ctx);
	adopt_each_fd(e, fn, ctx);
}

/* Those that an exec must not close: of the rows, and those that every ebbd has. */
static void each_lasting(struct estate *e, void (*fn)(void *ctx, int fd), void *ctx)
{
	const struct reload_row *settings = estate_read(e, ESTATE_SETTINGS, 0);

	each_row(e, fn, ctx);
	fn(ctx, estate_memory(e));
	fn(ctx, atomic_load(&estate_words(e)->lock_fd));
	fn(ctx, atomic_load(&estate_words(e)->log_fd));
	fn(ctx, atomic_load(&estate_words(e)->before_fd));
	for (uint32_t n = 0; settings && n < settings->inherited.count; n++)
		fn(ctx, settings->inherited.sockets[n].fd);
}

static void set_flags(void *flags, int fd)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, *(const int *)flags);
}

static void close_on_exec(struct estate *e, bool closes)
{
	int flags = closes ? FD_CLOEXEC : 0;

	each_lasting(e, set_flags, &flags);
}

static void close_word(_Atomic int32_t *word)
{
	int fd = atomic_exchange(word, -1);

	fd_close(&fd);
}

/* If the other one served, its gateways are to be replaced as well. */
static void count_back(struct estate_words *words, enum upgrade_fault fault)
{
	if (atomic_load(&words->upgrades_said) == atomic_load(&words->upgrades))
		atomic_fetch_add(&words->upgrades, 1);
	else
		atomic_fetch_sub(&words->upgrades, 1);
	atomic_store(&words->upgrades_said, atomic_load(&words->upgrades));
	atomic_store(&words->programs_at, atomic_load(&words->programs_before));
	atomic_store(&words->upgrade_fault, fault);
}

static void take_binaries(struct heritage *h)
{
	struct estate_words *words = estate_words(h->estate);

	close_on_exec(h->estate, true);
	atomic_store(&words->next_fd, -1); /* the exec closed it */
	if (!h->returns)
		return;
	close_word(&words->before_fd);
	if (atomic_load(&words->upgrade_fault) == UPGRADE_WELL) /* blind */
		count_back(words, UPGRADE_NOT_BEGUN);
}

int heritage_new(struct heritage *h)
{
	int fd = named_fd(HERITAGE_VARIABLE), r;

	h->follows = fd >= 0;
	r = open_estate(fd, &h->estate);
	if (r < 0)
		return r;
	(void)unsetenv(HERITAGE_VARIABLE);
	(void)unsetenv(HERITAGE_BEFORE);
	h->returns = h->follows && getenv(HERITAGE_PLACE);
	if (h->follows)
		take_binaries(h);
	return 0;
}

/* Descriptors of rows come and go with the rows. */
int heritage_found(struct heritage *h)
{
	int r = estate_set_new(&h->base);

	if (r == 0)
		r = estate_set_open(&h->base);
	if (r == 0)
		each_row(h->estate, estate_set_remove, &h->base);
	return r;
}

static int become(struct heritage *h, int fd, char **argv)
{
	int r = name_fd(HERITAGE_VARIABLE, estate_memory(h->estate));

	close_on_exec(h->estate, false);
	if (r == 0) {
		(void)execveat(fd, "", argv, environ, AT_EMPTY_PATH);
		r = -errno;
	}
	close_on_exec(h->estate, true);
	(void)unsetenv(HERITAGE_VARIABLE);
	return r;
}

int heritage_become(struct heritage *h, char **argv)
{
	struct estate_words *words = estate_words(h->estate);
	int ours_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), r;

	if (ours_fd < 0)
		return -errno;
	close_word(&words->before_fd);
	atomic_store(&words->before_fd, ours_fd);
	atomic_store(&words->programs_before, atomic_load(&words->programs_at));
	atomic_fetch_add(&words->upgrades, 1);
	(void)unsetenv(HERITAGE_PLACE);
	r = name_fd(HERITAGE_BEFORE, ours_fd);
	if (r == 0)
		r = become(h, atomic_load(&words->next_fd), argv);
	(void)unsetenv(HERITAGE_BEFORE);
	atomic_fetch_sub(&words->upgrades, 1);
	close_word(&words->before_fd);
	close_word(&words->next_fd);
	return r;
}

int heritage_go_back(struct heritage *h, const char *place, char **argv, enum upgrade_fault fault)
{
	struct estate_words *words = estate_words(h->estate);
	int fd = atomic_load(&words->before_fd);

	if (fd < 0 || setenv(HERITAGE_PLACE, place, 1) < 0)
		return -ENOENT;
	count_back(words, fault);
	return become(h, fd, argv);
}

void heritage_go_back_blind(char **argv)
{
	int fd = named_fd(HERITAGE_BEFORE);
	char place[4096] = "";

	if (fd < 0 || named_fd(HERITAGE_VARIABLE) < 0 ||
	    readlink("/proc/self/exe", place, sizeof(place) - 1) < 0 ||
	    setenv(HERITAGE_PLACE, place, 1) < 0)
		return;
	(void)execveat(fd, "", argv, environ, AT_EMPTY_PATH);
}

int heritage_take(struct heritage *h, enum keeper_life life)
{
	struct estate_set keep;
	int r;

	if (life == KEEPER_FIRST)
		return 0;
	atomic_store(&estate_words(h->estate)->next_fd, -1); /* it is closed below */
	programs_end(h->estate, life == KEEPER_AFRESH);
	if (life == KEEPER_AFRESH)
		estate_clear_all(h->estate);
	r = estate_set_new(&keep);
	if (r < 0)
		return r;
	must(keep.count == h->base.count);
	memcpy(keep.bits, h->base.bits, keep.count / 8 + 1);
	each_row(h->estate, estate_set_add, &keep);
	r = estate_sweep(&keep);
	estate_set_free(&keep);
	return r;
}

void heritage_free(struct heritage *h)
{
	estate_set_free(&h->base);
	estate_free(h->estate);
}
