/* Details of a cell, of all cells of a slot, or of the run. */

const LISTED = 400;

class Panel {
    constructor(matrix, filters) {
        this.matrix = matrix;
        this.filters = filters;
        this.place = document.getElementById("panel");
        document.addEventListener("keydown", (event) => {
            if (event.key === "Escape" && !this.place.hidden) this.close();
        });
        document.getElementById("about").addEventListener("click", () => this.about());
    }

    close() {
        this.place.hidden = true;
        this.filters.cell = null;
        this.filters.write();
        document.getElementById("grid").focus({ preventScroll: true });
    }

    fill(path, ...children) {
        const close = element(
            "button",
            { type: "button", class: "close", "aria-label": "Close details" },
            "×",
        );
        close.addEventListener("click", () => this.close());
        this.place.replaceChildren(
            element("div", { class: "bar" }, element("span", { class: "path" }, path), close),
            ...children,
        );
        this.place.hidden = false;
        this.place.scrollTop = 0;
        this.place.focus({ preventScroll: true });
    }

    /** Show the cells of a slot: the details of one cell, or a list of several. */
    open(cells, path) {
        const { case: cases, type, kernel } = this.matrix.cells;
        const alike = cells.every(
            (cell) =>
                cases[cell] === cases[cells[0]] &&
                type[cell] === type[cells[0]] &&
                kernel[cell] === kernel[cells[0]],
        );
        return alike ? this.cell(cells[0]) : this.list(cells, path);
    }

    list(cells, path) {
        const counts = new Map();
        for (const cell of cells) {
            const key = `${this.matrix.verdict(cell)} ${this.matrix.ok(cell)}`;
            counts.set(key, { cell, count: (counts.get(key)?.count ?? 0) + 1 });
        }
        const badges = [...counts.values()].map(({ cell, count }) =>
            this.badge(this.matrix.answer(this.matrix.cells.answer[cell]), `${count} `),
        );
        const several = (column) => new Set(cells.map((cell) => column[cell])).size > 1;
        const { kernel, type } = this.matrix.cells;
        const items = cells
            .slice(0, LISTED)
            .map((cell) =>
                this.item(cell, [
                    several(kernel) ? this.matrix.shortKernel(kernel[cell]) : "",
                    several(type) ? this.matrix.names.type[type[cell]] : "",
                ]),
            );
        const more =
            cells.length > LISTED
                ? [
                      element(
                          "p",
                          { class: "path" },
                          `and ${cells.length - LISTED} more cells: unfold the matrix, or filter it`,
                      ),
                  ]
                : [];
        this.fill(
            path,
            element("h2", {}, `${cells.length.toLocaleString("en")} cells`),
            element("div", { class: "badges" }, ...badges),
            element("ul", { class: "cells" }, ...items),
            ...more,
        );
    }

    item(cell, where) {
        const about = this.matrix.cases[this.matrix.cells.case[cell]];
        const verdict = this.matrix.verdicts[this.matrix.verdict(cell)];
        const words = [...where, this.matrix.loader(cell) === "bcc" ? "" : this.matrix.loader(cell)]
            .filter(Boolean)
            .join(", ");
        const button = element(
            "button",
            { type: "button", title: verdict },
            mark(verdict, this.matrix.ok(cell)),
            element("b", {}, about.id),
            element("span", { class: "what" }, words ? `${words}: ${about.title}` : about.title),
        );
        button.addEventListener("click", () => this.cell(cell));
        return element("li", {}, button);
    }

    badge(answer, before = "") {
        return element(
            "span",
            { class: `badge ${colour(answer.verdict, answer.ok)}` },
            `${before}${answer.verdict}${answer.ok || before ? "" : ": not as expected"}`,
        );
    }

    async cell(cell) {
        await this.matrix.texts();
        const { matrix } = this;
        const { cells } = matrix;
        const about = matrix.cases[cells.case[cell]];
        const kernel = matrix.kernels[cells.kernel[cell]];
        const type = matrix.names.type[cells.type[cell]];
        const answer = matrix.answer(cells.answer[cell]);
        this.filters.cell = matrix.key(cell);
        this.filters.write();
        const way = [matrix.loader(cell), `${(cells.ms[cell] / 1000).toFixed(3)} s`];
        this.fill(
            `${kernel.release} › ${type} › ${about.id}`,
            element("h2", {}, about.title || about.id),
            element(
                "div",
                { class: "badges" },
                this.badge(answer),
                element("span", { class: "path" }, way.join(" · ")),
            ),
            ...this.change(cell),
            ...(answer.reason
                ? [element("h3", {}, "Why this is as expected"), element("p", {}, answer.reason)]
                : []),
            ...this.said(answer),
            ...this.loaders(cell),
            ...this.elsewhere(cell),
            ...(about.source
                ? [element("h3", {}, "Source of the expectation"), element("p", {}, about.source)]
                : []),
            ...this.text("Verifier log", answer.log, !answer.ok),
            ...this.text("Console, its end", answer.console, !answer.ok),
            ...this.programs(cell),
            ...this.provenance(kernel),
        );
    }

    change(cell) {
        const change = this.matrix.change(cell);
        if (!change) return [];
        const was = this.matrix.cells.was[cell];
        const parts = [element("p", { class: "change" }, `Since the baseline: ${change.replace("-", " ")}`)];
        if (was >= 0) {
            const answer = this.matrix.answer(was);
            parts.push(
                element(
                    "p",
                    { class: "path" },
                    `was ${answer.verdict}${answer.seen ? `: ${answer.seen.slice(0, 300)}` : ""}`,
                ),
            );
        }
        return parts;
    }

    /** Show expected and seen results, line by line if they have the same findings. */
    said({ expected, seen, ok }) {
        if (!expected && !seen) return [];
        const split = (text) =>
            text.split("; ").map((part) => {
                const at = part.indexOf(": ");
                return at < 0 ? ["", part] : [part.slice(0, at), part.slice(at + 2)];
            });
        const [wanted, got] = [split(expected), split(seen)];
        if (expected === seen) {
            const rows = wanted.map(([name, value]) =>
                element("tr", {}, element("th", {}, name), element("td", {}, element("code", {}, value))),
            );
            return [
                element("h3", {}, "Expected and seen"),
                element("table", {}, element("tbody", {}, ...rows)),
            ];
        }
        if (wanted.length !== got.length || wanted.some(([name], number) => name !== got[number][0])) {
            return [
                element("h3", {}, "Expected"),
                element("pre", {}, lines(expected)),
                element("h3", {}, "Seen"),
                element("pre", {}, lines(seen)),
            ];
        }
        const rows = wanted.map(([name, value], number) =>
            element(
                "tr",
                { class: value === got[number][1] || ok ? "" : "differs" },
                element("td", {}, name),
                element("td", {}, element("code", {}, value)),
                element("td", {}, element("code", {}, got[number][1])),
            ),
        );
        const head = element("tr", {}, ...["", "expected", "seen"].map((word) => element("th", {}, word)));
        return [
            element("h3", {}, "Expected and seen"),
            element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)),
        ];
    }

    /** Show the results of the other loaders. */
    loaders(cell) {
        return this.strip("Loaders", cell, ["kernel", "type", "case"], (each) => this.matrix.loader(each));
    }

    /** Show the results on the other kernels. */
    elsewhere(cell) {
        return this.strip("On each kernel", cell, ["type", "case", "loader"], (each) =>
            this.matrix.shortKernel(this.matrix.cells.kernel[each]),
        );
    }

    strip(title, cell, dimensions, label) {
        const { cells } = this.matrix;
        const same = [];
        for (let each = 0; each < this.matrix.count; each++)
            if (dimensions.every((name) => cells[name][each] === cells[name][cell])) same.push(each);
        if (same.length < 2) return [];
        const buttons = same.map((each) => {
            const verdict = this.matrix.verdicts[this.matrix.verdict(each)];
            const button = element(
                "button",
                {
                    type: "button",
                    class: colour(verdict, this.matrix.ok(each)),
                    title: verdict,
                    "aria-current": each === cell,
                },
                `${label(each)} ${SIGNS[verdict]}`,
            );
            button.addEventListener("click", () => this.cell(each));
            return button;
        });
        return [element("h3", {}, title), element("div", { class: "strip" }, ...buttons)];
    }

    text(title, text, open) {
        if (!text) return [];
        const count = text.split("\n").length;
        return [
            folded(
                title,
                `${count} ${count === 1 ? "line" : "lines"}`,
                open,
                element("pre", { tabindex: 0 }, text),
            ),
        ];
    }

    programs(cell) {
        return this.matrix.programs(cell).map(({ name, path, html }, number) => {
            const code = element("code", {});
            code.innerHTML = html; // made by the highlighter, which escapes
            return folded(name, path, number === 0, element("pre", { tabindex: 0 }, code));
        });
    }

    provenance(kernel) {
        return [
            folded(
                `Linux ${kernel.release}`,
                "provenance",
                false,
                facts({
                    ...kernel.facts,
                    qemu: this.matrix.run.qemu,
                    "dynptr-harness": this.matrix.run.harness,
                    started: this.matrix.run.started,
                }),
            ),
        ];
    }

    about() {
        const { run, kernels, baseline } = this.matrix;
        const words = {
            "dynptr-harness": run.harness,
            QEMU: run.qemu,
            started: run.started,
            "took, in seconds": run.seconds,
            ended: run.ended,
        };
        if (run.jobs) words["maximum number of machines"] = run.jobs;
        if (run.isolation) words.isolation = run.isolation;
        if (run.shards) words["merged runs"] = run.shards;
        if (baseline) words.baseline = `${baseline.started}, dynptr-harness ${baseline.harness}`;
        for (const { before, after } of baseline?.kernels ?? []) {
            if (before && after && before !== after) words[`Linux ${before}`] = `became ${after}`;
        }
        const packages = folded(
            "Guest packages",
            `${Object.keys(run.packages).length}`,
            false,
            facts(run.packages),
        );
        const each = kernels.map((kernel) =>
            folded(
                `Linux ${kernel.release}`,
                `${kernel.boots} ${kernel.boots === 1 ? "machine" : "machines"}`,
                kernels.length === 1,
                facts({
                    ...kernel.facts,
                    ...(kernel.stopped ? { stopped: kernel.stopped } : {}),
                    ...(kernel.splats.length ? { "warnings outside of cells": kernel.splats.join("; ") } : {}),
                }),
            ),
        );
        this.fill("About this run", facts(words), ...each, packages);
    }
}

function folded(title, hint, open, ...children) {
    return element(
        "details",
        open ? { open: "" } : {},
        element("summary", {}, title, " ", element("small", {}, hint)),
        ...children,
    );
}

/** Split a text into findings, one for each line. */
function lines(text) {
    return text.replaceAll("; ", "\n");
}

function facts(words) {
    const rows = Object.entries(words).map(([name, value]) =>
        element("tr", {}, element("th", {}, name.replaceAll("_", " ")), element("td", {}, String(value))),
    );
    return element("table", {}, element("tbody", {}, ...rows));
}
