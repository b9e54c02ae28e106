// SPDX-License-Identifier: Apache-2.0
// A list of objects that each know their place in it: adding and removing one takes no memory and no hash.
"use strict";
const kNext = Symbol("ebb.next");
const kBefore = Symbol("ebb.before");

class Chain {
	constructor() {
		this.size = 0;
		this[kNext] = this[kBefore] = this;
	}

	// What a class does in its constructor, so that all its objects have one shape for V8.
	static prepare(item) {
		item[kNext] = item[kBefore] = null;
	}

	has(item) {
		return item[kNext] !== null;
	}

	add(item) {
		if (this.has(item)) return;
		item[kNext] = this;
		item[kBefore] = this[kBefore];
		this[kBefore][kNext] = item;
		this[kBefore] = item;
		this.size++;
	}

	delete(item) {
		if (!this.has(item)) return;
		item[kBefore][kNext] = item[kNext];
		item[kNext][kBefore] = item[kBefore];
		item[kNext] = item[kBefore] = null;
		this.size--;
	}

	// An item may be removed while it is the current one.
	*[Symbol.iterator]() {
		for (let item = this[kNext], next; item !== this; item = next) {
			next = item[kNext];
			yield item;
		}
	}
}

module.exports = Chain;
