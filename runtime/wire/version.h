/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of all that processes of two builds share on one host: the records between ebbd and a
 * gateway (records.h), the board, the counters. An upgrade in place puts a new ebbd beside gateways
 * of an older build. It is refused, before anything stops, unless both builds have the same version
 * and layout, and the same rows of the estate (supervisor/host/estate.h).
 */
#ifndef EBB_WIRE_VERSION_H
#define EBB_WIRE_VERSION_H

#include <stdint.h>

/* Raise it when a record, a row or a word changes its meaning and keeps its size. */
#define RECORDS_VERSION 2u

/* The sizes of all that is shared, and the numbers of the records' types, as one number: it notices
 * a change that forgot to raise the version. */
uint64_t wire_layout(void);

#endif
