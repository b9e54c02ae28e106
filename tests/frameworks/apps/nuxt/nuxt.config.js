// SPDX-License-Identifier: Apache-2.0
export default defineNuxtConfig({ compatibilityDate: "2025-07-15", telemetry: false });
