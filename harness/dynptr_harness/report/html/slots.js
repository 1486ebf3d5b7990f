/* Content of the slots. `at` is the counts of a slot. */

/** Return a count, with marks for results that are as expected but not `pass`. */
function summed({ total, bad, good }) {
    if (bad) return `${total - bad}/${total}`;
    if (good.length === 1 && good[0] === "absent") return "absent";
    const marks = ["known-defect", "expected-difference", "absent"].filter((verdict) =>
        good.includes(verdict),
    );
    return `${total}${marks.map((verdict) => tag("i", { class: verdict }, SIGNS[verdict])).join("")}`;
}

/** Return the CSS classes for the colour and for changes since the baseline. */
function classesOf(at, single) {
    const classes = [single ? colour(at.worst, !at.bad) : summedColour(at)];
    if (at.changes.some((change) => change !== "new")) classes.push("changed");
    if (at.changes.includes("new-failure") || at.changes.includes("missing")) classes.push("regressed");
    return classes.join(" ");
}

/** Return the colour of several cells: muted if all are as expected, strong if most are not. */
function summedColour({ bad, total, good, worst }) {
    if (bad) return bad * 2 < total ? "some" : colour(worst, false);
    return good.length === 1 ? colour(good[0], true) : "pass";
}

/** Return the content of a slot in words. */
function saidOf({ total, bad, good, worst, changes }) {
    if (!total) return "does not apply";
    const said = bad
        ? `${bad} of ${total} not as expected: ${worst}`
        : `${total} as expected: ${good.join(", ")}`;
    return changes.length ? `${said}; since the baseline: ${changes.join(", ")}` : said;
}
