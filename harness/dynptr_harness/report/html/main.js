/* Builds the page from the data. */

const CHANGED = {
    "new-failure": "newly failing",
    missing: "missing",
    fixed: "fixed",
    changed: "changed",
    new: "new",
};

/** Return the number of changes since the baseline, in words. */
function since(baseline) {
    if (!baseline) return "";
    const counts = Object.entries(baseline.counts).filter(([, count]) => count);
    const told = counts.map(([kind, count]) => `${count} ${CHANGED[kind]}`).join(", ");
    return `; since the baseline: ${told || "no change"}`;
}

function headline(matrix) {
    const { run, totals, kernels, names, cases, baseline } = matrix;
    const number = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
    const parts = [
        number(kernels.length, "kernel"),
        number(names.family.length, "program type"),
        number(cases.length, "case"),
        run.started.slice(0, 10),
        `dynptr-harness ${run.harness}`,
    ];
    if (run.ended !== "complete") parts.unshift(run.ended);
    if (baseline) parts.push(`compared with ${baseline.started.slice(0, 10)}`);
    document.getElementById("origin").textContent = parts.join(" · ");
    const wrong = totals.planned - totals.ok;
    const ok = totals.ok.toLocaleString("en");
    const sign = { class: `sign${wrong ? " wrong" : ""}`, "aria-hidden": "true" };
    document
        .getElementById("verdict")
        .append(
            element("span", sign, wrong ? "✗" : "✓"),
            element("strong", {}, wrong ? `${number(wrong, "cell")} not as expected` : "All as expected"),
            element("span", {}, `${ok} of ${number(totals.planned, "cell")} as expected${since(baseline)}`),
        );
}

const matrix = new Matrix(await unpacked("index"));
headline(matrix);
let grid = null;
const filters = new Filters(matrix, () => grid.update());
const panel = new Panel(matrix, filters);
grid = new Grid(matrix, filters, (row, column) => {
    const names = (node) =>
        (node.parent ? `${names(node.parent)} › ` : "") + matrix.label(node.dimension, node.value);
    panel.open(grid.cellsOf(row, column), `${names(row)} × ${names(column)}`);
});

/** Show the details that the address names. */
async function follow() {
    const cell = filters.cell ? matrix.find(filters.cell) : null;
    if (cell !== null) await panel.cell(cell);
}

window.addEventListener("hashchange", follow);
await follow();
document.documentElement.dataset.ready = "true";
