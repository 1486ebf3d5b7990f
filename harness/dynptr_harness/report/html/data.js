/* The data of the page: unpacked, and asked by the number of a cell. */

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
/* The worst first: what stands for several cells. */
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

/** The class that colours an answer. */
function colour(verdict, ok) {
    if (ok) return CALM.has(verdict) ? verdict : "absent";
    return LOUD.has(verdict) ? verdict : "wrong";
}

/** What a script element of the page holds: JSON, deflated, in base64. */
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
        /* A program type that can be attached in one way only: it is shown as its family. */
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

    /** An answer by its number, in words; texts are there once `texts` was awaited. */
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

    /** Texts and programs, unpacked when they are wanted first. */
    async texts() {
        this.loaded ??= await unpacked("texts");
        return this.loaded;
    }

    /** The C functions that a cell is about. */
    programs(cell) {
        const about = this.cases[this.cells.case[cell]];
        const names = about.example ? [this.types[this.cells.type[cell]].example] : about.functions;
        return names
            .filter((name) => name in this.loaded.programs)
            .map((name) => ({ name, ...this.loaded.programs[name] }));
    }

    /** What names a cell in a link. */
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

    /** '6.12' where that is one kernel only, else as much of the release as it takes. */
    shortKernel(number) {
        const { release, series } = this.kernels[number];
        const alone = this.kernels.filter((each) => each.series === series).length === 1;
        return alone ? series : release.replace(/-cloud-.*$/, "");
    }

    /** The name of a node of an axis, for people. */
    label(dimension, value) {
        return dimension === "kernel" ? this.shortKernel(value) : this.names[dimension][value];
    }

    /** What there is to say of it beside its name. */
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
