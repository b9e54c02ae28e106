// SPDX-License-Identifier: Apache-2.0
import express from "express";

const app = express();
app.use(express.text());
app.get("/", (req, res) => res.send("home of express"));
app.get("/hello/:n", (req, res) => res.send(`hello ${req.params.n} ${req.query.q}`));
app.post("/hello/:n", (req, res) => res.send(`posted ${req.body}`));
export default app;
