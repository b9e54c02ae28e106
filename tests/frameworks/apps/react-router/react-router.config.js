// SPDX-License-Identifier: Apache-2.0
import { vercelPreset } from "@vercel/react-router/vite";

export default { ssr: true, presets: [vercelPreset()] };
