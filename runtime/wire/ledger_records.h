/* SPDX-License-Identifier: Apache-2.0 */
/* Records to and from the ledger. */
#ifndef EBB_WIRE_LEDGER_RECORDS_H
#define EBB_WIRE_LEDGER_RECORDS_H

#include <stdint.h>

#include "runtime/wire/common_records.h"

/* ---- ebbd <-> ledger ---- */

/* LEDGER_CONFIG, the first record. fds: the directory of the ledger (owned by ebb-ledger), the
 * channel to ebb-api. */
struct wire_ledger_config {
	uint64_t boot_us;
	char node[HOST_NAME_SIZE];
};

#define WIRE_METER_REASONS(X) X(OPEN) X(FREEZE) X(PERIODIC) X(FLUSH) X(CLOSE)
#define X(name)               METER_AT_##name,
enum wire_meter_reason { WIRE_METER_REASONS(X) METER_REASON_COUNT };
#undef X

/* The meters of one instance, cumulative since its birth; they never fall. A repeated or an older
 * record does no harm. (instance, boot_us) names the instance for ever. */
struct wire_meter {
	uint64_t seq; /* rises by one with every METER of this ebbd; METER_ACK names the last safe
			 one */
	uint64_t boot_us, cgroup_id;
	uint64_t read_us;  /* wall clock of the reading */
	uint64_t lived_us; /* since the account was opened: awake + idle + frozen */
	uint64_t cpu_us;   /* cpu.stat usage_usec since the account was opened: Active CPU */
	uint64_t cpu_user_us, cpu_system_us; /* shown, never summed */
	uint64_t cpu_init_us;                /* part of cpu_us until the instance was ready */
	uint64_t awake_us;                   /* provisioned time: sum of the awake intervals */
	uint64_t frozen_us; /* at most lived_us - awake_us, or the ledger refuses it
			       (docs/ledger.md) */
	uint64_t invocations;
	/* IP packets on its wire, both ways, and connections that it opened; 0 without a network */
	uint64_t net_out_bytes, net_in_bytes, net_connections;
	/* Thaws for data from the network, and the part of awake_us from each until it was quiet.
	 */
	uint64_t wakes, wake_us;
	uint32_t memory_mb, revision;
	uint32_t reason; /* enum wire_meter_reason */
	uint32_t reserved;
	char instance[INSTANCE_ID_SIZE];
	char service[SERVICE_NAME_SIZE];
};

/* Asks the ledger to commit all METERs so far, and then to send METER_ACK with this seq. */
struct wire_meter_sync {
	uint64_t seq;
};

/* All METERs up to and with seq would survive a power cut. err: 0, or a positive errno: the ledger
 * cannot write. */
struct wire_meter_ack {
	uint64_t seq;
	int32_t err;
	uint32_t reserved;
};

/* ---- api <-> ledger ---- */

/* Asks for the usage from from_us to to_us (wall clock). Answered by USAGE_ROWs; the last one has
 * last = 1 and no service. service "": all services. bucket_us 0: one row per service over the
 * whole window, else one row per service and bucket. Counters inside a window are differences of
 * cumulative readings, never interpolated. */
struct wire_usage_get {
	uint64_t cookie;
	uint64_t from_us, to_us, bucket_us;
	char service[SERVICE_NAME_SIZE];
};

struct wire_usage_row {
	uint64_t cookie;
	uint64_t from_us, to_us;
	uint64_t invocations, active_cpu_us, awake_us, frozen_us;
	uint64_t provisioned_mb_us; /* sum of memory_mb x awake_us */
	uint64_t net_out_bytes, net_in_bytes, net_connections;
	uint64_t wakes, wake_us;
	uint32_t instances, last;
	int32_t err;
	uint32_t reserved;
	char service[SERVICE_NAME_SIZE];
};

/* Asks the ledger to check its hash chain. Answered by LEDGER_VERDICT. */
struct wire_ledger_verify {
	uint64_t cookie;
};

struct wire_ledger_verdict {
	uint64_t cookie;
	uint64_t rows, bad_row;    /* bad_row 0 = the chain holds */
	uint8_t head[DIGEST_SIZE]; /* hash of the last row */
	int32_t err;
	uint32_t reserved;
	char text[ERROR_TEXT_SIZE];
};

#endif
