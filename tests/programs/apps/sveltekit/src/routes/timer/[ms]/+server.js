// SPDX-License-Identifier: Apache-2.0
export function GET({ params }) {
  const ms = Number(params.ms);
  const due = performance.now() + ms;
  setTimeout(() => console.log(`timer ${ms} late ${Math.round(performance.now() - due)} ms`), ms);
  return new Response(`timer ${ms} set`);
}
