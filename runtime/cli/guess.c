// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/guess.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define PACKAGE_BYTES_MAX (256 * 1024)

/* In order: the first pattern that a file matches decides. A marker says the runtime only. */
static const struct rule {
	const char *pattern, *runtime;
	bool marker;
} rules[] = {
	{"package.json", "node", true},
	{"index.mjs", "node", false},
	{"index.js", "node", false},
	{"index.cjs", "node", false},
	{"server.mjs", "node", false},
	{"server.js", "node", false},
	{"main.mjs", "node", false},
	{"main.js", "node", false},
	{"app.mjs", "node", false},
	{"app.js", "node", false},
	{"requirements.txt", "python", true},
	{"pyproject.toml", "python", true},
	{"main.py", "python", false},
	{"app.py", "python", false},
	{"index.py", "python", false},
	{"server.py", "python", false},
	{"main.c", "native", false},
	{"*.mjs", "node", false},
	{"*.py", "python", false},
	{"*.c", "native", false},
};

/* A regular file of that pattern, the first by name. 0 or -ENOENT, -errno. */
static int find_file(int dir_fd, const char *pattern, char *name, size_t size)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	struct stat st;
	DIR *list;

	if (list_fd < 0)
		return -errno;
	list = fdopendir(list_fd);
	if (!list) {
		fd_close(&list_fd);
		return -ENOMEM;
	}
	name[0] = '\0';
	while ((entry = readdir(list))) {
		if (fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0 ||
		    fstatat(dir_fd, entry->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (strlen(entry->d_name) < size && (!*name || strcmp(entry->d_name, name) < 0))
			(void)text_copy(name, size, entry->d_name);
	}
	closedir(list);
	return *name ? 0 : -ENOENT;
}

/* Whether a file is an ELF program that needs no loader: no PT_INTERP. */
static bool is_static_program(int dir_fd, const char *name)
{
	SCOPED_FD fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
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
	int r = -ENOENT;

	if (!list) {
		fd_close(&list_fd);
		return -EIO;
	}
	while (r < 0 && (entry = readdir(list)))
		if (fstatat(dir_fd, entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 0111) && is_static_program(dir_fd, entry->d_name))
			r = text_copy(name, size, entry->d_name);
	closedir(list);
	return r;
}

/* "main" of package.json, if that file exists. */
static int package_main(int dir_fd, char *name, size_t size)
{
	SCOPED_MEM char *text = malloc(PACKAGE_BYTES_MAX);
	struct json *package = NULL;
	const char *main_file;
	char err[128];
	ssize_t n =
		text ? fd_read_file_at(dir_fd, "package.json", text, PACKAGE_BYTES_MAX) : -ENOMEM;
	int r = -ENOENT;

	if (n < 0 || json_parse(text, (size_t)n, 32, &package, err, sizeof(err)) < 0)
		return -ENOENT;
	main_file = json_string(json_get(package, "main"));
	if (main_file && faccessat(dir_fd, main_file, R_OK, 0) == 0)
		r = text_copy(name, size, main_file);
	json_free(package);
	return r;
}

static int find_entrypoint(int dir_fd, const char *runtime, char *name, size_t size)
{
	if (strcmp(runtime, "node") == 0 && package_main(dir_fd, name, size) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (!rules[i].marker && strcmp(rules[i].runtime, runtime) == 0 &&
		    find_file(dir_fd, rules[i].pattern, name, size) == 0)
			return 0;
	if (strcmp(runtime, "native") == 0)
		return find_program(dir_fd, name, size);
	return -ENOENT;
}

static int find_runtime(int dir_fd, struct guess *guess)
{
	char name[256];

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (find_file(dir_fd, rules[i].pattern, name, sizeof(name)) < 0)
			continue;
		snprintf(guess->because, sizeof(guess->because), "%s is there", name);
		return text_copy(guess->runtime, sizeof(guess->runtime), rules[i].runtime);
	}
	if (find_program(dir_fd, name, sizeof(name)) < 0)
		return -ENOENT;
	snprintf(guess->because, sizeof(guess->because), "%s is a static program", name);
	return text_copy(guess->runtime, sizeof(guess->runtime), "native");
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
		r = find_entrypoint(dir_fd, guess.runtime, guess.entrypoint,
				    sizeof(guess.entrypoint));
	if (r == 0)
		*out = guess;
	return r;
}
