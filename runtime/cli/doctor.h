/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes of the host for `ebb doctor`. A probe tries the real thing where it has the right to, and
 * leaves no cgroup, mount, process or file behind. It fills in a fact of one line and, unless all
 * is well, a remedy.
 */
#ifndef EBB_CLI_DOCTOR_H
#define EBB_CLI_DOCTOR_H

#include <stdbool.h>
#include <sys/types.h>

enum finding_status { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct finding {
	enum finding_status status;
	char fact[256];
	char mend[256];
};

/* Shared by several probes. */
struct host {
	bool root;
	char cgroup2[256];   /* mount point of cgroup v2; "" = none */
	char own_cgroup[64]; /* name of the cgroup made for trying; "" = none */
	int own_cgroup_fd;
	pid_t guinea; /* a process that waits in own_cgroup; 0 = none */
};

/* Fill in a finding: the fact and, where it is bad, a remedy that a user can carry out. */
void finding_ok(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_bad(struct finding *f, enum finding_status status, const char *mend, const char *fmt,
		 ...) __attribute__((format(printf, 4, 5)));
/* Fills in the warning that the probe needs root. */
void finding_needs_root(struct finding *f);

/* doctor_cgroup.c. To be called in this order, because each builds on the one before. */
void host_open(struct host *host);
void host_close(struct host *host);
void probe_cgroup2(struct host *host, struct finding *f);
void probe_controllers(struct host *host, struct finding *f);
void probe_clone_into(struct host *host, struct finding *f);
void probe_freezer(struct host *host, struct finding *f);
void probe_cgroup_kill(struct host *host, struct finding *f);
/* doctor_kernel.c */
void probe_root(struct host *host, struct finding *f);
void probe_kernel(struct host *host, struct finding *f);
void probe_namespaces(struct host *host, struct finding *f);
void probe_userns(struct host *host, struct finding *f);
void probe_seccomp(struct host *host, struct finding *f);
void probe_io_uring(struct host *host, struct finding *f);
void probe_pidfd(struct host *host, struct finding *f);
void probe_psi(struct host *host, struct finding *f);
/* doctor_mounts.c */
void probe_overlay(struct host *host, struct finding *f);
void probe_erofs(struct host *host, struct finding *f);
void probe_idmap(struct host *host, struct finding *f);
/* doctor_network.c */
void probe_network(struct host *host, struct finding *f);
void probe_wakes(struct host *host, struct finding *f);
void probe_route(struct host *host, struct finding *f);
void probe_resolver(struct host *host, struct finding *f);
void probe_addresses(struct host *host, struct finding *f);
/* doctor_host.c */
void probe_nofile(struct host *host, struct finding *f);
void probe_memlock(struct host *host, struct finding *f);
void probe_ports(struct host *host, struct finding *f);
void probe_fsync(struct host *host, struct finding *f);
void probe_tools(struct host *host, struct finding *f);
void probe_libraries(struct host *host, struct finding *f);

#endif
