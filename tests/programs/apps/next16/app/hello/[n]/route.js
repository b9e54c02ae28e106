// SPDX-License-Identifier: Apache-2.0
export async function GET(request, { params }) {
  return new Response(`hello ${(await params).n} from next`);
}
