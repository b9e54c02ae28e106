// SPDX-License-Identifier: Apache-2.0
import vercel from "@astrojs/vercel";

export default { output: "server", adapter: vercel(), telemetry: false };
