// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "nitro";

export default defineConfig({
	modules: ["workflow/nitro"],
	routes: { "/**": "./src/index.ts" },
});
