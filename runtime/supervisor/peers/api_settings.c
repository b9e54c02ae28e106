// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/api_settings.h"

#include <string.h>

#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/listeners.h"

void api_settings_fill(const struct config *c, uint64_t boot_us, struct wire_api_config *out)
{
	*out = (struct wire_api_config){
		.boot_us = boot_us,
		.gateway_count = (uint32_t)c->gateways,
		.listener_count = c->listener_count,
		.instances_max = (uint32_t)c->instances_max,
	};
	if (strcmp(c->egress, "on") == 0 && strcmp(c->egress_default, "internet") == 0)
		out->egress = WIRE_EGRESS_INTERNET;
	memcpy(out->listeners, c->listeners, sizeof(out->listeners));
	(void)text_copy(out->node, sizeof(out->node), c->node);
	(void)text_copy(out->run_dir, sizeof(out->run_dir), c->run_dir);
	(void)text_copy(out->state_dir, sizeof(out->state_dir), c->state_dir);
	(void)text_copy(out->version, sizeof(out->version), EBB_VERSION);
}

void api_settings_give_socket(const struct config *c)
{
	char path[CONFIG_PATH_SIZE + 16];
	int r;

	(void)text_format(path, sizeof(path), "%s/api.sock", c->run_dir);
	r = listener_give_to_group(path, c->api_group);
	if (r < 0)
		log_error("event=group_failed path=%s group=%s cause=\"%s\"", path, c->api_group,
			  strerror(-r));
}
