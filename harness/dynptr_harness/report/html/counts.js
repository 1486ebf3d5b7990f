/* Counts of cells for each row and column, also for folded ones. */

class Counts {
    constructor(rows, columns, matrix, passes) {
        const size = rows.nodes.length * columns.nodes.length;
        this.width = columns.nodes.length;
        this.total = new Uint32Array(size);
        this.bad = new Uint32Array(size);
        this.good = new Uint16Array(size); // verdicts as expected, a bit each
        this.wrong = new Uint16Array(size); // those that are not
        this.changed = new Uint8Array(size); // changes as bits
        this.rowTotal = new Uint32Array(rows.nodes.length);
        this.columnTotal = new Uint32Array(columns.nodes.length);
        for (let cell = 0; cell < matrix.count; cell++) {
            if (!passes(cell)) continue;
            const bit = 1 << matrix.verdict(cell);
            const ok = matrix.ok(cell);
            const change = matrix.cells.change[cell] < 0 ? 0 : 1 << matrix.cells.change[cell];
            for (let row = rows.nodes[rows.leafOf[cell]]; row; row = row.parent) this.rowTotal[row.id]++;
            for (let column = columns.nodes[columns.leafOf[cell]]; column; column = column.parent) {
                this.columnTotal[column.id]++;
                for (let row = rows.nodes[rows.leafOf[cell]]; row; row = row.parent) {
                    const slot = row.id * this.width + column.id;
                    this.total[slot]++;
                    this.changed[slot] |= change;
                    if (ok) {
                        this.good[slot] |= bit;
                    } else {
                        this.bad[slot]++;
                        this.wrong[slot] |= bit;
                    }
                }
            }
        }
    }

    /** Return the counts of one slot. */
    at(row, column, matrix) {
        const slot = row.id * this.width + column.id;
        const bits = this.wrong[slot] || this.good[slot];
        const among = (mask) => matrix.verdicts.filter((_verdict, number) => mask & (1 << number));
        const worst = WORST_FIRST.find((verdict) => among(bits).includes(verdict));
        return {
            total: this.total[slot],
            bad: this.bad[slot],
            worst,
            good: among(this.good[slot]),
            changes: matrix.changes.filter((_change, number) => this.changed[slot] & (1 << number)),
        };
    }
}
