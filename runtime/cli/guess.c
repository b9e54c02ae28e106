// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/guess.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/file.h"

/* The first pattern that a file matches decides. A marker decides the runtime only; a script is one
 * of the page where index.html stands beside it. */
static const struct rule {
	const char *pattern, *runtime;
	bool marker, script;
} rules[] = {
	{"package.json", "node", true},
	{"index.mjs", "node", false},
	{"index.js", "node", false, true},
	{"index.cjs", "node", false},
	{"server.mjs", "node", false},
	{"server.js", "node", false},
	{"main.mjs", "node", false},
	{"main.js", "node", false, true},
	{"app.mjs", "node", false},
	{"app.js", "node", false, true},
	{"requirements.txt", "python", true},
	{"pyproject.toml", "python", true},
	{"main.py", "python", false},
	{"app.py", "python", false},
	{"index.py", "python", false},
	{"server.py", "python", false},
	{"main.c", "native", false},
	{"index.html", "static", true},
	{"*.mjs", "node", false},
	{"*.py", "python", false},
	{"*.c", "native", false},
};

static bool is_file(int dir_fd, const char *name)
{
	SCOPED_FD fd = file_open_beneath(dir_fd, name);

	return fd >= 0;
}

/* Finds the regular file that matches the pattern and is the first by name. 0, -ENOENT
 * or -errno. */
static int find_file(int dir_fd, const char *pattern, char *name, size_t size)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *list;
	int next;

	if (list_fd < 0)
		return -errno;
	list = fdopendir(list_fd);
	if (!list) {
		fd_close(&list_fd);
		return -ENOMEM;
	}
	name[0] = '\0';
	while ((next = fd_next_entry(list, &entry)) == 1) {
		if (fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0 ||
		    !is_file(dir_fd, entry->d_name))
			continue;
		if (strlen(entry->d_name) < size && (!*name || strcmp(entry->d_name, name) < 0))
			(void)text_copy(name, size, entry->d_name);
	}
	closedir(list);
	if (next < 0)
		return next;
	return *name ? 0 : -ENOENT;
}

/* Whether a file is an ELF program that needs no loader: no PT_INTERP. */
static bool is_static_program(int dir_fd, const char *name)
{
	SCOPED_FD fd = file_open_beneath(dir_fd, name);
	Elf64_Ehdr head;
	Elf64_Phdr part;

	if (fd < 0 || fd_read_all(fd, &head, sizeof(head)) != sizeof(head))
		return false;
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    (head.e_type != ET_EXEC && head.e_type != ET_DYN) || head.e_phentsize != sizeof(part))
		return false;
	for (size_t i = 0; i < head.e_phnum; i++) {
		off_t at = (off_t)(head.e_phoff + i * sizeof(part));

		if (pread(fd, &part, sizeof(part), at) != sizeof(part) || part.p_type == PT_INTERP)
			return false;
	}
	return head.e_phnum > 0;
}

static int find_program(int dir_fd, char *name, size_t size)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	struct stat st;
	DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);
	int r = -ENOENT, next = 0;

	if (!list) {
		fd_close(&list_fd);
		return -EIO;
	}
	while (r < 0 && (next = fd_next_entry(list, &entry)) == 1)
		if (fstatat(dir_fd, entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 0111) && is_static_program(dir_fd, entry->d_name))
			r = text_copy(name, size, entry->d_name);
	closedir(list);
	return next < 0 ? next : r;
}

/* Fills guess->because with text out of a file of the directory, made harmless for a terminal. */
static int refuse(struct guess *guess, const char *before, const char *text, const char *behind)
{
	char plain[96];
	size_t n = 0;

	for (; n < sizeof(plain) - 1 && text[n]; n++)
		plain[n] = text[n] >= ' ' && text[n] < 127 ? text[n] : '?';
	plain[n] = '\0';
	(void)text_format(guess->because, sizeof(guess->because), "%s%s%s", before, plain, behind);
	return -EBADMSG;
}

/* The file of a start script that is "node FILE" and no more. */
static const char *node_file(const char *start)
{
	const char *file =
		strncmp(start, "node ", 5) == 0 ? start + 5 + strspn(start + 5, " ") : "";

	return *file && *file != '-' && !strpbrk(file, " \t;&|<>$`'\"\\") ? file : NULL;
}

static bool depends_on(const struct json *package, const char *name)
{
	return json_get(json_get(package, "dependencies"), name) ||
	       json_get(json_get(package, "devDependencies"), name);
}

int guess_workflows(int dir_fd)
{
	SCOPED_MEM char *text = NULL;
	struct json *package = NULL;
	char err[128];
	size_t size;
	int found;

	if (file_is_directory_beneath(dir_fd, ".well-known/workflow/v1") == 0)
		return 1;
	if (file_read_beneath(dir_fd, "package.json", &text, &size) < 0)
		return -ENOENT;
	if (json_parse(text, size, 32, &package, err, sizeof(err)) < 0)
		return 0;
	found = depends_on(package, "workflow");
	json_free(package);
	return found;
}

bool guess_workflows_of(const char *directory, const char *file)
{
	const char *slash = strrchr(file, '/');
	char given[PATH_MAX] = ".", top[PATH_MAX], at[PATH_MAX];
	int r = -ENOENT;

	if ((slash && text_format(given, sizeof(given), "%.*s/", (int)(slash - file), file) < 0) ||
	    !realpath(given, top) || !realpath(directory, at))
		return false;
	while (r == -ENOENT && strlen(at) >= strlen(top)) {
		SCOPED_FD fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char *last = strrchr(at, '/');

		r = fd < 0 ? -errno : guess_workflows(fd);
		if (!last || last == at)
			break;
		*last = '\0';
	}
	return r == 1;
}

/* Whether the directory is a project of Next.js that its build has to make a server of: it depends
 * on next, has no server of its own, and is not what such a build left. */
static bool is_next(int dir_fd, const struct json *package, const char *start)
{
	bool left = is_file(dir_fd, "server.js") && is_file(dir_fd, ".next/BUILD_ID");

	return depends_on(package, "next") && !left && (!start || !node_file(start));
}

/* The server that `next build` leaves has the package.json of the project. */
static bool is_next_server(int dir_fd, const char *start)
{
	return start && strncmp(start, "next start", 10) == 0 && is_file(dir_fd, "server.js") &&
	       is_file(dir_fd, ".next/BUILD_ID");
}

/* Takes the entry point that package.json names by scripts.start or main. An entry point that it
 * names is used or refused, never ignored. 0; -ENOENT if it names none; -EBADMSG with the sentence
 * in guess->because. */
static int package_entry(int dir_fd, struct guess *guess)
{
	SCOPED_MEM char *text = NULL;
	struct json *package = NULL;
	const char *start, *main_file, *file;
	char err[128];
	size_t size;
	int r = file_read_beneath(dir_fd, "package.json", &text, &size);

	if (r == -ENOENT)
		return r;
	if (r < 0 || json_parse(text, size, 32, &package, err, sizeof(err)) < 0)
		return refuse(guess,
			      "its package.json cannot be read: ", r < 0 ? strerror(-r) : err, "");
	start = json_string(json_get(json_get(package, "scripts"), "start"));
	main_file = json_string(json_get(package, "main"));
	file = start ? node_file(start) : main_file;
	r = -ENOENT;
	if (is_next(dir_fd, package, start)) {
		(void)text_copy(guess->framework, sizeof(guess->framework), "nextjs");
		file = NULL;
		r = text_copy(guess->entrypoint, sizeof(guess->entrypoint), "server.js");
	} else if (is_next_server(dir_fd, start)) {
		file = "server.js";
	} else if (start && !file)
		r = refuse(guess, "its package.json starts it by \"", start,
			   "\", which is no plain node FILE");
	if (file && !is_file(dir_fd, file)) {
		r = refuse(guess, "its package.json starts ", file, ", which is not there");
		(void)text_copy(guess->entrypoint, sizeof(guess->entrypoint), file);
	} else if (file)
		r = text_copy(guess->entrypoint, sizeof(guess->entrypoint), file);
	json_free(package);
	return r;
}

/* The directory of static files: this one if it has a page for "/", else the first of those where
 * builds put pages. */
static int static_entry(int dir_fd, struct guess *guess)
{
	static const char *const folders[] = {"public", "static"};
	const char *found = ".";

	for (size_t i = ARRAY_LEN(folders); i-- > 0;)
		if (file_is_directory_beneath(dir_fd, folders[i]) == 0)
			found = folders[i];
	if (is_file(dir_fd, "index.html"))
		found = ".";
	return text_copy(guess->entrypoint, sizeof(guess->entrypoint), found);
}

/* Whether one of those directories has a page for "/". */
static bool has_pages(int dir_fd, struct guess *guess)
{
	static const char *const pages[] = {"public/index.html", "static/index.html"};

	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (!is_file(dir_fd, pages[i]))
			continue;
		snprintf(guess->because, sizeof(guess->because), "%s is there", pages[i]);
		return true;
	}
	return false;
}

static int find_entrypoint(int dir_fd, struct guess *guess)
{
	int r = strcmp(guess->runtime, "node") == 0 ? package_entry(dir_fd, guess) : -ENOENT;

	if (r != -ENOENT)
		return r;
	if (strcmp(guess->runtime, "static") == 0)
		return static_entry(dir_fd, guess);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (!rules[i].marker && strcmp(rules[i].runtime, guess->runtime) == 0 &&
		    find_file(dir_fd, rules[i].pattern, guess->entrypoint,
			      sizeof(guess->entrypoint)) == 0)
			return 0;
	if (strcmp(guess->runtime, "native") == 0)
		return find_program(dir_fd, guess->entrypoint, sizeof(guess->entrypoint));
	return -ENOENT;
}

static int find_runtime(int dir_fd, struct guess *guess)
{
	bool page = is_file(dir_fd, "index.html");
	char name[256];

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if ((page && rules[i].script) ||
		    find_file(dir_fd, rules[i].pattern, name, sizeof(name)) < 0)
			continue;
		snprintf(guess->because, sizeof(guess->because), "%s is there", name);
		return text_copy(guess->runtime, sizeof(guess->runtime), rules[i].runtime);
	}
	if (has_pages(dir_fd, guess))
		return text_copy(guess->runtime, sizeof(guess->runtime), "static");
	if (find_program(dir_fd, name, sizeof(name)) < 0)
		return -ENOENT;
	snprintf(guess->because, sizeof(guess->because), "%s is a static program", name);
	return text_copy(guess->runtime, sizeof(guess->runtime), "native");
}

const char *guess_runtime(const char *entrypoint)
{
	const char *dot = strrchr(entrypoint, '.');

	return strchr(entrypoint, ':') || (dot && strcmp(dot, ".py") == 0) ? "python" : "node";
}

int guess_directory(int dir_fd, const char *runtime, struct guess *out)
{
	struct guess guess = {.runtime = ""};
	int r;

	if (runtime)
		r = text_copy(guess.runtime, sizeof(guess.runtime), runtime);
	else
		r = find_runtime(dir_fd, &guess);
	if (r == 0)
		r = find_entrypoint(dir_fd, &guess);
	if (r == 0 || r == -EBADMSG)
		*out = guess;
	return r;
}
