// SPDX-License-Identifier: Apache-2.0
/* Which images this machine can run, in the words of the OCI image specification. */
#include "images/unpack/unpack.h"

#include <string.h>
#include <sys/utsname.h>

#include "runtime/base/mem.h"

const char *oci_architecture(void)
{
	static const struct {
		const char *machine, *oci;
	} names[] = {
		{"x86_64", "amd64"}, {"aarch64", "arm64"},   {"riscv64", "riscv64"},
		{"s390x", "s390x"},  {"ppc64le", "ppc64le"}, {"armv7l", "arm"},
	};
	static struct utsname host;

	if (uname(&host) < 0)
		return "?";
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(host.machine, names[i].machine) == 0)
			return names[i].oci;
	return host.machine;
}

bool platform_is_ours(const char *os, const char *arch)
{
	return (!os || !os[0] || strcmp(os, "linux") == 0) &&
	       (!arch || !arch[0] || strcmp(arch, oci_architecture()) == 0);
}
