// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/exec_limits.h"

#include <errno.h>
#include <inttypes.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define BESIDE_HEAP_MB  96 /* code, stacks, buffers, young objects */
#define MB_OF_ONE_CPU   2048
#define MILLI_OF_ONE    1000
#define BYTES_OF_ONE_MB (1u << 20)

uint32_t exec_heap_mb(uint32_t memory_mb)
{
	uint32_t most = memory_mb / 10 * 9;

	if (memory_mb < 2 * BESIDE_HEAP_MB)
		return memory_mb / 2;
	return memory_mb - BESIDE_HEAP_MB < most ? memory_mb - BESIDE_HEAP_MB : most;
}

/* Whole CPUs, at least one: a run-time starts threads for so many. */
static uint32_t cpus(const struct service_spec *spec)
{
	uint64_t milli = spec->cpu_milli ? spec->cpu_milli
					 : (uint64_t)spec->memory_mb * MILLI_OF_ONE / MB_OF_ONE_CPU;
	uint64_t whole = (milli + MILLI_OF_ONE - 1) / MILLI_OF_ONE;

	return whole ? (uint32_t)whole : 1;
}

/* A -Xmx on the command line of the service wins over this variable. The heap gets half of the
 * memory, because a JVM in a small instance needs about as much beside its heap. */
static int as_java(const struct service_spec *spec, char *out, size_t size)
{
	return text_format(out, size,
			   "-XX:MaxRAM=%" PRIu32 "m -XX:MaxRAMPercentage=50 "
			   "-XX:ActiveProcessorCount=%" PRIu32,
			   spec->memory_mb, cpus(spec));
}

static int as_node(const struct service_spec *spec, char *out, size_t size)
{
	return text_format(out, size, "--max-old-space-size=%" PRIu32,
			   exec_heap_mb(spec->memory_mb));
}

static int as_go_memory(const struct service_spec *spec, char *out, size_t size)
{
	return text_format(out, size, "%" PRIu32 "MiB", spec->memory_mb / 10 * 9);
}

static int as_cpus(const struct service_spec *spec, char *out, size_t size)
{
	return text_format(out, size, "%" PRIu32, cpus(spec));
}

/* .NET reads DOTNET_GCHeapHardLimit as a hexadecimal number of bytes. */
static int as_dotnet(const struct service_spec *spec, char *out, size_t size)
{
	return text_format(out, size, "0x%" PRIx64,
			   (uint64_t)exec_heap_mb(spec->memory_mb) * BYTES_OF_ONE_MB);
}

/* Bun's JavaScriptCore grows its heap by the memory that it takes the machine to have. */
static int as_bun(const struct service_spec *spec, char *out, size_t size)
{
	return text_format(out, size, "%" PRIu64,
			   (uint64_t)exec_heap_mb(spec->memory_mb) * BYTES_OF_ONE_MB);
}

static const struct {
	const char *name;
	int (*format)(const struct service_spec *spec, char *out, size_t size);
} variables[] = {
	{"JAVA_TOOL_OPTIONS", as_java},
	{"NODE_OPTIONS", as_node},
	{"GOMEMLIMIT", as_go_memory},
	{"GOMAXPROCS", as_cpus},
	{"DOTNET_GCHeapHardLimit", as_dotnet},
	{"DOTNET_PROCESSOR_COUNT", as_cpus},
	{"DENO_V8_FLAGS", as_node},
	{"BUN_JSC_forceRAMSize", as_bun},
	{"PYTHON_CPU_COUNT", as_cpus}, /* from 3.13 on */
};

int exec_limits_add(struct blob *env, const struct service_spec *spec)
{
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		char value[128];
		int r;

		if (blob_find(env->memory, env->count, variables[i].name))
			continue;
		r = variables[i].format(spec, value, sizeof(value));
		if (r == 0)
			r = blob_add_pair(env, variables[i].name, value);
		if (r < 0)
			return -E2BIG;
	}
	return 0;
}
