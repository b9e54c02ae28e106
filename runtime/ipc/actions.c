// SPDX-License-Identifier: Apache-2.0
/* The actions that follow from a message. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/ipc/guests.h"
#include "runtime/ipc/lines.h"

/* Thaws the instance and wakes ebbd. The hold is on the board already, so ebbd will not freeze the
 * instance again behind this write. */
static void thaw(struct ipc *ipc, const struct guest *g)
{
	const uint64_t one = 1;

	(void)!pwrite(g->freeze_fd, "0", 1, 0);
	(void)!write(ipc->doorbell_fd, &one, sizeof(one));
}

/* A hold lasts until the date that the program says, but at most maxDuration from now. */
static struct hold_terms terms_of(const struct guest *g, uint64_t deadline_ms)
{
	uint64_t now_ns = clock_mono_ns(), now_ms = clock_real_us() / 1000;
	uint64_t left_ms = g->max_duration_ms;
	struct hold_terms terms = {.cap_ns = now_ns + left_ms * NS_PER_MS};

	if (deadline_ms > 0 && deadline_ms < now_ms + left_ms)
		left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
	terms.due_ns = now_ns + left_ms * NS_PER_MS;
	terms.until_ms = now_ms + left_ms;
	return terms;
}

static int hear_hold(struct ipc *ipc, struct guest *g, const struct message *m, char *err,
		     size_t err_size)
{
	struct hold_terms terms = terms_of(g, m->deadline_ms);
	enum board_take taken = holds_take(ipc->holds, g->slot, g->generation, m->id, &terms);

	if (taken == BOARD_TAKEN_THAW)
		thaw(ipc, g);
	if (taken != BOARD_FULL)
		return 0; /* or BOARD_GONE: the instance is being stopped anyway */
	(void)text_format(err, err_size, "hold: too many (at most %u of one instance, %u in all)",
			  HOLDS_PER_INSTANCE, HOLDS_MAX);
	return -ENOSPC;
}

static int hear_end(struct ipc *ipc, struct guest *g, const struct message *m, char *err,
		    size_t err_size)
{
	/* Programs send an end for every request; most requests had no hold. */
	if (m->has_id)
		(void)holds_end(ipc->holds, g->slot, m->id);
	return 0;
}

static void count_lost(struct ipc *ipc, const struct guest *g, uint64_t lost)
{
	if (lost > 0)
		atomic_fetch_add(&board_tally(ipc->board, g->slot)->lost, lost);
}

static int hear_log(struct ipc *ipc, struct guest *g, const struct message *m, char *err,
		    size_t err_size)
{
	SCOPED_MEM char *decoded = NULL;
	const char *text = m->text;
	size_t size = strlen(text);

	if (m->base64) {
		decoded = malloc(size / 4 * 3 + 3);
		if (!decoded)
			return 0;
		if (base64_decode(text, decoded, &size) < 0) {
			(void)text_format(err, err_size, "log: its message is not base64");
			return -EINVAL;
		}
		text = decoded;
	}
	count_lost(ipc, g, lines_write(g->log_fd, m->has_id ? &m->id : NULL, text, size));
	return 0;
}

/* Foreign text on its way to logs and events: one line of printable ASCII. */
static void make_printable(char *dst, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++)
		dst[n++] = *text >= ' ' && *text <= '~' ? *text : '?';
	dst[n] = '\0';
}

static int hear_retire(struct ipc *ipc, struct guest *g, const struct message *m, char *err,
		       size_t err_size)
{
	struct wire_ipc_retire record = {.slot = g->slot,
					 .generation = g->generation,
					 .failed = m->type == MESSAGE_UNRECOVERABLE_ERROR};

	if (g->retired)
		return 0;
	g->retired = true;
	make_printable(record.text, sizeof(record.text), m->text);
	/* A record that cannot be sent ends the link, and this process with the link. */
	(void)wire_link_send(&ipc->control, WIRE_IPC_RETIRE, &record, sizeof(record), NULL, 0);
	return 0;
}

static int (*const actions[])(struct ipc *ipc, struct guest *g, const struct message *m, char *err,
			      size_t err_size) = {
	[MESSAGE_HOLD] = hear_hold,     [MESSAGE_END] = hear_end,
	[MESSAGE_LOG] = hear_log,       [MESSAGE_UNRECOVERABLE_ERROR] = hear_retire,
	[MESSAGE_RETIRE] = hear_retire,
};

int guest_hear(struct ipc *ipc, struct guest *g, const char *bytes, size_t size, char *err,
	       size_t err_size)
{
	struct message m;
	int r = message_parse(bytes, size, &m, err, err_size);

	if (r < 0)
		return r;
	if (m.type < ARRAY_LEN(actions) && actions[m.type])
		r = actions[m.type](ipc, g, &m, err, err_size);
	message_fini(&m);
	if (r == 0)
		atomic_fetch_add(&board_tally(ipc->board, g->slot)->messages, 1);
	return r;
}

void guests_cut_due(struct ipc *ipc, uint64_t now_ns)
{
	struct hold_cut cut;

	while (holds_cut_due(ipc->holds, now_ns, &cut)) {
		struct guest *g = ipc->guests[cut.slot];
		char when[CLOCK_DATE_SIZE], text[160];
		uint64_t begun_ns;
		int n;

		if (!g)
			continue;
		begun_ns = guest_begin(ipc, g);
		atomic_fetch_add(&board_tally(ipc->board, cut.slot)->cut, 1);
		n = snprintf(text, sizeof(text),
			     "ebb: waitUntil was cut at maxDuration (deadline %s): the rest of "
			     "this request's work is not waited for",
			     clock_rfc3339(cut.until_ms * 1000, when));
		count_lost(ipc, g, lines_write(g->log_fd, &cut.id, text, (size_t)n));
		guest_end(ipc, g, begun_ns);
	}
}
