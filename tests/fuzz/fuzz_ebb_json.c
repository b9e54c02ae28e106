// SPDX-License-Identifier: Apache-2.0
/*
 * ebb.json, as `ebb` reads it and, service by service, as ebb-api reads what `ebb` makes of it.
 * Settings that were accepted are written out and read again: they must be the same.
 */
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/service_schema.h"
#include "runtime/cli/spec.h"
#include "tests/fuzz/fuzz.h"

static bool read_settings(const char *text, size_t size, struct service_spec *out)
{
	static struct problem_list errors, warnings;
	struct json *document;
	char err[256];

	memset(&errors, 0, sizeof(errors));
	memset(&warnings, 0, sizeof(warnings));
	if (json_parse(text, size, 32, &document, err, sizeof(err)) < 0)
		return false;
	service_spec_read(document, NULL, out, &errors, &warnings);
	json_free(document);
	return errors.count == 0;
}

static void check_settings(const char *text, size_t size)
{
	static struct service_spec first, second;
	struct json_out o;

	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	if (!read_settings(text, size, &first))
		return;
	json_out_init(&o);
	json_out_object(&o, NULL);
	service_spec_write(&o, &first, SPEC_STORED);
	json_out_end_object(&o);
	claim(!o.failed);
	claim(read_settings(o.text, o.length, &second));
	claim(memcmp(&first, &second, sizeof(first)) == 0);
	json_out_fini(&o);
}

static void check_document(const char *text, size_t size)
{
	static struct report report;
	struct spec *spec;

	memset(&report, 0, sizeof(report));
	if (spec_parse(text, size, &report, &spec) < 0)
		return;
	for (size_t i = 0; i < spec->count; i++) {
		struct json_out body;

		json_out_init(&body);
		spec_body(&spec->services[i], "image", NULL, &body);
		claim(!body.failed);
		check_settings(body.text, body.length);
		json_out_fini(&body);
	}
	spec_free(spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_document((const char *)data, size);
	check_settings((const char *)data, size);
	return 0;
}
