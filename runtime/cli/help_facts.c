// SPDX-License-Identifier: Apache-2.0
/* The tables of `ebb help exit` and `ebb help environment`; the reference is made from them. */
#include <stddef.h>

#include "runtime/cli/help.h"

const struct help_line help_exits[] = {
	{"0", "done as asked"},
	{"1", "it failed"},
	{"2", "the command line or ebb.json is wrong; nothing was tried"},
	{"3", "no server answers"},
	{NULL, NULL},
};

const struct help_line help_environment[] = {
	{"EBB_SOCKET", "the server's socket, when --socket is not given"},
	{"EBB_LIBEXEC", "directory of the builder, ebb-build"},
	{"EBB_CACHE", "directory for what building keeps"},
	{"EBB_BASE_SUITE", "Debian release that images of Node and Python stand on; the host's"},
	{"EBB_BUILD_SECONDS", "time of each step of a build; 600"},
	{"EBB_BAKE_SECONDS", "time of the start that bakes code into an image; 60"},
	{"EBB_BUILD_MEMORY_MB", "memory of each step; 2048"},
	{"EBB_BUILD_SIZE_MB", "disk space of each step; 1024"},
	{"EBB_BUILD_FILES", "files that each step may make; 200000"},
	{"EBB_BUILD_PIDS", "processes of each step; 256"},
	{"EBB_BUILD_CPU_MILLI", "thousandths of a CPU of each step; 2000"},
	{"EBB_BUILD_CGROUPS", "no: root builds where no control group can be made"},
	{"EBB_BUILD_HOSTS",
	 "hosts that steps of a Dockerfile may reach besides public ones: HOST[:PORT] ..."},
	{"EBB_BUILD_NETWORK", "host: steps of a Dockerfile have the host's network"},
	{"EBB_DEPLOYMENT_ID",
	 "the deployment that pages of a build ask for; ebb deploy --id sets it"},
	{"EBB_NPM_HOSTS", "hosts that npm may reach besides its registry: HOST[:PORT] ..."},
	{"EBB_NPM_SCRIPTS", "1: npm packages run their install scripts, without network"},
	{"SOURCE_DATE_EPOCH", "the time of every file in the image"},
	{"NO_COLOR", "no colours, when it is not empty"},
	{"NOTIFY_SOCKET", "where `ebb up --attach` says that it is ready"},
	{NULL, NULL},
};
