// SPDX-License-Identifier: Apache-2.0
export default defineNitroConfig({ compatibilityDate: "2025-07-15" });
