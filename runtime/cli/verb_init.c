// SPDX-License-Identifier: Apache-2.0
/* init: a template, which is one of the examples, becomes the directory of a new project. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/places.h"
#include "runtime/cli/text_out.h"

#define FILES_MAX 64

/* A template, the example that it is, and what `ebb init` says of it. */
static const struct project {
	const char *name, *folder, *help;
} templates[] = {
	{"next", "next", "Next.js: pages and an API"},
	{"express", "node-express", "Node.js: an Express server"},
	{"fetch", "node-fetch", "Node.js: handlers that are exported"},
	{"starlette", "python-starlette", "Python: an asynchronous application (ASGI)"},
	{"flask", "python-flask", "Python: a Flask application (WSGI)"},
	{"c", "c-hello", "C: a static server"},
	{"static", "static", "a directory of pages"},
	{"multi", "multi", "three services on one domain: pages, Node.js, Python with WebSockets"},
};

/* The files of a template, relative to its folder, and those of the project that stand in the
 * way. */
struct files {
	size_t count;
	char names[FILES_MAX][256];
};

static int list(int dir_fd, const char *folder, struct files *out)
{
	int list_fd = openat(dir_fd, *folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *entries = list_fd < 0 ? NULL : fdopendir(list_fd);
	int r = entries ? 0 : -errno;

	while (r == 0 && (r = fd_next_entry(entries, &entry)) == 1) {
		char name[256];

		r = text_format(name, sizeof(name), "%s%s%s", folder, *folder ? "/" : "",
				entry->d_name);
		if (r == 0 && out->count == FILES_MAX)
			r = -E2BIG;
		if (r == 0 && entry->d_type == DT_DIR)
			r = list(dir_fd, name, out);
		else if (r == 0)
			r = text_copy(out->names[out->count++], sizeof(name), name);
	}
	if (entries)
		closedir(entries);
	else
		fd_close(&list_fd);
	return r;
}

static int make_parents(int dir_fd, const char *name)
{
	const char *slash = strrchr(name, '/');
	char parent[256];

	if (!slash || text_format(parent, sizeof(parent), "%.*s", (int)(slash - name), name) < 0)
		return 0;
	return fd_mkdir_p(dir_fd, parent, 0777);
}

static int copy_file(int from_fd, int to_fd, const char *name)
{
	SCOPED_FD in_fd = openat(from_fd, name, O_RDONLY | O_CLOEXEC), out_fd = -1;
	struct stat st;
	ssize_t n;
	int r;

	if (in_fd < 0 || fstat(in_fd, &st) < 0)
		return -errno;
	r = make_parents(to_fd, name);
	if (r < 0)
		return r;
	out_fd = openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			st.st_mode & 0777);
	if (out_fd < 0)
		return -errno;
	for (off_t left = st.st_size; left > 0; left -= n) {
		n = sendfile(out_fd, in_fd, NULL, (size_t)left);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

/* Nothing is written when one of the files is there. */
static int refuse_existing(int to_fd, const struct files *files, const char *folder)
{
	for (size_t i = 0; i < files->count; i++) {
		if (faccessat(to_fd, files->names[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		say_error("no file that is there is replaced",
			  "name another directory: ebb init TEMPLATE DIR", "%s is in %s already",
			  files->names[i], folder);
		return CLI_FAILED;
	}
	return CLI_DONE;
}

static int list_templates(const struct call *call)
{
	if (call->json)
		printf("[");
	for (size_t i = 0; i < ARRAY_LEN(templates); i++)
		if (call->json)
			printf("%s\n  {\"name\": \"%s\", \"about\": \"%s\"}", i ? "," : "",
			       templates[i].name, templates[i].help);
		else
			printf("%-10s %s\n", templates[i].name, templates[i].help);
	if (call->json)
		printf("\n]\n");
	return CLI_DONE;
}

static int find_template(const char *name, char *path, size_t size)
{
	const char *const beside[] = {"../share/ebb/examples", "../../examples",
				      "../../share/ebb/examples", NULL};
	char folder[4096];
	int r = places_find(beside, folder, sizeof(folder));

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(templates); i++)
		if (strcmp(templates[i].name, name) == 0)
			return text_format(path, size, "%s/%s", folder, templates[i].folder);
	return r < 0 ? r : -EINVAL;
}

/* The service of ebb.json, which is called as its example is, gets the name of the project. */
static int rename_service(int to_fd, const char *example, const char *folder)
{
	char text[8192], name[80], key[80], after[8192 + 80];
	SCOPED_MEM char *whole = realpath(folder, NULL);
	const char *base = whole ? strrchr(whole, '/') + 1 : "";
	ssize_t n = fd_read_file_at(to_fd, "ebb.json", text, sizeof(text));
	SCOPED_FD out_fd = -1;
	const char *at;

	(void)text_format(key, sizeof(key), "\"%s\":", example);
	at = n > 0 ? strstr(text, key) : NULL;
	if (!at || !text_is_label(base) || text_format(name, sizeof(name), "\"%s\":", base) < 0)
		return 0;
	if (text_format(after, sizeof(after), "%.*s%s%s", (int)(at - text), text, name,
			at + strlen(key)) < 0)
		return 0;
	out_fd = openat(to_fd, "ebb.json", O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	return out_fd < 0 ? -errno : fd_write_all(out_fd, after, strlen(after));
}

static int copy(const char *from, const char *folder)
{
	SCOPED_MEM struct files *files = calloc(1, sizeof(*files));
	SCOPED_FD from_fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), to_fd = -1;
	int r = !files ? -ENOMEM : from_fd < 0 ? -errno : list(from_fd, "", files);

	if (r == 0)
		r = fd_mkdir_p(AT_FDCWD, folder, 0777);
	if (r == 0)
		to_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && to_fd < 0)
		r = -errno;
	if (r == 0 && refuse_existing(to_fd, files, folder) != CLI_DONE)
		return CLI_FAILED;
	for (size_t i = 0; r == 0 && i < files->count; i++)
		r = copy_file(from_fd, to_fd, files->names[i]);
	if (r == 0)
		r = rename_service(to_fd, strrchr(from, '/') + 1, folder);
	if (r == 0)
		return CLI_DONE;
	say_error(strerror(-r), NULL, "cannot make the project in %s", folder);
	return CLI_FAILED;
}

int verb_init(struct call *call)
{
	const char *name = args_word(&call->args, 0), *folder = args_word(&call->args, 1);
	char from[4096 + 64];
	int r;

	if (!name)
		return list_templates(call);
	folder = folder ? folder : ".";
	r = find_template(name, from, sizeof(from));
	if (r == -EINVAL) {
		say_error(NULL, "ebb init lists them", "%s: no such template", name);
		return CLI_USAGE;
	}
	if (r < 0) {
		say_error("no share/ebb/examples near ebb", "make install puts them there",
			  "cannot find the templates");
		return CLI_FAILED;
	}
	r = copy(from, folder);
	if (r == CLI_DONE)
		say_note("ebb: %s made in %s; sudo ebb dev %s serves it", name, folder, folder);
	return r;
}
