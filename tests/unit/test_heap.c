// SPDX-License-Identifier: Apache-2.0
/* The heap of what is due next, against a model that searches all of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/container_of.h"
#include "runtime/base/heap.h"
#include "runtime/base/mem.h"

/* The linker puts this before the real one (base.mk). */
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool no_memory;

void *__wrap_realloc(void *old, size_t size)
{
	return no_memory ? NULL : __real_realloc(old, size);
}

#define THINGS 257
#define STEPS  200000

struct thing {
	struct heap_item item;
	uint64_t key;
};

struct model {
	struct heap heap;
	struct thing things[THINGS];
	uint32_t random;
};

static uint32_t draw(struct model *m, uint32_t below)
{
	m->random = m->random * 1103515245u + 12345u;
	return (m->random >> 8) % below;
}

static uint64_t smallest(const struct model *m, uint32_t *count)
{
	uint64_t least = HEAP_EMPTY;

	*count = 0;
	for (uint32_t i = 0; i < THINGS; i++) {
		const struct thing *t = &m->things[i];

		if (!heap_has(&t->item))
			continue;
		(*count)++;
		least = t->key < least ? t->key : least;
	}
	return least;
}

static void compare(const struct model *m)
{
	uint32_t count;
	uint64_t least = smallest(m, &count);
	const struct heap_item *first = heap_first(&m->heap);

	assert_int_equal(m->heap.count, count);
	assert_true(heap_first_key(&m->heap) == least);
	if (count == 0)
		assert_null(first);
	else
		assert_true(container_of(first, const struct thing, item)->key == least);
}

static void put(struct model *m, struct thing *t)
{
	t->key = draw(m, 1000);
	assert_int_equal(heap_put(&m->heap, &t->item, t->key), 0);
	assert_true(heap_key(&m->heap, &t->item) == t->key);
}

static void it_is_what_a_search_finds(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	for (uint32_t step = 0; step < STEPS; step++) {
		struct thing *t = &m->things[draw(m, THINGS)];

		switch (draw(m, 4)) {
		case 0:
			heap_remove(&m->heap, &t->item);
			assert_false(heap_has(&t->item));
			break;
		case 1:
			if (heap_first(&m->heap))
				heap_remove(&m->heap, heap_first(&m->heap));
			break;
		default:
			put(m, t);
		}
		if (step % 64 == 0 || step < 2000)
			compare(m);
	}
	compare(m);
	heap_fini(&m->heap);
	free(m);
}

static void what_is_taken_from_the_top_is_sorted(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t last = 0;

	for (uint32_t i = 0; i < THINGS; i++)
		put(m, &m->things[i]);
	for (uint32_t i = 0; i < THINGS; i++) {
		uint64_t key = heap_first_key(&m->heap);

		assert_true(key >= last);
		last = key;
		heap_remove(&m->heap, heap_first(&m->heap));
	}
	compare(m);
	heap_fini(&m->heap);
	free(m);
}

static void room_that_is_reserved_is_enough(void **state)
{
	struct heap h = {0};
	struct thing things[100] = {{{0}}};
	struct heap_entry *entries;

	assert_int_equal(heap_reserve(&h, ARRAY_LEN(things)), 0);
	entries = h.entries;
	for (uint32_t i = 0; i < ARRAY_LEN(things); i++)
		assert_int_equal(heap_put(&h, &things[i].item, i), 0);
	assert_ptr_equal(h.entries, entries);
	assert_int_equal(heap_reserve(&h, 1), 0);
	assert_int_equal(h.count, ARRAY_LEN(things));
	heap_fini(&h);
}

/* Ends by SIGABRT, with a word: only a bug can do that. */
static void dies(void (*bug)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		bug();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void without_memory_it_is_as_it_was(void **state)
{
	struct heap a = {0};
	struct thing things[THINGS] = {0};
	uint32_t count = 0;

	no_memory = true;
	assert_int_equal(heap_put(&a, &things[0].item, 1), -ENOMEM);
	no_memory = false;
	assert_int_equal(heap_put(&a, &things[0].item, 1), 0);
	no_memory = true;
	for (count = 1; count < THINGS && heap_put(&a, &things[count].item, count + 1) == 0;)
		count++;
	no_memory = false;
	assert_true(count < THINGS);
	assert_false(heap_has(&things[count].item));
	assert_int_equal(a.count, count);
	assert_int_equal(heap_put(&a, &things[0].item, 5), 0); /* one that is in it is moved */
	assert_int_equal(heap_put(&a, &things[count].item, 2), 0);
	assert_ptr_equal(heap_first(&a), count > 1 ? &things[1].item : &things[count].item);
	heap_fini(&a);
}

static void remove_from_another(void)
{
	struct heap a = {0}, b = {0};
	struct heap_item x = {0}, y = {0};

	(void)heap_put(&a, &x, 1);
	(void)heap_put(&b, &y, 1);
	heap_remove(&b, &x);
}

static void put_one_that_was_forgotten(void)
{
	struct heap a = {0};
	struct heap_item x = {.place = 7};

	(void)heap_put(&a, &x, 1);
}

static void put_the_key_of_none(void)
{
	struct heap a = {0};
	struct heap_item x = {0};

	(void)heap_put(&a, &x, HEAP_EMPTY);
}

static void a_bug_ends_the_program(void **state)
{
	dies(remove_from_another);
	dies(put_one_that_was_forgotten);
	dies(put_the_key_of_none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_what_a_search_finds),
		cmocka_unit_test(what_is_taken_from_the_top_is_sorted),
		cmocka_unit_test(room_that_is_reserved_is_enough),
		cmocka_unit_test(without_memory_it_is_as_it_was),
		cmocka_unit_test(a_bug_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
