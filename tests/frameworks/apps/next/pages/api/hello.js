// SPDX-License-Identifier: Apache-2.0
export default function handler(req, res) {
	res.status(200).json({ hello: req.query.name ?? "world" });
}
