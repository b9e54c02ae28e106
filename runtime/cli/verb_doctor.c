// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/doctor.h"
#include "runtime/cli/text_out.h"

static const struct probe {
	const char *name;
	void (*run)(struct host *host, struct finding *f);
} probes[] = {
	{"root", probe_root},
	{"kernel", probe_kernel},
	{"cgroup2", probe_cgroup2},
	{"controllers", probe_controllers},
	{"clone-into-cgroup", probe_clone_into},
	{"freezer", probe_freezer},
	{"cgroup.kill", probe_cgroup_kill},
	{"namespaces", probe_namespaces},
	{"user-namespaces", probe_userns},
	{"overlayfs", probe_overlay},
	{"erofs", probe_erofs},
	{"idmapped-mounts", probe_idmap},
	{"seccomp", probe_seccomp},
	{"io_uring", probe_io_uring},
	{"pidfd", probe_pidfd},
	{"pressure", probe_psi},
	{"open-files", probe_nofile},
	{"locked-memory", probe_memlock},
	{"ports", probe_ports},
	{"network", probe_network},
	{"wakes", probe_wakes},
	{"default-route", probe_route},
	{"resolver", probe_resolver},
	{"addresses", probe_addresses},
	{"fsync", probe_fsync},
	{"programs", probe_tools},
	{"libraries", probe_libraries},
};

static const struct {
	const char *name, *color;
} statuses[] = {
	[FINDING_OK] = {"ok", "\033[32m"},
	[FINDING_WARN] = {"warn", "\033[33m"},
	[FINDING_FAIL] = {"fail", "\033[31m"},
};

static void print_finding(const struct call *call, const char *name, const struct finding *f)
{
	char safe[sizeof(f->fact)];

	printf("%s%-4s%s  %-17s  %s\n", call->color ? statuses[f->status].color : "",
	       statuses[f->status].name, call->color ? "\033[0m" : "", name,
	       text_escape(safe, sizeof(safe), f->fact));
	if (f->status != FINDING_OK)
		printf("      %-17s  mend: %s\n", "", text_escape(safe, sizeof(safe), f->mend));
}

static void write_finding(struct json_out *out, const char *name, const struct finding *f)
{
	json_out_object(out, NULL);
	json_out_string(out, "name", name);
	json_out_string(out, "status", statuses[f->status].name);
	json_out_string(out, "fact", f->fact);
	json_out_string(out, "mend", f->status == FINDING_OK ? NULL : f->mend);
	json_out_end_object(out);
}

static void probe_all(const struct call *call, struct json_out *out, size_t *counts)
{
	struct host host;

	host_open(&host);
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		struct finding f = {.status = FINDING_FAIL};

		probes[i].run(&host, &f);
		counts[f.status]++;
		write_finding(out, probes[i].name, &f);
		if (!call->json)
			print_finding(call, probes[i].name, &f);
	}
	host_close(&host);
}

int verb_doctor(struct call *call)
{
	size_t counts[ARRAY_LEN(statuses)] = {0};
	struct json_out out;

	json_out_init(&out);
	json_out_object(&out, NULL);
	json_out_array(&out, "probes");
	probe_all(call, &out, counts);
	json_out_end_array(&out);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		json_out_u64(&out, statuses[i].name, counts[i]);
	json_out_end_object(&out);
	if (call->json)
		api_print_text(&out);
	else
		say_note("%zu ok, %zu warning%s, %zu failure%s", counts[FINDING_OK],
			 counts[FINDING_WARN], counts[FINDING_WARN] == 1 ? "" : "s",
			 counts[FINDING_FAIL], counts[FINDING_FAIL] == 1 ? "" : "s");
	json_out_fini(&out);
	return counts[FINDING_FAIL] ? CLI_FAILED : CLI_DONE;
}
