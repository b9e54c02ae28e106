// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/gateway/route/route.h"

static struct routes *make(void)
{
	struct routes *r = malloc(sizeof(*r));

	assert_int_equal(routes_init(r, "fn.example"), 0);
	return r;
}

static void drop(struct routes *r)
{
	routes_fini(r);
	free(r);
}

static int put(struct routes *r, uint32_t index, const char *name, const char *prefix,
	       const char *host)
{
	struct wire_route_put p = {.index = index, .host_count = host ? 1 : 0};

	snprintf(p.name, sizeof(p.name), "%s", name);
	snprintf(p.prefix, sizeof(p.prefix), "%s", prefix);
	snprintf(p.hosts[0], sizeof(p.hosts[0]), "%s", host ? host : "");
	return routes_put(r, &p);
}

static const char *find(struct routes *r, const char *host, const char *path)
{
	struct http_slice h = {host, strlen(host)}, t = {path, strlen(path)};
	struct service *s = routes_find(r, h, t);

	return s ? s->record.name : "none";
}

static void exact_host_comes_first(void **state)
{
	struct routes *r = make();

	put(r, 0, "all", "/", NULL);
	put(r, 1, "shop", "", "shop.example");
	assert_string_equal(find(r, "shop.example", "/x"), "shop");
	assert_string_equal(find(r, "SHOP.Example.", "/x"), "shop");
	assert_string_equal(find(r, "other.example", "/x"), "all");
	assert_string_equal(find(r, "", "/x"), "all");
	drop(r);
}

static void a_name_below_the_domain_or_localhost_comes_next(void **state)
{
	struct routes *r = make();

	put(r, 7, "api", "/api", NULL);
	assert_string_equal(find(r, "api.localhost", "/x"), "api");
	assert_string_equal(find(r, "api.fn.example", "/x"), "api");
	assert_string_equal(find(r, "api.other.example", "/x"), "none");
	assert_string_equal(find(r, "x.api.localhost", "/x"), "none");
	assert_string_equal(find(r, "localhost", "/x"), "none");
	drop(r);
}

static void the_longest_prefix_wins_and_ends_at_a_slash(void **state)
{
	struct routes *r = make();

	put(r, 0, "root", "/", NULL);
	put(r, 1, "api", "/api", NULL);
	put(r, 2, "users", "/api/users/", NULL);
	assert_string_equal(find(r, "h", "/api/users"), "users");
	assert_string_equal(find(r, "h", "/api/users/1"), "users");
	assert_string_equal(find(r, "h", "/api/usersx"), "api");
	assert_string_equal(find(r, "h", "/api"), "api");
	assert_string_equal(find(r, "h", "/apix"), "root");
	assert_string_equal(find(r, "h", "*"), "root");
	drop(r);
}

static void services_of_one_host_are_told_apart_by_prefix(void **state)
{
	struct routes *r = make();

	put(r, 0, "site", "", "a.example");
	put(r, 1, "cart", "/cart", "a.example");
	assert_string_equal(find(r, "a.example", "/cart/1"), "cart");
	assert_string_equal(find(r, "a.example", "/"), "site");
	assert_string_equal(find(r, "b.example", "/cart"), "none");
	drop(r);
}

static void a_wildcard_has_one_label_more_and_comes_behind_names(void **state)
{
	struct routes *r = make();

	put(r, 0, "tenants", "", "*.shop.example");
	put(r, 1, "www", "", "www.shop.example");
	put(r, 2, "rest", "/", NULL);
	assert_string_equal(find(r, "ada.shop.example", "/"), "tenants");
	assert_string_equal(find(r, "www.shop.example", "/"), "www");
	assert_string_equal(find(r, "a.b.shop.example", "/"), "rest");
	assert_string_equal(find(r, "shop.example", "/"), "rest");
	assert_string_equal(find(r, "tenants.localhost", "/"), "tenants");
	drop(r);
}

static void put_replaces_and_del_removes(void **state)
{
	struct routes *r = make();

	put(r, 0, "one", "/", NULL);
	put(r, 0, "two", "/two", NULL);
	assert_string_equal(find(r, "h", "/"), "none");
	assert_string_equal(find(r, "h", "/two"), "two");
	assert_int_equal(routes_del(r, 0), 0);
	assert_string_equal(find(r, "h", "/two"), "none");
	assert_int_equal(routes_del(r, 0), -EINVAL);
	drop(r);
}

static void records_that_are_not_well_formed_are_refused(void **state)
{
	struct routes *r = make();

	assert_int_equal(put(r, SERVICES_MAX, "a", "/", NULL), -EINVAL);
	assert_int_equal(put(r, 0, "not a label", "/", NULL), -EINVAL);
	assert_int_equal(put(r, 0, "a", "no-slash", NULL), -EINVAL);
	drop(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_host_comes_first),
		cmocka_unit_test(a_name_below_the_domain_or_localhost_comes_next),
		cmocka_unit_test(the_longest_prefix_wins_and_ends_at_a_slash),
		cmocka_unit_test(services_of_one_host_are_told_apart_by_prefix),
		cmocka_unit_test(a_wildcard_has_one_label_more_and_comes_behind_names),
		cmocka_unit_test(put_replaces_and_del_removes),
		cmocka_unit_test(records_that_are_not_well_formed_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
