// SPDX-License-Identifier: Apache-2.0
/*
 * The end, in order: gateways drain, instances stop, the ledger has the last meters. Each further
 * signal is more impatient.
 */
#include "runtime/supervisor/ebbd.h"

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/host/notify.h"

void ebbd_on_flushed(void *self, uint64_t cookie, int error)
{
	struct ebbd *e = self;

	if (cookie != LEDGER_FLUSH_OWN) {
		apilink_flushed(e->api, cookie, error);
		return;
	}
	must(e->stopping);
	if (error < 0)
		e->exit_code = 1;
	ledgerlink_stop(e->ledger);
}

void ebbd_on_ledger_stopped(void *self)
{
	struct ebbd *e = self;

	loop_stop(e->loop, 0);
}

void ebbd_on_emptied(void *self)
{
	struct ebbd *e = self;

	must(e->stopping && fleet_count(e->fleet) == 0);
	ledgerlink_flush(e->ledger, LEDGER_FLUSH_OWN);
}

void ebbd_on_gateways_stopped(void *self)
{
	struct ebbd *e = self;

	if (e->gateways_gone)
		return;
	e->gateways_gone = true;
	fleet_stop_all(e->fleet);
}

static void drain(struct ebbd *e)
{
	e->stopping = true;
	atomic_store(&estate_words(e->heritage.estate)->stopping, 1);
	log_info("event=stopping");
	(void)notify_send("STOPPING=1");
	apilink_ill(e->api, WIRE_ILL_STOPPING, true);
	gateways_stop(e->gateways);
}

/* Only the last meters are waited for: usage is billed all the same. */
static void cut(struct ebbd *e)
{
	log_warn("event=stopping_now cause=\"second signal: open requests are cut\"");
	e->exit_code = 1;
	if (!e->gateways_gone)
		gateways_cut(e->gateways);
	fleet_kill_all(e->fleet);
}

static void give_up(struct ebbd *e)
{
	log_warn("event=stopping_at_once cause=\"third signal: the last meters are not waited "
		 "for\"");
	e->exit_code = 1;
	loop_stop(e->loop, 0);
}

void ebbd_stop(struct ebbd *e)
{
	static void (*const ways[])(struct ebbd * e) = {drain, cut, give_up};

	ways[e->stop_signals](e);
	if (e->stop_signals + 1 < ARRAY_LEN(ways))
		e->stop_signals++;
}
