// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/api_settings.h"

#include <string.h>

#include "runtime/base/fault.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/host/secret_key.h"

void api_settings_fill(const struct program_host *host, uint64_t boot_us,
		       struct wire_api_config *out)
{
	const struct config *c = host->config;
	const struct estate_words *words = estate_words(host->estate);

	*out = (struct wire_api_config){
		.boot_us = boot_us,
		.gateway_count = (uint32_t)c->gateways,
		.listener_count = c->listener_count,
		.instances_max = (uint32_t)c->instances_max,
		.upgrades = atomic_load(&words->upgrades_well),
		.upgrades_failed = atomic_load(&words->upgrades_failed),
		.events_given = atomic_load(&words->events_given),
	};
	if (strcmp(c->egress, "on") == 0 && strcmp(c->egress_default, "internet") == 0)
		out->egress = WIRE_EGRESS_INTERNET;
	memcpy(out->listeners, c->listeners, sizeof(out->listeners));
	(void)text_copy(out->node, sizeof(out->node), c->node);
	(void)text_copy(out->domain, sizeof(out->domain), c->domain);
	(void)text_copy(out->run_dir, sizeof(out->run_dir), c->run_dir);
	(void)text_copy(out->state_dir, sizeof(out->state_dir), c->state_dir);
	(void)text_copy(out->version, sizeof(out->version), EBB_VERSION);
}

void api_settings_add_key(const struct config *c, struct wire_api_config *out)
{
	struct fault fault = {0};
	char text[FAULT_TEXT_SIZE], quoted[2 * FAULT_TEXT_SIZE];

	if (secret_key_load(c, out->secret_key, &fault) == 0)
		return;
	(void)text_copy(out->secret_fault, sizeof(out->secret_fault), fault.what);
	(void)text_copy(out->secret_mend, sizeof(out->secret_mend), fault.mend);
	log_error("event=no_secret_key cause=%s",
		  log_quote(quoted, sizeof(quoted), fault_text(&fault, text)));
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
