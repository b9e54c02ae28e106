/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBB_WIRE_CAPABILITIES_H
#define EBB_WIRE_CAPABILITIES_H

/* The capabilities that user 0 of an instance has in its own user namespace (capabilities(7)).
 * Images need them that begin as root, take over directories and go on as another user. No
 * capability is a right over anything of the host (docs/internals/threat-model.md). */
#define WIRE_CAPABILITIES(X) \
	X(CHOWN) X(DAC_OVERRIDE) X(FOWNER) X(SETUID) X(SETGID) X(NET_BIND_SERVICE) X(KILL)
#define X(name) WIRE_CAPABILITY_##name,
enum wire_capability { WIRE_CAPABILITIES(X) WIRE_CAPABILITY_COUNT };
#undef X
#define WIRE_CAPABILITIES_ALL ((1u << WIRE_CAPABILITY_COUNT) - 1)

#endif
