// SPDX-License-Identifier: Apache-2.0
export default async (request) => new Response(`${request.method}\n`);
