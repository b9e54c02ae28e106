// SPDX-License-Identifier: Apache-2.0
export const GET = ({ params }) => new Response(`hello ${params.n} from sveltekit`);
