/* The matrix on the page. Only visible slots are drawn, because a full matrix has 100,000. */

const ROW = 26; // pixels, as in grid.css
const NARROW = 26; // a column whose slots hold a sign and no count
const WIDE = [76, 132];
const LONGEST_NAME = 620;
const SPARE = 6; // rows and columns drawn beyond the edges
const LETTER = 6.6; // of a heading that stands upright
const HEAD = 46;

class Grid {
    constructor(matrix, filters, onOpen) {
        this.matrix = matrix;
        this.filters = filters;
        this.onOpen = onOpen;
        this.place = document.getElementById("grid");
        this.axes = new Map();
        this.active = [0, 0]; // row and column; -1 is a heading
        this.place.addEventListener("scroll", () => this.schedule(), { passive: true });
        new ResizeObserver(() => this.update()).observe(this.place);
        this.place.addEventListener("click", (event) => this.click(event));
        this.place.addEventListener("keydown", (event) => this.key(event));
        this.update();
    }

    /** Count and lay out again after filters, view or folds changed. */
    update() {
        const { filters, matrix } = this;
        const view = VIEWS[filters.view];
        if (!this.axes.has(filters.view)) {
            this.axes.set(filters.view, {
                rows: new Axis(view.rows, matrix),
                columns: new Axis(view.columns, matrix),
            });
        }
        const { rows, columns } = this.axes.get(filters.view);
        const counted = [
            filters.view,
            filters.words,
            ...["kernel", "type", "verdict", "change"].map((name) => [...filters[name]].join()),
        ].join("|");
        if (counted !== this.counted) {
            this.counts = new Counts(rows, columns, matrix, filters.passes());
            this.counted = counted;
        }
        this.rows = rows.visible((node) => this.counts.rowTotal[node.id], filters.open);
        this.columns = columns.visible((node) => this.counts.columnTotal[node.id], filters.open);
        this.active = [
            Math.min(this.active[0], this.rows.length - 1),
            Math.min(this.active[1], this.columns.length - 1),
        ];
        this.layOut(view);
        this.draw();
    }

    /** Compute widths and positions. */
    layOut(view) {
        const room = this.place.clientWidth;
        const wanted = { family: 330, kernel: 290, group: 460 }[view.rows[0]];
        this.nameWidth = Math.round(Math.min(wanted, room * 0.42));
        const narrow = (node) => node.depth > 0;
        const few = this.columns.filter((node) => !narrow(node)).length;
        const left = room - this.nameWidth - NARROW * (this.columns.length - few) - 14;
        const wide = Math.max(WIDE[0], Math.min(WIDE[1], Math.floor(left / Math.max(few, 1))));
        this.nameWidth = Math.round(
            Math.max(this.nameWidth, Math.min(LONGEST_NAME, this.nameWidth + left - wide * few)),
        );
        let x = this.nameWidth;
        this.at = this.columns.map((node) => {
            const width = narrow(node) ? NARROW : wide;
            x += width;
            return { x: x - width, width, narrow: narrow(node) };
        });
        this.width = Math.max(x + 14, room);
        const upright = this.columns.filter(narrow).map((node) => this.matrix.label(node.dimension, node.value));
        const letters = Math.max(0, ...upright.map((label) => label.length));
        this.head = Math.max(HEAD, Math.round(letters * LETTER) + 22);
        this.height = this.head + this.rows.length * ROW + 12;
    }

    schedule() {
        this.pending ??= requestAnimationFrame(() => {
            this.pending = null;
            this.draw();
        });
    }

    draw() {
        const { place } = this;
        place.setAttribute("aria-rowcount", this.rows.length + 1);
        place.setAttribute("aria-colcount", this.columns.length + 1);
        if (!this.rows.length) {
            place.removeAttribute("aria-activedescendant");
            place.innerHTML = '<p class="empty">No cell fits these filters.</p>';
            return;
        }
        const first = Math.max(0, Math.floor(place.scrollTop / ROW) - SPARE);
        const last = Math.min(
            this.rows.length,
            Math.ceil((place.scrollTop + place.clientHeight) / ROW) + SPARE,
        );
        const from = place.scrollLeft - SPARE * NARROW;
        const to = place.scrollLeft + place.clientWidth + SPARE * NARROW;
        const columns = [];
        this.at.forEach(({ x, width }, number) => {
            if (x + width > from && x < to) columns.push(number);
        });
        const parts = [this.heading(columns)];
        for (let row = first; row < last; row++) parts.push(this.row(row, columns));
        const style = `width:${this.width}px;height:${this.height}px`;
        place.innerHTML = tag("div", { class: "sheet", role: "presentation", style }, parts.join(""));
        const active = place.querySelector("#active");
        if (active) place.setAttribute("aria-activedescendant", "active");
        else place.removeAttribute("aria-activedescendant");
    }

    heading(columns) {
        const style = `width:${this.nameWidth}px`;
        const corner = { class: "corner", role: "columnheader", "aria-colindex": 1, style };
        const parts = [tag("div", corner, escaped(VIEWS[this.filters.view].label))];
        for (const number of columns) parts.push(this.column(number));
        const head = { class: "head", role: "row", "aria-rowindex": 1, style: `height:${this.head}px` };
        return tag("div", head, parts.join(""));
    }

    column(number) {
        const node = this.columns[number];
        const { x, width, narrow } = this.at[number];
        const foldable = node.children.size > 0;
        const open = this.filters.open.has(node.path);
        const fold = foldable ? tag("small", { "aria-hidden": "true" }, open ? "▾" : "▸") : "";
        const attributes = {
            id: this.id(-1, number),
            class: `column${narrow ? " upright" : ""}${foldable ? " foldable" : ""}`,
            role: "columnheader",
            "aria-colindex": number + 2,
            "aria-expanded": foldable ? open : null,
            "data-column": number,
            title: this.matrix.hint(node.dimension, node.value),
            style: `left:${x}px;width:${width}px;${narrow ? `height:${this.head - 4}px` : ""}`,
        };
        return tag("div", attributes, escaped(this.matrix.label(node.dimension, node.value)) + fold);
    }

    row(number, columns) {
        const node = this.rows[number];
        const parts = [this.name(number, node)];
        for (const column of columns) parts.push(this.slot(number, column));
        const attributes = {
            class: `row depth-${node.depth}`,
            role: "row",
            "aria-rowindex": number + 2,
            "aria-level": node.depth + 1,
            style: `top:${this.head + number * ROW}px;width:${this.width}px`,
        };
        return tag("div", attributes, parts.join(""));
    }

    name(number, node) {
        const foldable = node.children.size > 0;
        const open = this.filters.open.has(node.path);
        const hint = this.matrix.hint(node.dimension, node.value);
        const attributes = {
            id: this.id(number, -1),
            class: `name${foldable ? " foldable" : ""}`,
            role: "rowheader",
            "aria-colindex": 1,
            "aria-expanded": foldable ? open : null,
            "data-row": number,
            title: hint,
            style: `width:${this.nameWidth}px;padding-left:${12 + node.depth * 16}px`,
        };
        const fold = foldable ? (open ? "▾" : "▸") : "";
        const label = this.matrix.label(node.dimension, node.value);
        return tag(
            "div",
            attributes,
            tag("span", { class: "fold", "aria-hidden": "true" }, fold) +
                tag("span", { class: "label" }, escaped(label)) +
                tag("span", { class: "hint" }, escaped(hint)),
        );
    }

    slot(row, column) {
        const { x, width, narrow } = this.at[column];
        const leaf = !this.rows[row].children.size && !this.columns[column].children.size;
        const at = this.counts.at(this.rows[row], this.columns[column], this.matrix);
        const said = saidOf(at);
        const attributes = {
            id: this.id(row, column),
            class: `cell ${at.total ? classesOf(at, narrow || leaf) : "none"}`,
            role: "gridcell",
            "aria-colindex": column + 2,
            "aria-label": said,
            title: said,
            "data-row": row,
            "data-column": column,
            style: `left:${x + 1}px;width:${width - 2}px`,
        };
        const sign = at.total ? SIGNS[at.worst] : "·";
        return tag("div", attributes, at.total && !narrow && !leaf ? summed(at) : sign);
    }

    id(row, column) {
        return row === this.active[0] && column === this.active[1] ? "active" : null;
    }

    click(event) {
        const target = event.target.closest("[data-row], [data-column]");
        if (!target) return;
        const { row, column } = target.dataset;
        this.active = [row === undefined ? -1 : Number(row), column === undefined ? -1 : Number(column)];
        this.place.focus({ preventScroll: true });
        this.act();
    }

    /** Unfold a heading, or open the details of a slot. */
    act() {
        const [row, column] = this.active;
        if (row >= 0 && column >= 0) {
            this.draw();
            const [one, other] = [this.rows[row], this.columns[column]];
            if (this.counts.total[one.id * this.counts.width + other.id]) this.onOpen(one, other);
            return;
        }
        this.toggle(row < 0 ? this.columns[column] : this.rows[row]);
    }

    toggle(node) {
        if (!node?.children.size) return this.draw();
        const open = new Set(this.filters.open);
        if (!open.delete(node.path)) open.add(node.path);
        return this.filters.set({ open });
    }

    key(event) {
        if (event.ctrlKey && !["Home", "End"].includes(event.key)) return;
        const [row, column] = this.active;
        const page = Math.max(1, Math.floor((this.place.clientHeight - this.head) / ROW) - 1);
        const end = [this.rows.length - 1, this.columns.length - 1];
        const moves = {
            ArrowUp: [row - 1, column],
            ArrowDown: [row + 1, column],
            ArrowLeft: [row, column - 1],
            ArrowRight: [row, column + 1],
            PageUp: [row - page, column],
            PageDown: [row + page, column],
            Home: [event.ctrlKey ? 0 : row, 0],
            End: [event.ctrlKey ? end[0] : row, end[1]],
        };
        if (event.key in moves) this.move(moves[event.key], end);
        else if (event.key === "Enter") this.act();
        else if (event.key === " ") this.toggle(row < 0 ? this.columns[column] : this.rows[row]);
        else return;
        event.preventDefault();
    }

    move([row, column], end) {
        const clamped = (value, top) => Math.max(-1, Math.min(value, top));
        this.active = [clamped(row, end[0]), clamped(column, end[1])];
        if (this.active[0] < 0 && this.active[1] < 0) this.active[1] = 0;
        this.reveal();
        this.draw();
    }

    /** Scroll until the active slot is visible beside the headings. */
    reveal() {
        const [row, column] = this.active;
        const { place } = this;
        if (row >= 0) {
            const top = row * ROW;
            const bottom = this.head + top + ROW + 4;
            if (top < place.scrollTop) place.scrollTop = top;
            else if (bottom > place.scrollTop + place.clientHeight)
                place.scrollTop = bottom - place.clientHeight;
        }
        if (column >= 0) {
            const { x, width } = this.at[column];
            if (x - this.nameWidth < place.scrollLeft) place.scrollLeft = x - this.nameWidth;
            else if (x + width + 4 > place.scrollLeft + place.clientWidth)
                place.scrollLeft = x + width + 4 - place.clientWidth;
        }
    }

    /** Return the cells of a row and a column, the worst first. */
    cellsOf(row, column) {
        const { matrix } = this;
        const { cells } = matrix;
        const wanted = [];
        for (const axis of [row, column])
            for (let node = axis; node; node = node.parent) wanted.push([cells[node.dimension], node.value]);
        const passes = this.filters.passes();
        const found = [];
        for (let cell = 0; cell < matrix.count; cell++) {
            if (wanted.every(([values, value]) => values[cell] === value) && passes(cell)) found.push(cell);
        }
        const rank = (cell) => matrix.worst[matrix.verdict(cell)] + (matrix.ok(cell) ? 100 : 0);
        return found.sort(
            (one, other) => rank(one) - rank(other) || cells.case[one] - cells.case[other] || one - other,
        );
    }
}
