/* The filters: set with the tools and kept in the address, so that a link shows the same cells. */

class Filters {
    constructor(matrix, changed) {
        this.matrix = matrix;
        this.changed = changed;
        this.fallbackView = matrix.kernels.length > 1 ? "types" : "kernels";
        this.read();
        this.views();
        this.menu("kernel-menu", "kernel", (value) => matrix.kernels[value].release);
        this.menu("type-menu", "type", (value) => matrix.types[value].name);
        this.chips();
        const words = document.getElementById("case-filter");
        words.addEventListener("input", () => this.set({ words: words.value.trim() }));
        document.getElementById("reset").addEventListener("click", () => this.reset());
        document.addEventListener("click", (event) => {
            for (const menu of document.querySelectorAll(".menu[open]"))
                if (!menu.contains(event.target)) menu.open = false;
        });
        document.addEventListener(
            "keydown",
            (event) => {
                const menu = event.key === "Escape" && document.querySelector(".menu[open]");
                if (!menu) return;
                menu.open = false;
                menu.querySelector("summary").focus();
                event.stopPropagation();
            },
            true,
        );
        window.addEventListener("hashchange", () => {
            this.read();
            this.show();
            this.changed();
        });
        this.show();
    }

    /** Read the filters from the address. */
    read() {
        const given = new URLSearchParams(location.hash.slice(1));
        const set = (name) => new Set((given.get(name) ?? "").split(",").filter(Boolean));
        this.view = given.get("view") in VIEWS ? given.get("view") : this.fallbackView;
        this.kernel = set("kernel");
        this.type = set("type");
        this.verdict = set("verdict");
        this.change = set("change");
        this.words = given.get("case") ?? "";
        this.cell = given.get("cell");
        this.open = given.has("open") ? set("open") : new Set(this.unfolded());
    }

    /** Return the nodes that are unfolded by default. */
    unfolded() {
        return this.matrix.kernels.length === 1 ? [this.matrix.names.kernel[0]] : [];
    }

    /** Write the filters to the address, without a new entry in the history. */
    write() {
        const parts = [];
        const put = (name, value) =>
            value &&
            parts.push(`${name}=${encodeURIComponent(value).replace(/%2[CF]/g, decodeURIComponent)}`);
        put("view", this.view === this.fallbackView ? "" : this.view);
        for (const name of ["kernel", "type", "verdict", "change"]) put(name, [...this[name]].join(","));
        put("case", this.words);
        if ([...this.open].join() !== this.unfolded().join())
            parts.push(`open=${[...this.open].map(encodeURIComponent).join(",").replace(/%2F/g, "/")}`);
        put("cell", this.cell);
        history.replaceState(
            null,
            "",
            parts.length ? `#${parts.join("&")}` : location.pathname + location.search,
        );
    }

    set(values) {
        Object.assign(this, values);
        this.write();
        this.show();
        this.changed();
    }

    reset() {
        this.set({ kernel: new Set(), type: new Set(), verdict: new Set(), change: new Set(), words: "" });
    }

    /** Return a predicate for the cells to show. */
    passes() {
        const { cells, names, verdicts, changes } = this.matrix;
        const chosen = (all, set) => all.map((name) => !set.size || set.has(name));
        const kernels = chosen(names.kernel, this.kernel);
        const types = chosen(names.type, this.type);
        const fits = this.fitting();
        const ofCase = this.matrix.cases.map(fits);
        const byVerdict = chosen(verdicts, this.verdict);
        const byChange = chosen(changes, this.change);
        const unexpected = this.verdict.has("unexpected");
        return (cell) =>
            kernels[cells.kernel[cell]] &&
            types[cells.type[cell]] &&
            ofCase[cells.case[cell]] &&
            (byVerdict[this.matrix.verdict(cell)] || (unexpected && !this.matrix.ok(cell))) &&
            (!this.change.size || byChange[cells.change[cell]] === true);
    }

    /** Return a predicate for cases: a glob for IDs, or words in ID or title. */
    fitting() {
        const words = this.words.toLowerCase();
        if (/[*?]/.test(words)) {
            const literal = words
                .replace(/[.+^$()|[\]{}\\]/g, "\\$&")
                .replaceAll("*", ".*")
                .replaceAll("?", ".");
            const pattern = new RegExp(`^${literal}$`);
            return (each) => pattern.test(each.id.toLowerCase());
        }
        const wanted = words.split(/\s+/).filter(Boolean);
        return (each) => wanted.every((word) => `${each.id} ${each.title}`.toLowerCase().includes(word));
    }

    views() {
        const place = document.getElementById("views");
        const names = Object.keys(VIEWS);
        for (const name of names) {
            const button = element(
                "button",
                { type: "button", role: "radio", "data-view": name },
                VIEWS[name].label,
            );
            button.addEventListener("click", () => this.set({ view: name }));
            place.append(button);
        }
        place.addEventListener("keydown", (event) => {
            const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
            if (!step) return;
            event.preventDefault();
            this.set({ view: names.at((names.indexOf(this.view) + step) % names.length) });
            place.querySelector('[aria-checked="true"]').focus();
        });
    }

    menu(id, dimension, label) {
        const place = document.querySelector(`#${id} .choices`);
        this.matrix.names[dimension].forEach((name, value) => {
            const box = element("input", { type: "checkbox", value: name });
            box.addEventListener("change", () => {
                const set = new Set(this[dimension]);
                if (box.checked) set.add(name);
                else set.delete(name);
                this.set({ [dimension]: set });
            });
            place.append(element("label", {}, box, label(value)));
        });
    }

    /** Draw a chip for each verdict that occurs, for unexpected cells, and for each kind of change. */
    chips() {
        const place = document.getElementById("chips");
        const { matrix } = this;
        const counts = new Map();
        let wrong = 0;
        const unexpected = new Set(); // verdicts
        const changes = new Map();
        for (let cell = 0; cell < matrix.count; cell++) {
            const verdict = matrix.verdicts[matrix.verdict(cell)];
            counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
            if (!matrix.ok(cell)) {
                wrong++;
                unexpected.add(verdict);
            }
            const change = matrix.change(cell);
            if (change) changes.set(change, (changes.get(change) ?? 0) + 1);
        }
        const add = (set, value, count, sign, words) => {
            const chip = element(
                "button",
                { type: "button", class: "chip", "data-filter": set, "data-value": value },
                sign,
                words,
                element("b", {}, count.toLocaleString("en")),
            );
            chip.addEventListener("click", () => {
                const chosen = new Set(this[set]);
                if (!chosen.delete(value)) chosen.add(value);
                this.set({ [set]: chosen });
            });
            place.append(chip);
        };
        if (wrong) add("verdict", "unexpected", wrong, mark("fail", false), "not as expected");
        for (const verdict of [...matrix.verdicts].sort(
            (one, other) => WORST_FIRST.indexOf(one) - WORST_FIRST.indexOf(other),
        )) {
            if (counts.has(verdict))
                add("verdict", verdict, counts.get(verdict), mark(verdict, !unexpected.has(verdict)), verdict);
        }
        for (const change of matrix.changes) {
            if (changes.has(change) && change !== "missing") {
                add(
                    "change",
                    change,
                    changes.get(change),
                    element("span", { class: "mark" }, "◥"),
                    change.replace("-", " "),
                );
            }
        }
    }

    /** Update the state of all tools. */
    show() {
        for (const button of document.querySelectorAll("#views button")) {
            const chosen = button.dataset.view === this.view;
            button.setAttribute("aria-checked", chosen);
            button.tabIndex = chosen ? 0 : -1;
        }
        for (const [id, dimension, noun] of [
            ["kernel-menu", "kernel", "Kernels"],
            ["type-menu", "type", "Types"],
        ]) {
            const menu = document.getElementById(id);
            const set = this[dimension];
            menu.classList.toggle("narrowed", set.size > 0);
            menu.querySelector("summary").textContent = set.size ? `${noun}: ${set.size}` : noun;
            for (const box of menu.querySelectorAll("input")) box.checked = set.has(box.value);
        }
        const words = document.getElementById("case-filter");
        if (words.value.trim() !== this.words) words.value = this.words;
        for (const chip of document.querySelectorAll(".chip")) {
            chip.setAttribute("aria-pressed", this[chip.dataset.filter].has(chip.dataset.value));
        }
        const narrowed =
            this.kernel.size || this.type.size || this.verdict.size || this.change.size || this.words;
        document.getElementById("reset").hidden = !narrowed;
    }
}
