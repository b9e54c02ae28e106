// SPDX-License-Identifier: Apache-2.0
export default defineEventHandler(async (event) => `posted ${await readRawBody(event)}`);
