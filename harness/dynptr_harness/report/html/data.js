/* The data of the page, unpacked. Cells are addressed by number. */

const SIGNS = {
    pass: "✓",
    "expected-difference": "d",
    "known-defect": "k",
    absent: "a",
    fail: "✗",
    rejected: "R",
    "not-allowed": "N",
    "not-fired": "U",
    hang: "H",
    crash: "C",
    lost: "L",
    "not-run": "–",
    missing: "?",
};
/* Verdicts from the worst to the best; the worst one represents several cells. */
const WORST_FIRST = [
    "crash",
    "hang",
    "fail",
    "rejected",
    "not-allowed",
    "not-fired",
    "missing",
    "lost",
    "not-run",
    "known-defect",
    "expected-difference",
    "absent",
    "pass",
];
const CALM = new Set(["pass", "expected-difference", "known-defect", "absent"]);
const LOUD = new Set(["hang", "crash", "lost", "not-run", "missing"]);

/** Return the CSS class for the colour of an answer. */
function colour(verdict, ok) {
    if (ok) return CALM.has(verdict) ? verdict : "absent";
    return LOUD.has(verdict) ? verdict : "wrong";
}

/** Return the content of a script element: JSON, deflated, in base64. */
async function unpacked(id) {
    const binary = atob(document.getElementById(id).textContent);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).json();
}

class Matrix {
    constructor(index) {
        Object.assign(this, index);
        this.count = this.cells.kernel.length;
        this.groupNames = [...new Set(this.cases.map((each) => each.group))];
        const groupOf = this.cases.map((each) => this.groupNames.indexOf(each.group));
        this.cells.group = this.cells.case.map((number) => groupOf[number]);
        const familyOf = this.types.map((each) => each.name.split("/")[0]);
        const families = [...new Set(familyOf)];
        this.cells.family = this.cells.type.map((number) => families.indexOf(familyOf[number]));
        /* Program types with only one attach variant are shown as their family. */
        this.alone = familyOf.map((one) => familyOf.filter((other) => one === other).length === 1);
        this.names = {
            family: families,
            kernel: this.kernels.map((each) => each.release),
            type: this.types.map((each) => each.name),
            group: this.groupNames,
            case: this.cases.map((each) => each.id),
        };
        this.worst = this.verdicts.map((verdict) => WORST_FIRST.indexOf(verdict));
    }

    /** Return an answer by number, in words. Await `texts` first. */
    answer(number) {
        const [verdict, ok, expected, seen, reason, log, console] = this.answers[number];
        const text = (index) => (index < 0 || !this.loaded ? "" : this.loaded.texts[index]);
        return {
            verdict: this.verdicts[verdict],
            ok,
            expected: text(expected),
            seen: text(seen),
            reason: text(reason),
            log: text(log),
            console: text(console),
        };
    }

    verdict(cell) {
        return this.answers[this.cells.answer[cell]][0];
    }
    ok(cell) {
        return this.answers[this.cells.answer[cell]][1];
    }
    loader(cell) {
        return this.loaders[this.cells.loader[cell]];
    }
    change(cell) {
        return this.changes[this.cells.change[cell]] ?? null;
    }

    /** Return texts and programs, unpacked on first use. */
    async texts() {
        this.loaded ??= await unpacked("texts");
        return this.loaded;
    }

    /** Return the C functions of a cell. */
    programs(cell) {
        const about = this.cases[this.cells.case[cell]];
        const names = about.example ? [this.types[this.cells.type[cell]].example] : about.functions;
        return names
            .filter((name) => name in this.loaded.programs)
            .map((name) => ({ name, ...this.loaded.programs[name] }));
    }

    /** Return the part of a link that identifies a cell. */
    key(cell) {
        const { kernel, type, case: name } = this.cells;
        return [
            this.names.kernel[kernel[cell]],
            this.names.type[type[cell]],
            this.names.case[name[cell]],
            this.loader(cell),
        ].join("/");
    }

    find(key) {
        for (let cell = 0; cell < this.count; cell++) if (this.key(cell) === key) return cell;
        return null;
    }

    /** Return the series, such as '6.12', if it is unique, otherwise a distinct part of the release. */
    shortKernel(number) {
        const { release, series } = this.kernels[number];
        const alone = this.kernels.filter((each) => each.series === series).length === 1;
        return alone ? series : release.replace(/-cloud-.*$/, "");
    }

    /** Return the label of a node of an axis. */
    label(dimension, value) {
        return dimension === "kernel" ? this.shortKernel(value) : this.names[dimension][value];
    }

    /** Return the description of a node of an axis. */
    hint(dimension, value) {
        if (dimension === "kernel") return this.kernels[value].release;
        if (dimension === "type") return this.types[value].event;
        if (dimension === "family") {
            return this.types.find((each) => each.name === this.names.family[value])?.event ?? "";
        }
        if (dimension === "group") return this.groups[this.groupNames[value]] ?? "";
        return this.cases[value].title;
    }
}
