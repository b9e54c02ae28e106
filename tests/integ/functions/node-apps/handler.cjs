// SPDX-License-Identifier: Apache-2.0
// A function of (req, res), in CommonJS.
module.exports = (req, res) => res.end(`hello from ${require.main === module ? "main" : "elsewhere"}\n`);
