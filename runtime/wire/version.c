// SPDX-License-Identifier: Apache-2.0
#include "runtime/wire/version.h"

#include "runtime/base/text.h"
#include "runtime/wire/board.h"
#include "runtime/wire/records.h"
#include "runtime/wire/stats.h"

uint64_t wire_layout(void)
{
	static const uint64_t sizes[] = {
		WIRE_TYPE_COUNT,
		sizeof(struct wire_gateway_config),
		sizeof(struct wire_route_put),
		sizeof(struct wire_route_del),
		sizeof(struct wire_instance_up),
		sizeof(struct wire_bindings),
		sizeof(struct wire_bindings_gone),
		sizeof(struct wire_instance_down),
		sizeof(struct wire_instance_drain),
		sizeof(struct wire_start_failed),
		sizeof(struct wire_ban),
		sizeof(struct wire_queue),
		sizeof(struct wire_pool_drop),
		sizeof(struct wire_sockets),
		sizeof(struct wire_need_instance),
		sizeof(struct wire_choice),
		sizeof(struct wire_need_sockets),
		sizeof(struct wire_instance_suspect),
		sizeof(struct wire_blame),
		sizeof(struct wire_cleared),
		sizeof(struct wire_queue_get),
		sizeof(struct wire_site),
		sizeof(struct wire_site_del),
		sizeof(struct wire_exec),
		sizeof(struct board_slot),
		sizeof(struct board_gateway),
		sizeof(struct board_holder),
		sizeof(struct stats),
	};

	return text_hash(sizes, sizeof(sizes));
}
