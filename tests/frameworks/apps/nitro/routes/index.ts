// SPDX-License-Identifier: Apache-2.0
export default defineEventHandler(() => "<h1>home of nitro</h1>");
