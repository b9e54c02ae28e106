// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/traffic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/services.h"
#include "runtime/api/state.h"
#include "runtime/base/json.h"

static void file_name(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s.traffic", name);
}

static void write_share(struct json_out *o, uint32_t revision, uint32_t percent)
{
	json_out_object(o, NULL);
	json_out_u64(o, "revision", revision);
	json_out_u64(o, "percent", percent);
	json_out_end_object(o);
}

void traffic_write(struct json_out *o, const struct service *s)
{
	uint32_t left = 100;

	for (size_t i = 0; i < s->traffic.count; i++)
		left -= s->traffic.shares[i].percent;
	json_out_array(o, "traffic");
	write_share(o, s->current.number, left);
	for (size_t i = 0; i < s->traffic.count; i++)
		write_share(o, s->traffic.shares[i].revision, s->traffic.shares[i].percent);
	json_out_end_array(o);
}

int traffic_save(int services_dir_fd, const char *name, const struct traffic *traffic)
{
	char file[SERVICE_NAME_SIZE + 16];
	struct json_out o;
	int r;

	file_name(file, sizeof(file), name);
	if (traffic->count == 0)
		return state_remove(services_dir_fd, file);
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "traffic");
	for (size_t i = 0; i < traffic->count; i++)
		write_share(&o, traffic->shares[i].revision, traffic->shares[i].percent);
	json_out_end_array(&o);
	json_out_end_object(&o);
	r = state_write_json(services_dir_fd, file, &o);
	json_out_fini(&o);
	return r;
}

int traffic_load(int services_dir_fd, const char *name, struct traffic *out)
{
	char file[SERVICE_NAME_SIZE + 16];
	struct json *document = NULL;
	const struct json *list;
	int r;

	*out = (struct traffic){0};
	file_name(file, sizeof(file), name);
	r = state_read_json(services_dir_fd, file, &document, NULL);
	if (r == -ENOENT)
		return 0;
	list = json_get(document, "traffic");
	for (size_t i = 0; i < json_count(list) && i < TRAFFIC_MAX && r == 0; i++) {
		int64_t revision = 0, percent = 0;

		(void)json_int(json_get(json_at(list, i), "revision"), &revision);
		(void)json_int(json_get(json_at(list, i), "percent"), &percent);
		if (revision < 1 || revision > UINT32_MAX || percent < 1 || percent > 100)
			r = -EINVAL;
		else
			out->shares[out->count++] = (struct traffic_share){
				.revision = (uint32_t)revision, .percent = (uint32_t)percent};
	}
	json_free(document);
	if (r < 0)
		*out = (struct traffic){0};
	return r;
}
