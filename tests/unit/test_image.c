// SPDX-License-Identifier: Apache-2.0
/*
 * The image store with the real ebb-unpack, mkfs.erofs and kernel: good archives become images; bad
 * ones are refused with a sentence that names the cause, and leave nothing behind. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "images/image.h"
#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define ID_BASE   (UINT32_C(0x70000000) + 65536)
#define IMPORT_NS (60 * NS_PER_SEC)

struct fixture {
	char dir[256]; /* all of the test's files */
	char store_dir[300], unpack[PATH_MAX], fixtures[300];
	struct image_store *store;
};

/* ---- driving ---- */

static void open_store(struct fixture *f)
{
	char text[FAULT_TEXT_SIZE];
	struct fault fault = {0};
	int r = image_store_open(f->store_dir, f->unpack, ID_BASE, &f->store, &fault);

	if (r < 0)
		print_error("image_store_open: %s\n", fault_text(&fault, text));
	assert_int_equal(r, 0);
}

static int open_archive(const struct fixture *f, const char *name)
{
	char path[PATH_MAX];
	int fd;

	assert_int_equal(text_format(path, sizeof(path), "%s/%s", f->fixtures, name), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void start(const struct fixture *f, const char *name, uint32_t format, const char *reference,
		  struct image_import **out)
{
	struct wire_image_import job = {.cookie = 7, .format = format};
	SCOPED_FD source_fd = open_archive(f, name);

	assert_int_equal(text_copy(job.reference, sizeof(job.reference), reference), 0);
	assert_int_equal(image_import_start(f->store, &job, source_fd, out), 0);
}

static void import(const struct fixture *f, const char *name, uint32_t format,
		   const char *reference, struct wire_image_done *done)
{
	uint64_t deadline_ns = clock_mono_ns() + IMPORT_NS;
	struct image_import *i;
	int r = 0;

	start(f, name, format, reference, &i);
	while (r == 0) {
		struct pollfd p = {.fd = image_import_fd(i), .events = POLLIN};

		assert_true(clock_mono_ns() < deadline_ns);
		assert_true(poll(&p, 1, 1000) >= 0);
		r = image_import_step(i, done);
	}
	assert_int_equal(r, 1);
	assert_int_equal(done->cookie, 7);
	image_import_free(i);
}

static unsigned int entries(const struct fixture *f, const char *sub)
{
	char path[PATH_MAX];
	DIR *dir;
	unsigned int n = 0;
	const struct dirent *e;

	assert_int_equal(text_format(path, sizeof(path), "%s/%s", f->store_dir, sub), 0);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void assert_imported(const struct wire_image_done *done, uint32_t layers)
{
	if (done->err)
		print_error("import failed: %s\n", done->text);
	assert_int_equal(done->err, 0);
	assert_int_equal(done->layer_count, layers);
}

/* An overlay of the image's layers, as an instance sees it, on f->dir/view. */
static void mount_view(const struct fixture *f, const struct wire_image_done *done, char *view)
{
	char options[4096] = "userxattr,lowerdir=", part[64];

	assert_int_equal(text_format(view, 300, "%s/view", f->dir), 0);
	(void)mkdir(view, 0755);
	for (uint32_t n = done->layer_count; n-- > 0;) {
		char at[400];
		SCOPED_FD layer_fd = image_layer_open(f->store, done->layers[n]);
		SCOPED_FD clone_fd = -1;

		assert_true(layer_fd >= 0);
		clone_fd = open_tree(layer_fd, "",
				     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
		assert_true(clone_fd >= 0);
		assert_int_equal(text_format(at, sizeof(at), "%s/l%u", f->dir, n), 0);
		(void)mkdir(at, 0755);
		assert_int_equal(move_mount(clone_fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH),
				 0);
		strcat(options, at);
		(void)text_format(part, sizeof(part), "%s", n ? ":" : "");
		strcat(options, part);
	}
	assert_int_equal(mount("overlay", view, "overlay", MS_RDONLY, options), 0);
}

static void unmount_view(const struct fixture *f, const struct wire_image_done *done)
{
	char at[400];

	assert_int_equal(text_format(at, sizeof(at), "%s/view", f->dir), 0);
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	for (uint32_t n = 0; n < done->layer_count; n++) {
		assert_int_equal(text_format(at, sizeof(at), "%s/l%u", f->dir, n), 0);
		assert_int_equal(umount2(at, MNT_DETACH), 0);
	}
}

static bool is_there(const char *view, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	(void)text_format(path, sizeof(path), "%s/%s", view, name);
	return lstat(path, &st) == 0;
}

static struct stat stat_of(const char *view, const char *name)
{
	char path[PATH_MAX];
	struct stat st = {0};

	(void)text_format(path, sizeof(path), "%s/%s", view, name);
	assert_int_equal(lstat(path, &st), 0);
	return st;
}

/* ---- good archives ---- */

static void check_config(const struct wire_image_config *c)
{
	assert_int_equal(c->uid, 1000);
	assert_int_equal(c->gid, 1001);
	assert_int_equal(c->group_count, 1);
	assert_int_equal(c->groups[0], 44);
	assert_int_equal(c->stop_signal, 37);
	assert_int_equal(c->port, 8080);
	assert_string_equal(c->cwd, "/app");
	assert_int_equal(c->entrypoint_count, 1);
	assert_string_equal(c->entrypoint, "/app/run");
	assert_int_equal(c->cmd_count, 2);
	assert_memory_equal(c->cmd, "-v\0x y", 7);
	assert_int_equal(c->env_count, 2);
	assert_memory_equal(c->env, "A=1\0B=\xc3\xbc", 9);
}

static void check_view(const char *view)
{
	char path[400], value[8];

	assert_false(is_there(view, "tree/gone"));
	assert_true(is_there(view, "tree/kept"));
	assert_true(is_there(view, "tree/both"));
	assert_false(is_there(view, "opaque/old"));
	assert_true(is_there(view, "opaque/new"));
	assert_false(is_there(view, "swap/old"));
	assert_true(is_there(view, "swap/new"));
	assert_true(is_there(view, "na\xc3\xafve-\xe4\xb8\xad"));
	assert_false(is_there(view, "dev/null"));
	assert_true(S_ISFIFO(stat_of(view, "pipe").st_mode));
	assert_int_equal(stat_of(view, "first").st_ino, stat_of(view, "second").st_ino);
	assert_int_equal(stat_of(view, "su").st_mode & 07777, 04755);
	assert_int_equal(stat_of(view, "su").st_uid, 7);
	assert_int_equal(stat_of(view, "su").st_gid, 8);
	assert_int_equal(stat_of(view, "app/run").st_mtime, 1000);
	assert_int_equal(text_format(path, sizeof(path), "%s/attr", view), 0);
	assert_int_equal(getxattr(path, "user.keep", value, sizeof(value)), 3);
	assert_true(getxattr(path, "security.capability", value, sizeof(value)) < 0);
}

static void an_image_is_what_an_overlay_of_its_layers_shows(void **state)
{
	const struct fixture *f = *state;
	struct wire_image_done *done = calloc(1, sizeof(*done));
	char view[300];

	import(f, "good.oci", WIRE_IMAGE_OCI_ARCHIVE, "", done);
	assert_imported(done, 3);
	check_config(&done->config);
	mount_view(f, done, view);
	check_view(view);
	unmount_view(f, done);
	assert_int_equal(entries(f, "staging"), 0);
	free(done);
}

static void the_same_layers_come_from_a_docker_archive_and_are_shared(void **state)
{
	const struct fixture *f = *state;
	struct wire_image_done *oci = calloc(1, sizeof(*oci)), *docker = calloc(1, sizeof(*docker));
	unsigned int stored;

	import(f, "good.oci", WIRE_IMAGE_OCI_ARCHIVE, "", oci);
	assert_imported(oci, 3);
	stored = entries(f, "pieces");
	import(f, "docker.tar", WIRE_IMAGE_DOCKER_ARCHIVE, "demo:1", docker);
	assert_imported(docker, 3);
	check_config(&docker->config);
	assert_memory_equal(docker->layers[0], oci->layers[0], DIGEST_SIZE);
	assert_memory_equal(docker->layers[1], oci->layers[1], DIGEST_SIZE);
	/* Its third is the first again: on others it is another piece, with its own name. */
	assert_memory_not_equal(docker->layers[2], oci->layers[0], DIGEST_SIZE);
	assert_memory_not_equal(docker->layers[2], oci->layers[2], DIGEST_SIZE);
	assert_int_equal(entries(f, "pieces"), stored + 1);
	assert_true(docker->bytes > oci->bytes);
	free(oci);
	free(docker);
}

static void a_nested_index_is_followed_to_this_machine(void **state)
{
	const struct fixture *f = *state;
	struct wire_image_done *done = calloc(1, sizeof(*done));

	import(f, "nested.oci", WIRE_IMAGE_OCI_ARCHIVE, "", done);
	assert_imported(done, 2);
	assert_int_equal(done->config.uid, 1000);
	assert_int_equal(done->config.gid, 44);
	assert_int_equal(done->config.stop_signal, 2);
	free(done);
}

static void a_plain_tar_is_one_layer_without_config(void **state)
{
	const struct fixture *f = *state;
	struct wire_image_done *done = calloc(1, sizeof(*done));

	import(f, "rootfs.tar", WIRE_IMAGE_ROOTFS_TAR, "", done);
	assert_imported(done, 1);
	assert_int_equal(done->config.entrypoint_count, 0);
	assert_memory_equal(done->digest, done->layers[0], DIGEST_SIZE);
	free(done);
}

static void one_of_two_images_is_chosen_by_its_name(void **state)
{
	const struct fixture *f = *state;
	struct wire_image_done *done = calloc(1, sizeof(*done));

	import(f, "two.oci", WIRE_IMAGE_OCI_ARCHIVE, "v2", done);
	assert_imported(done, 1);
	free(done);
}

static void what_umoci_and_skopeo_write_is_read(void **state)
{
	static const struct {
		const char *name;
		uint32_t format;
	} made[] = {
		{"skopeo.oci", WIRE_IMAGE_OCI_ARCHIVE},
		{"zstd.oci", WIRE_IMAGE_OCI_ARCHIVE},
		{"skopeo.docker", WIRE_IMAGE_DOCKER_ARCHIVE},
	};
	const struct fixture *f = *state;
	struct wire_image_done *done = calloc(1, sizeof(*done));

	if (!is_there(f->fixtures, "tools.txt")) {
		free(done);
		print_message("SKIP: umoci or skopeo is not installed\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		import(f, made[i].name, made[i].format, "", done);
		assert_imported(done, 1);
		assert_string_equal(done->config.entrypoint, "/app/run");
	}
	free(done);
}

/* ---- bad archives ---- */

static void bad_archives_fail_with_their_cause(void **state)
{
	static const struct {
		const char *name, *reference, *cause;
	} bad[] = {
		{"digest.oci", "", "layer 1 sha256:"},
		{"size.oci", "", "bytes, the manifest says"},
		{"absent.oci", "", "is not in the archive"},
		{"diffid.oci", "", "the config says sha256:0000"},
		{"count.oci", "", "1 layers, the config 2 diff_ids"},
		{"half.oci", "", "layer 1 sha256:"},
		{"symlink.oci", "", "entry d/passwd: too many symbolic links"},
		{"dotdot.oci", "", "entry app/../../evil: its path has a \"..\""},
		{"hardlink.oci", "", "its path has a \"..\""},
		{"device.oci", "", "entry app/disk: is a device"},
		{"owner.oci", "", "entry app/x: its owner is not below 65536"},
		{"user.oci", "", "user nobody-here: is not in the image's /etc/passwd"},
		{"signal.oci", "", "StopSignal SIGNONSENSE"},
		{"arch.oci", "", "the image is for linux/pdp11"},
		{"layertype.oci", "", "unknown mediaType application/x-strange"},
		{"manifesttype.oci", "", "unknown mediaType application/x-strange"},
		{"notgzip.oci", "", "layer 1: diff_id is"},
		{"cut.oci", "", "the archive is damaged"},
		{"text.oci", "", "archive"},
		{"manifestsize.oci", "", "bytes, its descriptor says"},
		{"two.oci", "", "name one of: v1, v2"},
		{"two.oci", "v3", "no image named v3"},
	};
	const struct fixture *f = *state;
	struct wire_image_done *done = calloc(1, sizeof(*done));
	unsigned int stored = entries(f, "pieces");

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		import(f, bad[i].name, WIRE_IMAGE_OCI_ARCHIVE, bad[i].reference, done);
		if (done->err == 0 || !strstr(done->text, bad[i].cause))
			fail_msg("%s: err %d: %s", bad[i].name, done->err, done->text);
		assert_int_equal(entries(f, "staging"), 0);
		assert_int_equal(entries(f, "pieces"), stored);
	}
	free(done);
}

static void an_import_given_up_leaves_nothing(void **state)
{
	const struct fixture *f = *state;
	struct image_import *i;
	struct wire_image_done *done = calloc(1, sizeof(*done));
	unsigned int stored = entries(f, "pieces");

	start(f, "good.oci", WIRE_IMAGE_OCI_ARCHIVE, "", &i);
	image_import_free(i);
	assert_int_equal(entries(f, "staging"), 0);
	start(f, "good.oci", WIRE_IMAGE_OCI_ARCHIVE, "", &i);
	(void)image_import_step(i, done);
	image_import_free(i);
	assert_int_equal(entries(f, "staging"), 0);
	assert_int_equal(entries(f, "pieces"), stored);
	free(done);
}

static void a_removed_layer_is_gone_but_for_its_users(void **state)
{
	const struct fixture *f = *state;
	struct wire_image_done *done = calloc(1, sizeof(*done));
	SCOPED_FD layer_fd = -1;

	import(f, "good.oci", WIRE_IMAGE_OCI_ARCHIVE, "", done);
	assert_imported(done, 3);
	layer_fd = image_layer_open(f->store, done->layers[0]);
	assert_true(layer_fd >= 0);
	for (uint32_t n = 0; n < done->layer_count; n++)
		assert_int_equal(image_layer_remove(f->store, done->layers[n]), 0);
	assert_int_equal(image_layer_open(f->store, done->layers[0]), -ENOENT);
	assert_int_equal(image_layer_remove(f->store, done->layers[0]), -ENOENT);
	if (image_store_uses_erofs(f->store))
		assert_int_equal(faccessat(layer_fd, "app/run", R_OK, 0), 0);
	free(done);
}

/* ---- setting up ---- */

static void find_programs(struct fixture *f)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	assert_int_equal(
		text_format(f->unpack, sizeof(f->unpack), "%s/ebb-unpack", dirname(dirname(self))),
		0);
}

static void make_fixtures(const struct fixture *f)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/usr/bin/python3", "python3", "tests/unit/image_fixtures.py", f->fixtures,
		      NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int set_up(void **state)
{
	struct fixture *f;

	if (geteuid() != 0)
		return 0;
	f = calloc(1, sizeof(*f));
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(text_copy(f->dir, sizeof(f->dir), "/tmp/ebb-test-image-XXXXXX"), 0);
	assert_non_null(mkdtemp(f->dir));
	(void)text_format(f->store_dir, sizeof(f->store_dir), "%s/store", f->dir);
	(void)text_format(f->fixtures, sizeof(f->fixtures), "%s/archives", f->dir);
	find_programs(f);
	make_fixtures(f);
	open_store(f);
	*state = f;
	return 0;
}

static int set_up_plain(void **state)
{
	int r;

	assert_int_equal(setenv("EBB_NO_EROFS", "1", 1), 0);
	r = set_up(state);
	assert_int_equal(unsetenv("EBB_NO_EROFS"), 0);
	return r;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	image_store_close(f->store);
	assert_int_equal(fd_rmtree_at(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

static void it_mounts_files_where_the_kernel_can(void **state)
{
	const struct fixture *f = *state;

	if (!image_store_uses_erofs(f->store))
		print_message("note: no erofs from a file here, plain directories are used\n");
	assert_int_equal(entries(f, "staging"), 0);
}

#define TESTS                                                                                 \
	cmocka_unit_test(it_mounts_files_where_the_kernel_can),                               \
		cmocka_unit_test(bad_archives_fail_with_their_cause), /* no layer is known */ \
		cmocka_unit_test(an_image_is_what_an_overlay_of_its_layers_shows),            \
		cmocka_unit_test(the_same_layers_come_from_a_docker_archive_and_are_shared),  \
		cmocka_unit_test(a_nested_index_is_followed_to_this_machine),                 \
		cmocka_unit_test(a_plain_tar_is_one_layer_without_config),                    \
		cmocka_unit_test(one_of_two_images_is_chosen_by_its_name),                    \
		cmocka_unit_test(what_umoci_and_skopeo_write_is_read),                        \
		cmocka_unit_test(an_import_given_up_leaves_nothing),                          \
		cmocka_unit_test(a_removed_layer_is_gone_but_for_its_users)

int main(void)
{
	const struct CMUnitTest erofs[] = {TESTS}, plain[] = {TESTS};
	int failed;

	if (geteuid() != 0) {
		print_message("SKIP: test_image needs root (mounts, id maps)\n");
		return 0;
	}
	failed = cmocka_run_group_tests_name("image store, erofs", erofs, set_up, tear_down);
	return failed + cmocka_run_group_tests_name("image store, plain directories", plain,
						    set_up_plain, tear_down);
}
