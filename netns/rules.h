/* SPDX-License-Identifier: Apache-2.0 */
/* Private to netns/: names that the rules and the elements share. */
#ifndef EBB_NETNS_RULES_H
#define EBB_NETNS_RULES_H

#define SET_ADDRESS_V4 "address4"
#define SET_ADDRESS_V6 "address6"
#define SET_OPEN       "open"
#define SET_DENY_V4    "deny4"
#define SET_DENY_V6    "deny6"
#define SET_EXACT_V4   "exact4"
#define SET_EXACT_V6   "exact6"
#define SET_NAMED_V4   "named4"
#define SET_NAMED_V6   "named6"
#define SET_ALLOW_V4   "allow4"
#define SET_ALLOW_V6   "allow6"
#define SET_HOST_PORTS "hostports"
#define SET_ASKS       "asks"     /* may ask for names */
#define SET_FORWARDS   "forwards" /* ebb-dns: may ask the host's resolvers */
#define SET_NAMES_V4   "names4"   /* addresses of names; port 0: every port */
#define SET_NAMES_V6   "names6"
#define SET_MADE       "made" /* connections of an interface, counted */

#endif
