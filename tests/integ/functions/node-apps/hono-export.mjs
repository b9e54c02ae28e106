// SPDX-License-Identifier: Apache-2.0
export { app as default } from "./app.mjs";
