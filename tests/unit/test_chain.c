// SPDX-License-Identifier: Apache-2.0
/* Chains: order, taking out from anywhere, and while walking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/chain.h"

struct bead {
	int number;
	struct chain link;
};

struct beads {
	struct chain head;
	struct bead all[5];
};

static void string(struct beads *b)
{
	chain_init(&b->head);
	for (int i = 0; i < 5; i++) {
		b->all[i].number = i;
		chain_init(&b->all[i].link);
		chain_add_last(&b->head, &b->all[i].link);
	}
}

static int spelled(struct beads *b)
{
	struct bead *bead;
	int digits = 0;

	chain_each(bead, &b->head, link)
		digits = 10 * digits + bead->number;
	return digits;
}

static void beads_keep_their_order(void **state)
{
	struct beads b;

	string(&b);
	assert_int_equal(spelled(&b), 1234);
	chain_remove(&b.all[2].link);
	assert_int_equal(spelled(&b), 134);
	assert_false(chain_is_linked(&b.all[2].link));
	chain_add_first(&b.head, &b.all[2].link);
	assert_int_equal(spelled(&b), 20134);
	chain_remove(&b.all[2].link);
	chain_remove(&b.all[2].link); /* one that is in none is fine */
	chain_insert(&b.all[3].link, &b.all[2].link);
	assert_int_equal(spelled(&b), 1324);
}

static void the_first_is_taken_until_none_is_left(void **state)
{
	struct beads b;
	struct chain *link;
	int count = 0;

	string(&b);
	assert_ptr_equal(chain_first(&b.head), &b.all[0].link);
	for (; (link = chain_take_first(&b.head)); count++)
		assert_int_equal(container_of(link, struct bead, link)->number, count);
	assert_int_equal(count, 5);
	assert_true(chain_is_empty(&b.head));
	assert_null(chain_first(&b.head));
	assert_int_equal(spelled(&b), 0);
}

static void the_one_in_hand_may_be_taken_out(void **state)
{
	struct beads b;
	struct bead *bead = NULL;
	int seen = 0;

	string(&b);
	chain_each(bead, &b.head, link) {
		seen++;
		if (bead->number % 2 == 0)
			chain_remove(&bead->link);
	}
	assert_int_equal(seen, 5);
	assert_int_equal(spelled(&b), 13);
	chain_each(bead, &b.head, link) {
		if (bead->number == 3)
			break;
	}
	assert_int_equal(bead->number, 3);
}

static void all_of_one_are_put_into_another(void **state)
{
	struct beads b;
	struct chain other;

	string(&b);
	chain_init(&other);
	chain_take_all(&b.head, &other);
	assert_true(chain_is_empty(&b.head));
	for (int n = 0; n < 5; n++)
		assert_non_null(chain_take_first(&other));
	assert_null(chain_take_first(&other));
	chain_take_all(&b.head, &other); /* nothing is in it */
	assert_true(chain_is_empty(&other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beads_keep_their_order),
		cmocka_unit_test(the_first_is_taken_until_none_is_left),
		cmocka_unit_test(the_one_in_hand_may_be_taken_out),
		cmocka_unit_test(all_of_one_are_put_into_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
