// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/commands.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/cli/framework.h"

bool commands_of(const struct spec_service *service, struct commands *out)
{
	const char *runtime = spec_string(service, "runtime");
	const struct framework *framework = framework_find(spec_string(service, "framework"));
	bool files = runtime && strcmp(runtime, "static") == 0;
	struct commands found = {
		.build = spec_string(service, "buildCommand"),
		.install = spec_string(service, "installCommand"),
		.output = runtime && !files ? NULL : spec_string(service, "outputDirectory"),
		.env = json_get(json_get(service->spec->document, "build"), "env"),
	};

	if (found.build && !*found.build)
		found.build = NULL;
	if (!found.build && (!found.install || !*found.install || files || found.output))
		return false;
	if (!found.output && files)
		found.output = spec_string(service, "entrypoint");
	if (!found.output && !runtime && framework)
		found.output = framework->output;
	if (files && !found.output)
		found.output = ".";
	*out = found;
	return true;
}

static void write_text(struct json_out *out, const char *key, const char *text)
{
	if (text)
		json_out_string(out, key, text);
}

int commands_write(const struct commands *commands, char *buf, size_t size)
{
	struct json_out out;
	int r;

	json_out_init(&out);
	json_out_object(&out, NULL);
	write_text(&out, "buildCommand", commands->build);
	write_text(&out, "installCommand", commands->install);
	write_text(&out, "outputDirectory", commands->output);
	if (commands->env)
		json_out_value(&out, "env", commands->env);
	json_out_end_object(&out);
	r = out.failed ? -ENOMEM : text_copy(buf, size, out.text);
	json_out_fini(&out);
	return r;
}
