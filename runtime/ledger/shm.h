/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that SQLite shares with readers of the ledger while it is written (-shm).
 *
 * SQLite extends it by a byte in each 4 KiB and then writes to it through a mapping. On a file
 * system with smaller blocks the others are holes, and a full disk is a SIGBUS, which says nothing
 * and comes again after each start. So the blocks are allocated before SQLite gets a region: then a
 * full disk is an error like any other.
 */
#ifndef EBB_LEDGER_SHM_H
#define EBB_LEDGER_SHM_H

struct shm;
struct sqlite3;

/* Before the database is read for the first time. 0 or -errno. */
int shm_guard(struct sqlite3 *sql, struct shm **out);
/* Behind sqlite3_close: closing the file earlier would drop SQLite's own locks on it (fcntl(2)).
 * NULL is fine. */
void shm_free(struct shm *shm);

#endif
