/* What is written where a row and a column meet; `at` is what the counts say of it. */

/** A count, and marks for what is as expected and yet no plain pass. */
function summed({ total, bad, good }) {
    if (bad) return `${total - bad}/${total}`;
    if (good.length === 1 && good[0] === "absent") return "absent";
    const marks = ["known-defect", "expected-difference", "absent"].filter((verdict) =>
        good.includes(verdict),
    );
    return `${total}${marks.map((verdict) => tag("i", { class: verdict }, SIGNS[verdict])).join("")}`;
}

/** Classes for the colour, and for what changed since the baseline. */
function classesOf(at, single) {
    const classes = [single ? colour(at.worst, !at.bad) : summedColour(at)];
    if (at.changes.some((change) => change !== "new")) classes.push("changed");
    if (at.changes.includes("new-failure") || at.changes.includes("missing")) classes.push("regressed");
    return classes.join(" ");
}

/** The colour of several cells: calm where all are as expected, loud where most are not. */
function summedColour({ bad, total, good, worst }) {
    if (bad) return bad * 2 < total ? "some" : colour(worst, false);
    return good.length === 1 ? colour(good[0], true) : "pass";
}

/** The same in words. */
function saidOf({ total, bad, good, worst, changes }) {
    if (!total) return "does not apply";
    const said = bad
        ? `${bad} of ${total} not as expected: ${worst}`
        : `${total} as expected: ${good.join(", ")}`;
    return changes.length ? `${said}; since the baseline: ${changes.join(", ")}` : said;
}
