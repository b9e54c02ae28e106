// SPDX-License-Identifier: Apache-2.0
import { reactRouter } from "@react-router/dev/vite";

export default { plugins: [reactRouter()] };
