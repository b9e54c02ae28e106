/* SPDX-License-Identifier: Apache-2.0 */
/* Each ends with a NULL name. */
#ifndef EBB_CLI_VERB_OPTIONS_H
#define EBB_CLI_VERB_OPTIONS_H

#include "runtime/cli/args.h"

extern const struct option quiet_options[], ps_options[], net_options[], build_options[],
	import_options[], export_options[], deploy_options[], up_options[], dev_options[],
	logs_options[], events_options[], usage_options[], exec_options[], drain_options[],
	upgrade_options[], crons_options[], cron_run_options[], secret_options[], dry_run_options[],
	queue_options[], peek_options[], retry_options[], purge_options[], runs_options[],
	run_options[], move_run_options[];

#endif
