// SPDX-License-Identifier: Apache-2.0
export default defineEventHandler((event) => `hello ${getRouterParam(event, "n")} ${getQuery(event).q}`);
