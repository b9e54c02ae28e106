// SPDX-License-Identifier: Apache-2.0
import { index, route } from "@react-router/dev/routes";

export default [index("home.jsx"), route("hello/:n", "hello.js")];
