// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/build.h"
#include "runtime/cli/dockerfile.h"
#include "runtime/cli/file.h"
#include "runtime/cli/guess.h"
#include "runtime/cli/known.h"
#include "runtime/cli/places.h"
#include "runtime/cli/spec.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/upload.h"

#define BUILDER PLACES_BUILDER

/* Takes runtime and entrypoint from the one service of DIR/ebb.json; options of the caller win. */
static int apply_own_file(struct build *build, struct spec **spec)
{
	SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
	SCOPED_MEM char *text = NULL;
	SCOPED_FD dir_fd = -1;
	char path[4096 + 16];
	size_t size;
	int r;

	if (!report || text_format(path, sizeof(path), "%s/ebb.json", build->directory) < 0)
		return CLI_FAILED;
	dir_fd = open(build->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir_fd < 0 ? -errno : file_read_beneath(dir_fd, "ebb.json", &text, &size);
	if (r == -ENOENT && dir_fd >= 0)
		return CLI_DONE;
	if (dir_fd < 0) {
		say_error(strerror(-r), "name a directory that holds a function", "cannot build %s",
			  build->directory);
		return CLI_USAGE;
	}
	if (r == 0)
		r = spec_parse(text, size, report, spec);
	report_print(report, path);
	if (r < 0) {
		if (report->count == 0)
			say_error(r == -EXDEV || r == -ELOOP || r == -EINVAL
					  ? "it is not a file of this directory"
					  : strerror(-r),
				  NULL, "cannot read %s", path);
		return CLI_USAGE;
	}
	if ((*spec)->count > 1)
		return CLI_DONE; /* several services: this directory is not one function's */
	if (!build->runtime)
		build->runtime = spec_string((*spec)->services, "runtime");
	if (!build->entrypoint)
		build->entrypoint = spec_string((*spec)->services, "entrypoint");
	if (!build->clean_urls)
		build->clean_urls = spec_flag((*spec)->services, "cleanUrls");
	if (!build->trailing_slash)
		build->trailing_slash = spec_flag((*spec)->services, "trailingSlash");
	return CLI_DONE;
}

/* An entry point that says: a tree of the Build Output API, which the commands leave. */
#define OUTPUT_TREE ".vercel/output"

/* Runtime and entry point behind the commands of a file, which may make the file that a guess looks
 * for. */
static int apply_commands(struct build *build, int dir_fd, struct guess *guess)
{
	int r;

	if (build->commands->output) {
		build->runtime = "static";
		build->entrypoint = ".";
		return CLI_DONE;
	}
	r = build->entrypoint ? -ENOENT : guess_directory(dir_fd, build->runtime, guess);
	if (r == 0 && *guess->framework &&
	    (!build->runtime || strcmp(build->runtime, "node") == 0)) {
		build->framework = guess->framework;
		build->entrypoint = guess->entrypoint;
		build->runtime = guess->runtime;
	} else if ((r == 0 && strcmp(guess->runtime, "static") != 0) ||
		   (r == -EBADMSG && *guess->entrypoint)) {
		build->entrypoint = guess->entrypoint;
		build->runtime = guess->runtime;
	}
	if (!build->entrypoint)
		build->entrypoint = OUTPUT_TREE;
	if (!build->runtime)
		build->runtime = guess_runtime(build->entrypoint);
	return CLI_DONE;
}

/* Whether a builder left a build output, and nothing else says what serves. */
static bool takes_output(const struct build *build, int dir_fd)
{
	SCOPED_FD fd = file_open_beneath(dir_fd, OUTPUT_TREE "/config.json");
	struct guess guess;

	if (fd < 0 || !build->take || build->runtime || build->entrypoint)
		return false;
	return guess_directory(dir_fd, NULL, &guess) != 0 || !*guess.framework;
}

static int apply_guess(struct build *build, struct guess *guess)
{
	SCOPED_FD dir_fd = open(build->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir_fd < 0 ? -errno : 0;

	if (r == 0 && build->commands)
		return apply_commands(build, dir_fd, guess);
	if (r == 0 && takes_output(build, dir_fd)) {
		say_note("ebb: served from " OUTPUT_TREE ", which its builder left");
		build->prebuilt = true;
		build->runtime = "node";
		build->entrypoint = ".";
	}
	if (r == 0 && build->runtime && build->entrypoint)
		return CLI_DONE;
	if (r == 0 && !build->runtime && !build->entrypoint)
		build->dockerfile = dockerfile_of(dir_fd);
	if (build->dockerfile) {
		say_note("ebb: built by buildah, because %s is there", build->dockerfile);
		return CLI_DONE;
	}
	if (r == 0)
		r = guess_directory(dir_fd, build->runtime, guess);
	if (r < 0 && dir_fd < 0) {
		say_error(strerror(-r), "name a directory that holds a function", "cannot build %s",
			  build->directory);
		return CLI_USAGE;
	}
	if (r == -EBADMSG) {
		say_error(guess->because, "name its file: --entrypoint FILE", "cannot build %s",
			  build->directory);
		return CLI_FAILED;
	}
	if (r < 0) {
		say_error(r == -ENOENT ? "nothing in it tells what runs it" : strerror(-r),
			  "name them: --runtime node|python|native|static --entrypoint FILE",
			  "cannot build %s", build->directory);
		return CLI_FAILED;
	}
	if (!build->runtime)
		say_note("ebb: runtime %s, because %s", guess->runtime, guess->because);
	if (!build->entrypoint && *guess->framework) {
		say_note("ebb: built with Next.js, because its package.json depends on next");
		build->framework = guess->framework;
		build->entrypoint = guess->entrypoint;
	}
	if (!build->entrypoint) {
		say_note("ebb: entrypoint %s", guess->entrypoint);
		build->entrypoint = guess->entrypoint;
	}
	build->runtime = guess->runtime;
	return CLI_DONE;
}

/* Runs the builder. known: a file with the names of the pieces that the archive need not hold, or
 * "". */
static int make_archive(const struct build *build, const char *cache, const char *output,
			const char *known)
{
	static const char *const names[] = {
		"runtime",  "entrypoint", "source",     "cache",          "output",
		"step",     "known",      "clean-urls", "trailing-slash", "framework",
		"prebuilt", "strict",     "commands"};
	char commands[4096] = "";
	char builder[4096 + 64], step[4096 + 64], why[128], words[ARRAY_LEN(names)][4096 + 64];
	const char *values[] = {build->runtime,
				build->entrypoint,
				build->directory,
				cache,
				output,
				step,
				known,
				build->clean_urls ? build->clean_urls : "",
				build->trailing_slash ? build->trailing_slash : "",
				build->framework ? build->framework : "",
				build->prebuilt ? "1" : "",
				build->strict ? "1" : "",
				build->commands ? "1" : ""};
	const char *argv[ARRAY_LEN(names) + 2] = {builder};
	int status;

	if (build->dockerfile)
		return dockerfile_build(build->directory, build->dockerfile, cache, output);
	if (places_builder(builder, sizeof(builder)) < 0) {
		say_error("no " BUILDER " beside ebb, in libexec/ebb, or in EBB_LIBEXEC",
			  "make install, or set EBB_LIBEXEC to its directory", "cannot build %s",
			  build->directory);
		return CLI_FAILED;
	}
	places_step(step, sizeof(step));
	if (build->commands && commands_write(build->commands, commands, sizeof(commands)) < 0) {
		say_error("they are too long (..4096 bytes)", NULL, "cannot run its commands");
		return CLI_USAGE;
	}
	/* Name and value are one word, so that a value is never taken for an option. */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (text_format(words[i], sizeof(words[i]), "--%s=%s", names[i], values[i]) < 0) {
			say_error("it is too long", NULL, "cannot build with this %s", names[i]);
			return CLI_USAGE;
		}
		argv[i + 1] = words[i];
	}
	/* Values of build.env are on no command line, which every user of the host may read. */
	if (build->commands && setenv("EBB_BUILD_COMMANDS", commands, 1) < 0)
		status = -errno;
	else
		status = process_run(argv);
	unsetenv("EBB_BUILD_COMMANDS");
	if (status == 0)
		return CLI_DONE;
	if (status < 0)
		snprintf(why, sizeof(why), BUILDER ": %s", strerror(-status));
	else
		snprintf(why, sizeof(why), BUILDER " ended with status %d", status);
	say_error(why, "its own message is above", "cannot build %s", build->directory);
	return CLI_FAILED;
}

/* Builds without the layers that the store has, and again with all layers if one of those has gone
 * meanwhile. */
static int build_for_store(const struct call *call, const struct build *build, const char *cache,
			   const char *output, const char *known)
{
	char source[4096 + 64];
	size_t count = 0;
	int r = known_pieces(call, known, &count);

	if (r == CLI_DONE)
		r = make_archive(build, cache, output, known);
	if (r != CLI_DONE)
		return r;
	snprintf(source, sizeof(source), "oci-archive:%s", output);
	r = image_upload(call, source, build->name, build->show);
	if (r != CLI_FAILED || count == 0)
		return r;
	say_note("ebb: trying again with all layers");
	r = make_archive(build, cache, output, "");
	return r == CLI_DONE ? image_upload(call, source, build->name, build->show) : r;
}

static int build_and_upload(const struct call *call, const struct build *build)
{
	char cache[4096], output[4096 + 32], known[4096 + 32];
	int r = places_cache(cache, sizeof(cache));

	if (r < 0) {
		say_error(strerror(-r), "set EBB_CACHE to a directory that can be written",
			  "cannot use the cache %s", cache);
		return CLI_FAILED;
	}
	if (build->output)
		return make_archive(build, cache, build->output, "");
	snprintf(output, sizeof(output), "%s/.build-%d.tar", cache, (int)getpid());
	snprintf(known, sizeof(known), "%s/.build-%d.known", cache, (int)getpid());
	r = build_for_store(call, build, cache, output, known);
	unlink(known);
	unlink(output);
	return r;
}

/* A container is built if it has a Dockerfile. */
static int apply_container(struct build *build)
{
	SCOPED_FD dir_fd = open(build->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file_fd = -1;

	if (dockerfile_is(build->entrypoint))
		file_fd = dir_fd < 0 ? -1 : file_open_beneath(dir_fd, build->entrypoint);
	if (file_fd >= 0)
		build->dockerfile = build->entrypoint;
	else if (dir_fd >= 0 && !build->entrypoint)
		build->dockerfile = dockerfile_of(dir_fd);
	if (build->dockerfile)
		return CLI_DONE;
	say_error("its runtime is container, and no Dockerfile is there: there is nothing to build",
		  "ebb image import brings a foreign image", "cannot build %s", build->directory);
	return CLI_FAILED;
}

int build_image(const struct call *call, const struct build *build)
{
	struct build own = *build;
	struct spec *spec = NULL;
	struct guess guess = {.runtime = ""};
	int r = CLI_DONE;

	if (own.prebuilt) {
		own.runtime = "node";
		own.entrypoint = ".";
	} else if (!own.runtime || !own.entrypoint || own.show)
		r = apply_own_file(&own, &spec);
	if (r == CLI_DONE &&
	    (own.runtime ? strcmp(own.runtime, "container") == 0 : dockerfile_is(own.entrypoint)))
		r = apply_container(&own);
	else if (r == CLI_DONE)
		r = apply_guess(&own, &guess);
	if (r == CLI_DONE && !own.dockerfile && strcmp(own.runtime, "static") != 0 &&
	    (own.clean_urls || own.trailing_slash))
		say_note(
			"ebb: cleanUrls and trailingSlash are ignored: only the runtime static has "
			"them");
	if (r == CLI_DONE)
		r = build_and_upload(call, &own);
	spec_free(spec);
	return r;
}

int verb_build(struct call *call)
{
	struct build build = {
		.directory = args_word(&call->args, 0),
		.name = args_value(&call->args, "tag"),
		.runtime = args_value(&call->args, "runtime"),
		.entrypoint = args_value(&call->args, "entrypoint"),
		.output = args_value(&call->args, "output"),
		.prebuilt = args_given(&call->args, "prebuilt"),
		.strict = args_given(&call->args, "strict"),
		.show = true,
	};

	if (build.prebuilt && (build.runtime || build.entrypoint)) {
		say_error("a build that was made elsewhere says itself what serves it",
			  "leave out --runtime and --entrypoint", "cannot build %s",
			  build.directory);
		return CLI_USAGE;
	}
	if (!build.name && !build.output) {
		say_error("the image needs a name", "ebb build DIR -t NAME", "cannot build %s",
			  build.directory);
		return CLI_USAGE;
	}
	return build_image(call, &build);
}
