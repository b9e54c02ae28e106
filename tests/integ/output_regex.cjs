// SPDX-License-Identifier: Apache-2.0
// Random expressions and texts: the matcher of routes must say what JavaScript's own says. usage: MATCHER SEED COUNT
"use strict";
const { compile, Refused } = require(process.argv[2]);

let seed = Number(process.argv[3]);
const random = (below) => {
	seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
	return (seed >> 8) % below;
};
const pick = (list) => list[random(list.length)];
const ATOMS = ["a", "b", "/", ".", "[^/]", "[a-c]", "\\w", "\\d", "\\/", "x", "\\.", "-"];
const SIGNS = ["*", "+", "?", "*?", "+?", "{0,2}", "{2}", "{1,}"];

function piece(depth) {
	const kind = random(depth > 0 ? 10 : 5);
	if (kind < 5) return pick(ATOMS);
	const inside = expression(depth - 1);
	if (kind === 5) return `(?=${inside})`;
	if (kind === 6) return `(?!${inside})`;
	if (kind === 7) return `(?:${inside}|${expression(depth - 1)})`;
	return `(${inside})`;
}

// A part that may match nothing is not repeated: there JavaScript ends a loop by a rule of its own.
function repeated(part) {
	if (part.startsWith("(?=") || part.startsWith("(?!") || new RegExp(`^(?:${part})$`).test("")) return part;
	return random(3) ? part : part + pick(SIGNS);
}

function expression(depth) {
	let text = "";
	for (let n = 1 + random(4); n > 0; n--) text += repeated(piece(depth));
	return text;
}

function subject() {
	let text = "/";
	for (let n = random(12); n > 0; n--) text += pick([..."aabbcxAB/.-1_"]);
	return text;
}

// Groups inside a repetition keep the text of an earlier round here; JavaScript forgets it. So only groups outside of
// repetitions are compared.
const comparable = (source) => !/\)[*+?{]/.test(source);

for (let i = 0; i < Number(process.argv[4]); i++) {
	const source = pick(["", "^"]) + expression(2) + pick(["", "$"]);
	let own;
	try {
		own = compile(source);
	} catch (error) {
		if (error instanceof Refused && /captures in a look ahead/.test(error.message)) continue;
		throw error;
	}
	const peer = new RegExp(source, "i");
	for (let j = 0; j < 20; j++) {
		const text = subject(), [mine, theirs] = [own.exec(text), peer.exec(text)];
		const same = comparable(source) ? JSON.stringify(mine && [...mine]) === JSON.stringify(theirs && [...theirs]) :
			mine?.[0] === theirs?.[0];
		if (same) continue;
		console.log(`${source} on ${text}: ${JSON.stringify(mine)}, JavaScript says ${JSON.stringify(theirs)}`);
		process.exit(1);
	}
}

// Expressions with which a matcher that tries again would never end.
for (const source of ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(?:a?){50}a{50}$", "^((?!(?:a+)+b).)*$", "(?:a*)*b"])
	compile(source).exec("a".repeat(5000) + "!");
console.log("same");
