// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/reload.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/host/notify.h"
#include "runtime/supervisor/host/prepare.h"

/* For systemd, Type=notify-reload (253 and newer) and Type=notify alike, sd_notify(3). */
static void tell_reloading(void)
{
	char state[80];

	(void)text_format(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
			  clock_mono_ns() / NS_PER_US);
	(void)notify_send(state);
}

static void limit_fleet(struct fleet *fleet, const struct config *c)
{
	const struct fleet_limits limits = {
		.armed = (uint32_t)c->armed,
		.instances_max = (uint32_t)c->instances_max,
		.nofile_max = (uint32_t)c->nofile_max,
		.drain_ms = (uint32_t)c->drain_ms,
		.memory_max_bytes = c->memory_max_mb << 20,
		.memory_reserve_bytes = c->memory_reserve_mb << 20,
	};

	fleet_limit(fleet, &limits);
}

/* Settings and listeners change together for the next ebbd: it closes listeners that no setting of
 * the row names. */
void reload_note(const struct reload *r)
{
	const struct reload_row row = {
		.asked = r->asked, .config = *r->config, .inherited = r->inherited};

	estate_write(r->estate, ESTATE_SETTINGS, 0, &row);
}

/* True if the listeners are others now. */
static bool take(struct reload *r, const struct config *next, struct config_change *changed)
{
	bool listeners = !config_same_listeners(r->config, next);
	struct config_change known;

	config_take(&r->asked, next, changed);
	config_take(r->config, next, &known);
	reload_note(r);
	(void)host_raise_limits(r->config); /* nofile_max cannot be more than ebbd's own */
	log_lowest((enum log_level)log_level_parse(r->config->log_level));
	return listeners;
}

static void say_changed(struct apilink *api, const struct config_change *changed)
{
	const char *live = *changed->live ? changed->live : "none",
		   *later = *changed->later ? changed->later : "none";
	char text[ERROR_TEXT_SIZE];

	log_info("event=settings_changed now=\"%s\" at_next_start=\"%s\"", live, later);
	(void)text_format(text, sizeof(text), "in force: %s; at the next start: %s", live, later);
	apilink_notice(api, WIRE_EVENT_SETTINGS_CHANGED, text);
}

static void say_refused(struct apilink *api, const char *why)
{
	char text[ERROR_TEXT_SIZE], quoted[2 * ERROR_TEXT_SIZE];

	log_error("event=settings_refused cause=%s", log_quote(quoted, sizeof(quoted), why));
	(void)text_format(text, sizeof(text), "%s", why);
	apilink_notice(api, WIRE_EVENT_SETTINGS_REFUSED, text);
}

static int read_settings(const struct reload *r, struct config *out, struct fault *f)
{
	int bad = config_load(r->argc, r->argv, out, f);

	return bad != 0 ? bad : inherited_add(&r->inherited, out, f);
}

int reload_first(struct reload *r, int argc, char **argv, struct estate *estate,
		 struct config *config, struct fault *f)
{
	int bad;

	*r = (struct reload){.argc = argc, .argv = argv, .config = config, .estate = estate};
	bad = inherited_take(&r->inherited, f);
	if (bad == 0)
		bad = read_settings(r, config, f);
	r->asked = *config;
	return bad;
}

/* The programs stand where they were asked for, and not where the binary before kept its own. */
void reload_follow(struct reload *r, int argc, char **argv, struct estate *estate,
		   struct config *config)
{
	const struct reload_row *row = estate_read(estate, ESTATE_SETTINGS, 0);

	*r = (struct reload){.argc = argc, .argv = argv, .config = config, .estate = estate};
	must(row);
	r->asked = row->asked;
	*config = row->config;
	r->inherited = row->inherited;
	memcpy(config->libexec_dir, row->asked.libexec_dir, sizeof(config->libexec_dir));
}

void reload_adopt(struct reload *r)
{
	const struct reload_row *row = estate_read(r->estate, ESTATE_SETTINGS, 0);

	if (!row)
		return;
	r->asked = row->asked;
	*r->config = row->config;
	log_lowest((enum log_level)log_level_parse(r->config->log_level));
}

void reload_afresh(struct reload *r)
{
	struct config next = {0};
	struct config_change known;
	struct fault fault = {0};
	char text[FAULT_TEXT_SIZE], quoted[2 * FAULT_TEXT_SIZE];

	if (read_settings(r, &next, &fault) < 0) {
		log_error("event=settings_refused cause=%s",
			  log_quote(quoted, sizeof(quoted), fault_text(&fault, text)));
	} else {
		config_take(&r->asked, &next, &known);
		config_take(r->config, &next, &known);
	}
	reload_note(r);
}

/* All that may fail. */
static int prepare(const struct reload *r, struct gateways *gateways, struct config *next,
		   struct fault *f)
{
	int bad = read_settings(r, next, f);

	if (bad == 0)
		bad = listener_may_have_group(next->api_group, f);
	return bad != 0 ? bad : gateways_prepare(gateways, next, f);
}

void reload_settings(struct reload *r, struct gateways *gateways, struct apilink *api,
		     struct fleet *fleet)
{
	struct config next = {0};
	struct config_change changed;
	struct fault fault = {0};
	char text[FAULT_TEXT_SIZE];

	tell_reloading();
	if (prepare(r, gateways, &next, &fault) == 0) {
		gateways_change(gateways, take(r, &next, &changed));
		apilink_change(api);
		limit_fleet(fleet, r->config);
		say_changed(api, &changed);
	} else {
		say_refused(api, fault_text(&fault, text));
	}
	if (notify_send("READY=1") < 0)
		log_warn("event=notify_failed");
}
