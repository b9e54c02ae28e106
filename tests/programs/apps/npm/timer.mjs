// SPDX-License-Identifier: Apache-2.0
// A timer of the program's own; when it fires it says how late.
export default function timer(ms) {
  const due = performance.now() + Number(ms);
  setTimeout(() => console.log(`timer ${ms} late ${Math.round(performance.now() - due)} ms`), Number(ms));
  return `timer ${ms} set`;
}
