// SPDX-License-Identifier: Apache-2.0
/* Claims about the files of ebb-api: they mean the same after a restart, an unfinished change is
 * not in them, only the newest revisions are kept, and log files are rotated and read in the order
 * of time. */
#include "tests/unit/api_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/api/images.h"
#include "runtime/api/logs.h"
#include "runtime/api/services.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

struct place {
	char path[32];
	int fd;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->path, "/tmp/ebb-test-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->fd >= 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	fd_close(&p->fd);
	assert_int_equal(fd_rmtree_at(AT_FDCWD, p->path), 0);
	free(p);
	return 0;
}

static struct services *open_services(const struct place *p)
{
	struct services *services = NULL;
	struct fault fault = {0};
	char text[FAULT_TEXT_SIZE];

	if (services_open(p->fd, NULL, &services, &fault) < 0)
		fail_msg("%s", fault_text(&fault, text));
	return services;
}

static struct revision *revision_new(uint32_t memory_mb)
{
	struct json *document = parse("{\"image\":\"a\",\"env\":{\"K\":\"V\"}}");
	struct revision *rev = calloc(1, sizeof(*rev));
	struct problem_list errors = {0}, warnings = {0};

	service_spec_read(document, NULL, &rev->spec, &errors, &warnings);
	json_free(document);
	assert_int_equal(errors.count, 0);
	rev->spec.memory_mb = memory_mb;
	rev->created_us = 1790000000000000;
	rev->digest[0] = (uint8_t)memory_mb;
	return rev;
}

static void change(struct services *services, const char *name, uint32_t memory_mb)
{
	struct revision *rev = revision_new(memory_mb);

	assert_int_equal(services_prepare(services, name, rev), 0);
	assert_int_equal(services_commit(services, name, rev), 0);
	free(rev);
}

static void a_committed_service_is_there_after_a_restart(void **state)
{
	struct services *services = open_services(*state);
	struct service *s;
	struct revision old;

	change(services, "web", 100);
	change(services, "api", 100);
	change(services, "api", 101);
	services_free(services);

	services = open_services(*state);
	assert_int_equal(services_count(services), 2);
	assert_string_equal(services_at(services, 0)->name, "api");
	s = services_find(services, "api");
	assert_non_null(s);
	assert_int_equal(s->current.number, 2);
	assert_int_equal(s->current.spec.memory_mb, 101);
	assert_int_equal(s->note_count, 2);
	assert_int_equal(services_load_revision(services, "api", 1, &old), 0);
	assert_int_equal(old.spec.memory_mb, 100);
	assert_false(revision_same(&old, &s->current));
	services_free(services);
}

static void an_unfinished_change_is_not_there_after_a_restart(void **state)
{
	struct services *services = open_services(*state);
	struct revision *rev = revision_new(200), *second = revision_new(201);

	change(services, "api", 100);
	assert_int_equal(services_prepare(services, "api", rev), 0);
	assert_int_equal(services_prepare(services, "api", second), -EBUSY);
	assert_int_equal(services_prepare(services, "new", second), 0);
	services_free(services); /* as if killed */

	services = open_services(*state);
	assert_null(services_find(services, "new"));
	assert_int_equal(services_find(services, "api")->current.spec.memory_mb, 100);
	assert_int_equal(services_prepare(services, "api", rev), 0);
	assert_int_equal(rev->number, 2);
	services_drop(services, "api", rev);
	assert_int_equal(services_prepare(services, "api", rev), 0);
	services_drop(services, "api", rev);
	services_free(services);
	free(rev);
	free(second);
}

static void only_the_newest_revisions_stay(void **state)
{
	struct services *services = open_services(*state);
	struct revision old;
	struct service *s;

	for (uint32_t i = 0; i < REVISIONS_KEPT + 3; i++)
		change(services, "api", 100 + i);
	s = services_find(services, "api");
	assert_int_equal(s->note_count, REVISIONS_KEPT);
	assert_int_equal(s->notes[0].number, 4);
	assert_int_equal(services_load_revision(services, "api", 3, &old), -ENOENT);
	assert_int_equal(services_load_revision(services, "api", 4, &old), 0);
	assert_non_null(services_using(services, s->notes[0].digest, true));
	assert_null(services_using(services, s->notes[0].digest, false));
	assert_int_equal(services_remove(services, "api"), 0);
	assert_int_equal(services_count(services), 0);
	services_free(services);
	services = open_services(*state);
	assert_int_equal(services_count(services), 0);
	services_free(services);
}

static void a_damaged_file_is_named(void **state)
{
	const struct place *p = *state;
	struct services *services = open_services(p);
	struct fault fault = {0};
	int fd;

	change(services, "api", 100);
	services_free(services);
	fd = openat(p->fd, "services/api.json", O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(fd_write_all(fd, "{\"x\":", 5), 0);
	fd_close(&fd);
	assert_true(services_open(p->fd, NULL, &services, &fault) < 0);
	assert_string_equal(fault.where, "services/api.json");
	assert_non_null(strstr(fault.what, "line 1"));
}

static struct images *open_images(const struct place *p)
{
	struct images *images = NULL;
	struct fault fault = {0};
	char text[FAULT_TEXT_SIZE];

	if (images_open(p->fd, &images, &fault) < 0)
		fail_msg("%s", fault_text(&fault, text));
	return images;
}

/* It is JSON, but holds something else: the words say so, and in which file. */
static void a_file_that_holds_no_image_is_named(void **state)
{
	const struct place *p = *state;
	struct images *images = open_images(p);
	struct fault fault = {0};
	int fd;

	images_free(images);
	fd = openat(p->fd, "images/x.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_int_equal(fd_write_all(fd, "{}", 2), 0);
	fd_close(&fd);
	assert_true(images_open(p->fd, &images, &fault) < 0);
	assert_string_equal(fault.where, "images/x.json");
	assert_string_equal(fault.what, "it does not hold an image's metadata");
}

static void images_are_found_by_name_and_digest(void **state)
{
	struct image image = {.digest = {1, 2}, .layer_count = 1, .bytes = 7, .imported_us = 1000};
	struct images *images = open_images(*state);
	char text[DIGEST_TEXT_SIZE];

	image.config.env_count = 1;
	strcpy(image.config.env, "A=b");
	assert_int_equal(images_put(images, &image), 0);
	assert_int_equal(images_set_name(images, "demo:1", image.digest), 0);
	images_free(images);

	images = open_images(*state);
	image_digest_text(image.digest, text);
	assert_non_null(images_resolve(images, "demo:1"));
	assert_non_null(images_resolve(images, text));
	text[7 + 12] = '\0';
	assert_non_null(images_resolve(images, text + 7));
	text[7 + 11] = '\0';
	assert_null(images_resolve(images, text + 7));
	assert_null(images_resolve(images, "demo"));
	assert_memory_equal(images_at(images, 0), &image, sizeof(image));
	assert_true(images_need_layer(images, image.layers[0]));
	assert_int_equal(images_set_removing(images, image.digest), 0);
	assert_null(images_resolve(images, "demo:1"));
	assert_false(images_need_layer(images, image.layers[0]));
	assert_int_equal(images_forget(images, image.digest), 0);
	images_free(images);
	images = open_images(*state);
	assert_int_equal(images_count(images), 0);
	images_free(images);
}

static void imports_and_removals_exclude_each_other(void **state)
{
	struct images *images = open_images(*state);

	assert_true(images_begin(images, IMAGES_KEEPING));
	assert_true(images_begin(images, IMAGES_KEEPING));
	assert_false(images_begin(images, IMAGES_REMOVING));
	images_end(images);
	assert_false(images_begin(images, IMAGES_REMOVING));
	images_end(images);
	assert_true(images_begin(images, IMAGES_REMOVING));
	assert_false(images_begin(images, IMAGES_REMOVING));
	assert_false(images_begin(images, IMAGES_KEEPING));
	images_end(images);
	images_free(images);
}

#define LINE(second, text) "2026-11-23T01:02:0" #second ".000000Z " text "\n"

static void log_lines_merge_by_time(void **state)
{
	const struct place *p = *state;
	struct buffer out = {0};

	assert_int_equal(log_tail(p->fd, "api", &(struct log_wish){0}, 10, &out), -ENOENT);
	assert_int_equal(log_append(p->fd, "api", "api-1", LINE(1, "one") LINE(3, "three"),
				    strlen(LINE(1, "one") LINE(3, "three"))),
			 0);
	assert_int_equal(log_append(p->fd, "api", "api-2", LINE(2, "two"), strlen(LINE(2, "two"))),
			 0);
	assert_int_equal(log_tail(p->fd, "api", &(struct log_wish){0}, 2, &out), 0);
	assert_int_equal(buffer_add(&out, "", 1), 0);
	assert_string_equal(buffer_at(&out), "2026-11-23T01:02:02.000000Z api-2 two\n"
					     "2026-11-23T01:02:03.000000Z api-1 three\n");
	buffer_fini(&out);
	assert_int_equal(log_tail(p->fd, "api",
				  &(struct log_wish){.instance = "api-2", .json = true}, 10, &out),
			 0);
	assert_int_equal(buffer_add(&out, "", 1), 0);
	assert_string_equal(buffer_at(&out), "{\"time\":\"2026-11-23T01:02:02.000000Z\","
					     "\"instance\":\"api-2\",\"line\":\"two\"}\n");
	buffer_fini(&out);
}

#define ID_A    "0123456789abcdef0123456789abcdef"
#define ID_B    "0123456789abcdef0123456789abcdee"
#define TAG(id) "\x1e" id " "

static void a_log_line_belongs_to_the_request_in_its_tag(void **state)
{
	static const char lines[] = LINE(1, TAG(ID_A) "one") LINE(2, TAG(ID_B) "two")
		LINE(3, "three") LINE(4, TAG(ID_A) "four") LINE(5, "\x1e"
								   "0123 five");
	const struct place *p = *state;
	struct log_wish wish = {.request = ID_A};
	struct buffer out = {0};

	assert_int_equal(log_append(p->fd, "tags", "tags-1", lines, strlen(lines)), 0);
	assert_int_equal(log_tail(p->fd, "tags", &wish, 10, &out), 0);
	assert_int_equal(buffer_add(&out, "", 1), 0);
	assert_string_equal(buffer_at(&out), "2026-11-23T01:02:01.000000Z tags-1 " ID_A " one\n"
					     "2026-11-23T01:02:04.000000Z tags-1 " ID_A " four\n");
	buffer_fini(&out);
	wish.json = true;
	assert_int_equal(log_tail(p->fd, "tags", &wish, 1, &out), 0);
	assert_int_equal(buffer_add(&out, "", 1), 0);
	assert_string_equal(buffer_at(&out),
			    "{\"time\":\"2026-11-23T01:02:04.000000Z\",\"instance\":\"tags-1\","
			    "\"request\":\"" ID_A "\",\"line\":\"four\"}\n");
	buffer_fini(&out);
	assert_true(log_is_request(ID_A));
	assert_false(log_is_request("0123456789abcdef0123456789abcdeF"));
	assert_false(log_is_request(ID_A "0"));
}

static void log_files_turn_over_when_full(void **state)
{
	const struct place *p = *state;
	size_t size = 3 << 20;
	SCOPED_MEM char *lines = malloc(size);
	struct stat st;

	memset(lines, 'x', size);
	lines[size - 1] = '\n';
	for (int i = 0; i < 9; i++)
		assert_int_equal(log_append(p->fd, "api", "api-1", lines, size), 0);
	assert_int_equal(fstatat(p->fd, "api/api-1.log", &st, 0), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(fstatat(p->fd, "api/api-1.log.1", &st, 0), 0);
	assert_int_equal(st.st_size, 2 * size);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_committed_service_is_there_after_a_restart),
		T(an_unfinished_change_is_not_there_after_a_restart),
		T(only_the_newest_revisions_stay),
		T(a_damaged_file_is_named),
		T(a_file_that_holds_no_image_is_named),
		T(images_are_found_by_name_and_digest),
		T(imports_and_removals_exclude_each_other),
		T(log_lines_merge_by_time),
		T(a_log_line_belongs_to_the_request_in_its_tag),
		T(log_files_turn_over_when_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
