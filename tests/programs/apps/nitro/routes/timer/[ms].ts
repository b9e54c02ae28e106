// SPDX-License-Identifier: Apache-2.0
export default defineEventHandler((event) => {
  const ms = Number(getRouterParam(event, 'ms'));
  const due = performance.now() + ms;
  setTimeout(() => console.log(`timer ${ms} late ${Math.round(performance.now() - due)} ms`), ms);
  return `timer ${ms} set`;
});
