// SPDX-License-Identifier: Apache-2.0
import { Hono } from "hono";

const app = new Hono();
app.get("/", (c) => c.text("home of hono"));
app.get("/hello/:n", (c) => c.text(`hello ${c.req.param("n")} ${c.req.query("q")}`));
app.post("/hello/:n", async (c) => c.text(`posted ${await c.req.text()}`));
export default app;
