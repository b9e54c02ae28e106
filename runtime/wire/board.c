// SPDX-License-Identifier: Apache-2.0
#include "runtime/wire/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define BOARD_MAGIC   UINT64_C(0x0a6472616f626265) /* "ebboard\n" */
#define BOARD_VERSION 4u

struct board_header {
	uint64_t magic;
	uint32_t version, slot_count, gateway_count, reserved;
};

/* The file: header, slots, the page of ebb-ipc, one page per gateway. */
struct board_file {
	struct board_header header;
	struct board_slot slots[INSTANCES_MAX];
	struct board_holder holder;
	struct board_gateway gateways[];
};

struct board {
	struct board_file *file;
	size_t size;
};

static size_t file_size(uint32_t gateway_count)
{
	return sizeof(struct board_file) + gateway_count * sizeof(struct board_gateway);
}

static int map_board(int fd, size_t size, struct board **out)
{
	struct board *b = calloc(1, sizeof(*b));
	void *at;

	if (!b)
		return -ENOMEM;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		free(b);
		return -errno;
	}
	b->file = at;
	b->size = size;
	*out = b;
	return 0;
}

int board_create(int dir_fd, uint32_t gateway_count, struct board **out, int *out_fd)
{
	size_t size = file_size(gateway_count);
	SCOPED_FD fd = -1;
	int r;

	must(gateway_count > 0 && gateway_count <= GATEWAYS_MAX);
	(void)unlinkat(dir_fd, "board", 0);
	fd = openat(dir_fd, "board", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	r = map_board(fd, size, out);
	if (r < 0)
		return r;
	(*out)->file->header = (struct board_header){.magic = BOARD_MAGIC,
						     .version = BOARD_VERSION,
						     .slot_count = INSTANCES_MAX,
						     .gateway_count = gateway_count};
	*out_fd = keep_fd(&fd);
	return 0;
}

int board_open(int board_fd, struct board **out)
{
	struct board_header header;
	struct stat st;

	if (pread(board_fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    header.magic != BOARD_MAGIC || header.version != BOARD_VERSION ||
	    header.slot_count != INSTANCES_MAX || header.gateway_count > GATEWAYS_MAX ||
	    fstat(board_fd, &st) < 0 || (size_t)st.st_size != file_size(header.gateway_count))
		return -EPROTO;
	return map_board(board_fd, (size_t)st.st_size, out);
}

void board_close(struct board *b)
{
	if (!b)
		return;
	munmap(b->file, b->size);
	free(b);
}

struct board_slot *board_slot(struct board *b, uint32_t slot)
{
	must(slot < INSTANCES_MAX);
	return &b->file->slots[slot];
}

board_word board_load(struct board *b, uint32_t slot)
{
	return atomic_load_explicit(&board_slot(b, slot)->word, memory_order_acquire);
}

static struct board_gateway *gateway_page(struct board *b, uint32_t gateway)
{
	must(gateway < b->file->header.gateway_count);
	return &b->file->gateways[gateway];
}

/* The first piece of work was opened: provisioned time starts. */
static void awake_begin(struct board_slot *s)
{
	atomic_fetch_sub(&s->awake_ns, (int64_t)clock_mono_ns());
}

/* The last piece of work ended: provisioned time stops. */
static void awake_end(struct board_slot *s)
{
	uint64_t now_ns = clock_mono_ns();

	atomic_fetch_add(&s->awake_ns, (int64_t)now_ns);
	atomic_store_explicit(&s->idle_since_ns, now_ns, memory_order_relaxed);
}

static bool takes_work(board_word w, uint32_t generation)
{
	enum board_state state = board_state_of(w);

	return board_generation(w) == generation &&
	       (state == BOARD_RUNNING || state == BOARD_FROZEN);
}

enum board_take board_take(struct board *b, uint32_t gateway, uint32_t slot, uint32_t generation)
{
	struct board_slot *s = board_slot(b, slot);
	struct board_gateway *page = gateway_page(b, gateway);
	uint32_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
	board_word old = atomic_load(&s->word), next;

	atomic_store(&page->pending, slot + 1);
	do {
		if (!takes_work(old, generation) || board_tickets(old) >= limit) {
			atomic_store(&page->pending, 0);
			return takes_work(old, generation) ? BOARD_FULL : BOARD_GONE;
		}
		next = board_make(generation, BOARD_RUNNING, board_holds(old),
				  board_tickets(old) + 1);
	} while (!atomic_compare_exchange_weak(&s->word, &old, next));
	if (board_tickets(old) + board_holds(old) == 0)
		awake_begin(s);
	atomic_fetch_add(&page->tickets[slot], 1);
	atomic_store(&page->pending, 0);
	if (board_state_of(old) != BOARD_FROZEN)
		return BOARD_TAKEN;
	atomic_fetch_add_explicit(&s->thaws, 1, memory_order_relaxed);
	atomic_store_explicit(&s->thawed_ns, clock_mono_ns(), memory_order_release);
	return BOARD_TAKEN_THAW;
}

/* Takes one ticket off the word; the clock stops with the last piece of work. */
static uint32_t put_back(struct board_slot *s, uint32_t generation)
{
	board_word old = atomic_load(&s->word), next;

	do {
		must(board_generation(old) == generation && board_tickets(old) > 0);
		next = old - 1;
	} while (!atomic_compare_exchange_weak(&s->word, &old, next));
	if (board_tickets(next) + board_holds(next) == 0)
		awake_end(s);
	return board_tickets(next);
}

uint32_t board_give(struct board *b, uint32_t gateway, uint32_t slot, uint32_t generation)
{
	struct board_slot *s = board_slot(b, slot);
	struct board_gateway *page = gateway_page(b, gateway);
	uint32_t left;

	atomic_store(&page->pending, slot + 1);
	left = put_back(s, generation);
	atomic_fetch_sub(&page->tickets[slot], 1);
	atomic_store(&page->pending, 0);
	return left;
}

void board_sleep(struct board *b, uint32_t gateway, uint32_t slot, int by)
{
	must(slot < INSTANCES_MAX);
	atomic_fetch_add_explicit(&gateway_page(b, gateway)->sleeping[slot], (uint16_t)by,
				  memory_order_relaxed);
}

void board_set_depths(struct board *b, uint32_t gateway, uint32_t slot, uint32_t depths)
{
	must(slot < INSTANCES_MAX);
	atomic_store_explicit(&gateway_page(b, gateway)->depths[slot], depths,
			      memory_order_relaxed);
}

uint32_t board_depths(struct board *b, uint32_t slot)
{
	uint32_t all = 0;

	must(slot < INSTANCES_MAX);
	for (uint32_t g = 0; g < b->file->header.gateway_count; g++)
		all |= atomic_load_explicit(&gateway_page(b, g)->depths[slot],
					    memory_order_relaxed);
	return all;
}

uint32_t board_sleeping(struct board *b, uint32_t slot)
{
	uint32_t sum = 0;

	must(slot < INSTANCES_MAX);
	for (uint32_t g = 0; g < b->file->header.gateway_count; g++)
		sum += atomic_load_explicit(&gateway_page(b, g)->sleeping[slot],
					    memory_order_relaxed);
	return sum;
}

void board_want(struct board *b, uint32_t slot, uint64_t now_ns)
{
	atomic_store_explicit(&board_slot(b, slot)->wanted_ns, now_ns, memory_order_relaxed);
}

bool board_wanted(struct board *b, uint32_t slot, uint64_t now_ns)
{
	uint64_t wanted_ns =
		atomic_load_explicit(&board_slot(b, slot)->wanted_ns, memory_order_relaxed);

	return wanted_ns + 3 * BOARD_WANT_NS > now_ns;
}

void board_keep_awake(struct board *b, uint32_t slot, uint64_t until_ns)
{
	_Atomic uint64_t *until = &board_slot(b, slot)->awake_until_ns;
	uint64_t old_ns = atomic_load_explicit(until, memory_order_relaxed);

	while (old_ns < until_ns && !atomic_compare_exchange_weak(until, &old_ns, until_ns))
		;
}

static void forget_holder(struct board *b, uint32_t slot)
{
	struct board_tally *t = board_tally(b, slot);

	for (uint32_t n = 0; n < BOARD_NOTES_MAX; n++)
		atomic_store(&board_notes(b, slot)[n].until_ms, 0);
	atomic_store(&t->messages, 0);
	atomic_store(&t->refused, 0);
	atomic_store(&t->cut, 0);
	atomic_store(&t->lost, 0);
	atomic_store(&t->work_ns, 0);
	atomic_store(&t->paused, 0);
}

uint32_t board_open_slot(struct board *b, uint32_t slot, uint32_t limit, uint32_t service)
{
	struct board_slot *s = board_slot(b, slot);
	board_word old = atomic_load(&s->word);
	uint32_t generation = (board_generation(old) + 1) & 0xfffffff;

	atomic_store(&s->awake_ns, 0);
	atomic_store(&s->idle_since_ns, clock_mono_ns());
	atomic_store(&s->limit, limit);
	atomic_store(&s->service, service);
	atomic_store(&s->invocations, 0);
	atomic_store(&s->thaws, 0);
	atomic_store(&s->thawed_ns, 0);
	atomic_store(&s->freezes, 0);
	atomic_store(&s->saturated, 0);
	atomic_store(&s->first_bytes, 0);
	atomic_store(&s->first_byte_us, 0);
	atomic_store(&s->crowded, 0);
	atomic_store(&s->nacks, 0);
	atomic_store(&s->wanted_ns, 0);
	atomic_store(&s->awake_until_ns, 0);
	forget_holder(b, slot);
	atomic_store(&s->word, board_make(generation, BOARD_STARTING, 0, 0));
	return generation;
}

bool board_move(struct board *b, uint32_t slot, uint32_t from_states, enum board_state to)
{
	struct board_slot *s = board_slot(b, slot);
	board_word old = atomic_load(&s->word), next;

	do {
		if (!(from_states & 1u << board_state_of(old)))
			return false;
		next = board_make(board_generation(old), to, board_holds(old), board_tickets(old));
	} while (!atomic_compare_exchange_weak(&s->word, &old, next));
	return true;
}

bool board_try_freeze(struct board *b, uint32_t slot)
{
	struct board_slot *s = board_slot(b, slot);
	board_word old = atomic_load(&s->word);

	if (board_state_of(old) != BOARD_RUNNING || board_tickets(old) || board_holds(old))
		return false;
	if (!atomic_compare_exchange_strong(&s->word, &old,
					    board_make(board_generation(old), BOARD_FROZEN, 0, 0)))
		return false;
	atomic_fetch_add(&s->freezes, 1);
	return true;
}

/* Whether a hold may be taken. Open work on a draining instance may go on; the instance takes
 * nothing new. */
static bool takes_holds(board_word w, uint32_t generation)
{
	if (board_generation(w) == generation && board_state_of(w) == BOARD_DRAINING)
		return board_tickets(w) + board_holds(w) > 0;
	return takes_work(w, generation);
}

enum board_take board_hold(struct board *b, uint32_t slot, uint32_t generation)
{
	struct board_slot *s = board_slot(b, slot);
	struct board_holder *holder = &b->file->holder;
	board_word old = atomic_load(&s->word), next;

	atomic_store(&holder->pending, slot + 1);
	do {
		if (!takes_holds(old, generation) || board_holds(old) == 0xffff) {
			atomic_store(&holder->pending, 0);
			return takes_holds(old, generation) ? BOARD_FULL : BOARD_GONE;
		}
		next = board_make(generation,
				  board_state_of(old) == BOARD_FROZEN ? BOARD_RUNNING
								      : board_state_of(old),
				  board_holds(old) + 1, board_tickets(old));
	} while (!atomic_compare_exchange_weak(&s->word, &old, next));
	if (board_tickets(old) + board_holds(old) == 0)
		awake_begin(s);
	atomic_store(&holder->pending, 0);
	if (board_state_of(old) != BOARD_FROZEN)
		return BOARD_TAKEN;
	atomic_fetch_add_explicit(&s->thaws, 1, memory_order_relaxed);
	atomic_store_explicit(&s->thawed_ns, clock_mono_ns(), memory_order_release);
	return BOARD_TAKEN_THAW;
}

void board_release(struct board *b, uint32_t slot, uint32_t generation)
{
	struct board_slot *s = board_slot(b, slot);
	struct board_holder *holder = &b->file->holder;
	board_word old = atomic_load(&s->word);

	atomic_store(&holder->pending, slot + 1);
	do {
		if (board_generation(old) != generation || board_holds(old) == 0) {
			atomic_store(&holder->pending, 0);
			return;
		}
	} while (!atomic_compare_exchange_weak(&s->word, &old, old - 0x10000));
	if (board_tickets(old) + board_holds(old) == 1)
		awake_end(s);
	atomic_store(&holder->pending, 0);
}

struct board_note *board_notes(struct board *b, uint32_t slot)
{
	must(slot < INSTANCES_MAX);
	return b->file->holder.notes[slot];
}

struct board_tally *board_tally(struct board *b, uint32_t slot)
{
	must(slot < INSTANCES_MAX);
	return &b->file->holder.tallies[slot];
}

_Atomic uint64_t *board_hearing(struct board *b)
{
	return &b->file->holder.hearing;
}

static void return_holds_of(struct board_slot *s)
{
	board_word old = atomic_load(&s->word), next;

	do {
		if (board_holds(old) == 0)
			return;
		next = board_make(board_generation(old), board_state_of(old), 0,
				  board_tickets(old));
	} while (!atomic_compare_exchange_weak(&s->word, &old, next));
	if (board_tickets(old) == 0)
		awake_end(s);
}

void board_return_holds(struct board *b)
{
	struct board_holder *holder = &b->file->holder;

	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++) {
		return_holds_of(board_slot(b, slot));
		for (uint32_t n = 0; n < BOARD_NOTES_MAX; n++)
			atomic_store(&holder->notes[slot][n].until_ms, 0);
	}
	atomic_store(&holder->pending, 0);
}

static bool anyone_pending(struct board *b, uint32_t except, uint32_t slot)
{
	for (uint32_t g = 0; g < b->file->header.gateway_count; g++)
		if (g != except && atomic_load(&gateway_page(b, g)->pending) == slot + 1)
			return true;
	return false;
}

static bool holder_pending(struct board *b, uint32_t slot)
{
	return atomic_load(&b->file->holder.pending) == slot + 1;
}

bool board_settled(struct board *b, uint32_t slot)
{
	board_word w = board_load(b, slot);

	return board_tickets(w) + board_holds(w) == 0 && !anyone_pending(b, GATEWAYS_MAX, slot) &&
	       !holder_pending(b, slot);
}

/* How often a reader looks again while gateways are between their steps; far more often than that
 * takes. */
#define STABLE_TRIES 10000

/* The open tickets of a dead gateway, which may have died between its two steps: the tickets of the
 * word less the tickets that living gateways count. A living gateway may be between its steps, so
 * the numbers are read until nothing moves. A hijacked gateway could move them for ever, so the
 * number of readings is bounded. */
static uint32_t tickets_of_dead(struct board *b, uint32_t dead, uint32_t slot)
{
	struct board_slot *s = board_slot(b, slot);
	uint32_t others, tries = 0;
	board_word before;

	do {
		before = atomic_load(&s->word);
		others = 0;
		for (uint32_t g = 0; g < b->file->header.gateway_count; g++)
			if (g != dead)
				others += atomic_load(&gateway_page(b, g)->tickets[slot]);
	} while (++tries < STABLE_TRIES &&
		 (anyone_pending(b, dead, slot) || atomic_load(&s->word) != before));
	return board_tickets(before) > others ? board_tickets(before) - others : 0;
}

/* Takes back the tickets that the page of a dead gateway counts, but no more than the word has: the
 * gateway may have been hijacked, and it alone wrote the page. */
static void take_back(struct board_slot *s, uint32_t owed)
{
	board_word old = atomic_load(&s->word), next;
	uint32_t open;

	do {
		open = board_tickets(old) < owed ? board_tickets(old) : owed;
		if (open == 0)
			return;
		next = old - open;
	} while (!atomic_compare_exchange_weak(&s->word, &old, next));
	if (board_tickets(next) + board_holds(next) == 0)
		awake_end(s);
}

void board_return_tickets(struct board *b, uint32_t gateway,
			  void (*touched)(void *ctx, uint32_t slot), void *ctx)
{
	struct board_gateway *page = gateway_page(b, gateway);
	uint64_t pending = atomic_load(&page->pending);

	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++) {
		uint32_t owed = atomic_load(&page->tickets[slot]);
		bool unsure = pending == slot + 1;

		if (unsure)
			owed = tickets_of_dead(b, gateway, slot);
		atomic_store(&page->tickets[slot], 0);
		atomic_store(&page->sleeping[slot], 0);
		atomic_store(&page->depths[slot], 0);
		take_back(board_slot(b, slot), owed);
		if (owed > 0 || unsure)
			touched(ctx, slot);
	}
	atomic_store(&page->pending, 0);
}

bool board_awake_ns(struct board *b, uint32_t slot, uint64_t *out_ns)
{
	struct board_slot *s = board_slot(b, slot);

	for (int i = 0; i < STABLE_TRIES; i++) {
		board_word before = atomic_load(&s->word);
		int64_t sum_ns = atomic_load(&s->awake_ns);

		if (anyone_pending(b, GATEWAYS_MAX, slot) || holder_pending(b, slot) ||
		    atomic_load(&s->word) != before)
			continue;
		if (board_tickets(before) + board_holds(before) > 0)
			sum_ns += (int64_t)clock_mono_ns();
		*out_ns = sum_ns > 0 ? (uint64_t)sum_ns : 0;
		return true;
	}
	return false;
}

void board_awake_clamp(struct board *b, uint32_t slot, uint64_t low_ns, uint64_t high_ns)
{
	uint64_t now_ns;

	if (!board_awake_ns(b, slot, &now_ns))
		return;
	if (now_ns < low_ns)
		atomic_fetch_add(&board_slot(b, slot)->awake_ns, (int64_t)(low_ns - now_ns));
	else if (now_ns > high_ns)
		atomic_fetch_sub(&board_slot(b, slot)->awake_ns, (int64_t)(now_ns - high_ns));
}
