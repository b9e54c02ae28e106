// SPDX-License-Identifier: Apache-2.0
// Regular expressions of routes, matched in linear time. They come from a project, and the paths from anybody, so a
// matcher that tries again may not see them. The syntax is JavaScript's without back references and lookbehind. Case
// counts only for a route that says so, as on the platform that the routes are written for.
//
// A program is a list of steps. A step that failed at a place fails there again, whatever came before: without back
// references nothing else decides. So each pair of step and place is tried once, and time is steps times length.
"use strict";

const STEPS_MAX = 5000;
const DEPTH_MAX = 50;
const REPEAT_MAX = 1000;
const CLASSES = { d: "0-9", w: "a-zA-Z0-9_", s: " \\t\\n\\v\\f\\r\\u00a0\\ufeff\\u2028\\u2029" };
const ESCAPES = { n: "\n", r: "\r", t: "\t", v: "\v", f: "\f", 0: "\0" };

class Refused extends Error {}

class Parser {
	constructor(text, exact) {
		this.text = text;
		this.exact = exact;
		this.at = 0;
		this.groups = 0;
		this.names = [];
		this.depth = 0;
	}

	fail(why) {
		throw new Refused(`${why}, at character ${this.at + 1}`);
	}

	peek(word) {
		return this.text.startsWith(word, this.at);
	}

	take(word) {
		if (!this.peek(word)) return false;
		this.at += word.length;
		return true;
	}

	choice() {
		if (++this.depth > DEPTH_MAX) this.fail(`more than ${DEPTH_MAX} groups in each other`);
		const ways = [this.sequence()];
		while (this.take("|")) ways.push(this.sequence());
		this.depth--;
		return ways.length > 1 ? { kind: "choice", ways } : ways[0];
	}

	sequence() {
		const parts = [];
		while (this.at < this.text.length && !this.peek("|") && !this.peek(")")) parts.push(this.repeated());
		return { kind: "sequence", parts };
	}

	repeated() {
		const one = this.atom();
		const found = /^(?:([*+?])|\{(\d{1,4})(,(\d{0,4}))?\})(\?)?/.exec(this.text.slice(this.at, this.at + 16));
		if (!found) return one;
		if (one.kind === "start" || one.kind === "end") this.fail("nothing to repeat");
		this.at += found[0].length;
		const [, sign, from, comma, to] = found;
		const least = sign ? Number(sign === "+") : Number(from);
		const most = sign ? (sign === "?" ? 1 : Infinity) : comma ? (to ? Number(to) : Infinity) : least;
		if (least > REPEAT_MAX || (most !== Infinity && (most > REPEAT_MAX || most < least))) this.fail("a wrong repetition");
		return { kind: "repeat", one, least, most, lazy: Boolean(found[5]) };
	}

	atom() {
		if (this.take("(")) return this.group();
		if (this.take("[")) return this.set();
		if (this.take("^")) return { kind: "start" };
		if (this.take("$")) return { kind: "end" };
		if (this.take(".")) return { kind: "one", test: (c) => c !== "\n" && c !== "\r" };
		if (this.take("\\")) return this.escape();
		if (/[*+?]/.test(this.text[this.at])) this.fail("nothing to repeat");
		return literal(this, this.text[this.at++]);
	}

	group() {
		const done = (node) => (this.take(")") ? node : this.fail("a group without its end"));
		if (this.take("?:")) return done(this.choice());
		if (this.take("?=")) return done({ kind: "ahead", wanted: true, body: this.withoutGroups() });
		if (this.take("?!")) return done({ kind: "ahead", wanted: false, body: this.choice() });
		const name = /^\?P?<([A-Za-z_$][\w$]*)>/.exec(this.text.slice(this.at, this.at + 200));
		if (name) this.at += name[0].length;
		else if (this.peek("?")) this.fail("a kind of group that cannot be matched in linear time");
		const number = ++this.groups;
		if (name) this.names.push([name[1], number]);
		return done({ kind: "group", number, body: this.choice() });
	}

	// What a look ahead finds is kept as yes or no, so its groups would have no text.
	withoutGroups() {
		const before = this.groups, body = this.choice();
		if (this.groups > before) this.fail("a group that captures in a look ahead: write (?:");
		return body;
	}

	set() {
		const begin = this.at;
		while (this.at < this.text.length && this.text[this.at] !== "]") this.at += this.text[this.at] === "\\" ? 2 : 1;
		const inside = this.text.slice(begin, this.at);
		if (!this.take("]")) this.fail("a class without its end");
		return oneOf(this, inside);
	}

	escape() {
		const c = this.text[this.at++];
		if (c === undefined) this.fail("a \\ at the end");
		if (/[1-9k]/.test(c)) this.fail("a back reference, which cannot be matched in linear time");
		if (c === "b" || c === "B") return { kind: "border", wanted: c === "b" };
		if (CLASSES[c.toLowerCase()]) return oneOf(this, (c === c.toUpperCase() ? "^" : "") + CLASSES[c.toLowerCase()]);
		if (ESCAPES[c] !== undefined) return literal(this, ESCAPES[c]);
		const code = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(this.text.slice(this.at - 1, this.at + 5));
		if (code) this.at += code[0].length - 1;
		return literal(this, code ? String.fromCharCode(parseInt(code[1] ?? code[2], 16)) : c);
	}
}

function literal(parser, c) {
	if (parser.exact) return { kind: "one", test: (other) => other === c };
	const [low, high] = [c.toLowerCase(), c.toUpperCase()];
	return { kind: "one", test: (other) => other === c || other === low || other === high };
}

// One character of a class: JavaScript's own class, which cannot try again.
function oneOf(parser, inside) {
	let test;
	try {
		test = new RegExp(`^[${inside}]$`, parser.exact ? "" : "i");
	} catch {
		parser.fail("a wrong class");
	}
	return { kind: "one", test: (c) => test.test(c) };
}

// --- steps: [kind, ...]; the next step is the one behind, or the number that a step names ------------------------
const WRITERS = {
	one: (out, node) => out.push({ kind: "one", test: node.test }),
	start: (out) => out.push({ kind: "start" }),
	end: (out) => out.push({ kind: "end" }),
	border: (out, node) => out.push({ kind: "border", wanted: node.wanted }),
	sequence: (out, node) => node.parts.forEach((part) => write(out, part)),
	group(out, node) {
		out.push({ kind: "save", slot: 2 * node.number });
		write(out, node.body);
		out.push({ kind: "save", slot: 2 * node.number + 1 });
	},
	ahead(out, node) {
		const step = { kind: "ahead", wanted: node.wanted, next: 0 };
		out.push(step);
		write(out, node.body);
		out.push({ kind: "match" });
		step.next = out.length;
	},
	choice(out, node) {
		const ends = node.ways.map((way, i) => {
			const split = i < node.ways.length - 1 ? push(out, { kind: "split", ways: [] }) : null;
			if (split) split.ways.push(out.length);
			write(out, way);
			const jump = split && push(out, { kind: "jump", next: 0 });
			split?.ways.push(out.length);
			return jump;
		});
		for (const jump of ends) if (jump) jump.next = out.length;
	},
	repeat(out, { one, least, most, lazy }) {
		for (let i = 0; i < least; i++) write(out, one);
		if (most === Infinity) return writeLoop(out, one, lazy);
		const splits = [];
		for (let i = least; i < most; i++) {
			splits.push(push(out, { kind: "split", lazy, ways: [out.length + 1] }));
			write(out, one);
		}
		for (const split of splits) order(split, out.length);
	},
};

function order(split, other) {
	split.ways.push(other);
	if (split.lazy) split.ways.reverse();
}

function writeLoop(out, one, lazy) {
	const split = push(out, { kind: "split", lazy, ways: [out.length + 1] });
	write(out, one);
	out.push({ kind: "jump", next: out.indexOf(split) });
	order(split, out.length);
}

function push(out, step) {
	if (out.length >= STEPS_MAX) throw new Refused(`more than ${STEPS_MAX} steps`);
	out.push(step);
	return step;
}

function write(out, node) {
	if (out.length >= STEPS_MAX) throw new Refused(`more than ${STEPS_MAX} steps`);
	WRITERS[node.kind](out, node);
}

// --- matching ----------------------------------------------------------------------------------------------------
const isWord = (c) => c !== undefined && /\w/.test(c);

// Whether a step lets the text at a place pass: the next place, or -1.
const TESTS = {
	one: (step, text, at) => (at < text.length && step.test(text[at]) ? at + 1 : -1),
	start: (step, text, at) => (at === 0 ? at : -1),
	end: (step, text, at) => (at === text.length ? at : -1),
	border: (step, text, at) => ((isWord(text[at - 1]) !== isWord(text[at])) === step.wanted ? at : -1),
};

const FAILS = 1;
const LEADS = 2; // to the end of a look ahead

class Matcher {
	constructor(steps, text) {
		this.steps = steps;
		this.text = text;
		this.width = text.length + 1;
		this.marks = new Uint8Array(steps.length * this.width);
	}

	// The place where the steps from `first` match, and the places that groups saved, else null. trail: of a look ahead,
	// the marks of the way that is tried. They become LEADS when it leads to the end, for the next look.
	run(first, at, trail) {
		const todo = [[first, at, null, 0]];
		while (todo.length) {
			const [step, place, saved, length] = todo.pop();
			if (trail) trail.length = length;
			const found = this.follow(todo, step, place, saved, trail);
			if (!found) continue;
			for (const mark of trail ?? []) this.marks[mark] = LEADS;
			return found;
		}
		return null;
	}

	// Goes one way until it fails or matches; its other ways come to `todo`.
	follow(todo, step, place, saved, trail) {
		for (;;) {
			const mark = step * this.width + place, found = this.steps[step];
			if (this.marks[mark]) return trail && this.marks[mark] === LEADS ? { place, saved } : null;
			this.marks[mark] = FAILS;
			trail?.push(mark);
			if (found.kind === "match") return { place, saved };
			if (found.kind === "split")
				for (let i = found.ways.length - 1; i > 0; i--) todo.push([found.ways[i], place, saved, trail?.length ?? 0]);
			if (found.kind === "save") saved = { slot: found.slot, place, before: saved };
			else if (found.kind === "ahead" && !this.looks(step, place)) return null;
			else if (TESTS[found.kind]) place = TESTS[found.kind](found, this.text, place);
			if (place < 0) return null;
			step = found.ways?.[0] ?? found.next ?? step + 1;
		}
	}

	// Whether a look ahead is content. Its steps lie between it and `next`, and no other way leads into them.
	looks(step, place) {
		return (this.run(step + 1, place, []) !== null) === this.steps[step].wanted;
	}
}

// exec(path) returns the texts of the groups, [whole, $1, ...] with .groups by name, or null. Like JavaScript's, an
// expression without ^ matches anywhere.
exports.compile = (source, exact = false) => {
	const parser = new Parser(source, exact);
	const tree = parser.choice();
	if (parser.at < source.length) parser.fail("a ) without its group");
	const steps = [];
	write(steps, tree);
	steps.push({ kind: "match" });
	return { source, names: parser.names, exec: (text) => exec(steps, parser, text) };
};

function exec(steps, parser, text) {
	const matcher = new Matcher(steps, text);
	for (let at = 0; at <= text.length; at++) {
		const found = matcher.run(0, at, null);
		if (!found) continue;
		const places = new Array(2 * (parser.groups + 1));
		for (let one = found.saved; one; one = one.before) places[one.slot] ??= one.place;
		const groups = [text.slice(at, found.place)];
		for (let i = 1; i <= parser.groups; i++)
			groups.push(places[2 * i + 1] === undefined ? undefined : text.slice(places[2 * i], places[2 * i + 1]));
		groups.groups = Object.fromEntries(parser.names.map(([name, number]) => [name, groups[number]]));
		return groups;
	}
	return null;
}

exports.Refused = Refused;
