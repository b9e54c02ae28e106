/* SPDX-License-Identifier: Apache-2.0 */
/* The channels to ebbd and to the ledger: which records may come, and where they go. */
#ifndef EBB_API_CONTROL_H
#define EBB_API_CONTROL_H

struct api;
struct wire_message;

#define API_CONTROL_FD 3

/* Descriptors that come with API_CONFIG, in this order; the last one only with status_listen. */
enum config_fd {
	CONFIG_LISTENER,
	CONFIG_STATE_DIR,
	CONFIG_LOG_DIR,
	CONFIG_LEDGER,
	CONFIG_STATUS,
	CONFIG_FDS
};

/* Waits for the first record, API_CONFIG. The descriptors stay in m. 0, or -errno: -EPROTO if the
 * record is another one. */
int control_read_config(struct api *api, struct wire_message *m);
/* Puts the control channel into the loop; a lost ebbd ends the loop. 0 or -errno. */
int control_open(struct api *api);
/* Takes ledger_fd. A lost ledger leaves api->ledger closed. 0 or -errno. */
int ledger_open(struct api *api, int ledger_fd);

#endif
