/* The two axes of the matrix: trees with nodes that fold and unfold. */

const VIEWS = {
    types: { label: "Types × kernels", rows: ["family", "type", "group", "case"], columns: ["kernel"] },
    kernels: { label: "Kernels × cases", rows: ["kernel", "family", "type"], columns: ["group", "case"] },
    cases: { label: "Cases × types", rows: ["group", "case"], columns: ["kernel", "family", "type"] },
};

class Axis {
    constructor(dimensions, matrix) {
        this.nodes = [];
        this.leafOf = new Int32Array(matrix.count);
        const root = { children: new Map(), path: "" };
        const columns = dimensions.map((dimension) => matrix.cells[dimension]);
        for (let cell = 0; cell < matrix.count; cell++) {
            let node = root;
            dimensions.forEach((dimension, number) => {
                if (dimension === "type" && matrix.alone[matrix.cells.type[cell]]) return;
                const value = columns[number][cell];
                node = node.children.get(value) ?? this.grow(node, root, dimension, value, matrix);
            });
            this.leafOf[cell] = node.id;
        }
        this.roots = this.sorted(root);
    }

    grow(parent, root, dimension, value, matrix) {
        const name = matrix.names[dimension][value];
        const path = parent === root ? name : `${parent.path}/${name}`;
        const node = {
            id: this.nodes.length,
            dimension,
            depth: parent === root ? 0 : parent.depth + 1,
            value,
            path,
            children: new Map(),
            parent: parent === root ? null : parent,
        };
        parent.children.set(value, node);
        this.nodes.push(node);
        return node;
    }

    sorted(parent) {
        return [...parent.children.values()].sort((one, other) => one.value - other.value);
    }

    /** Return the nodes to show, in order: those with cells whose ancestors are all unfolded. */
    visible(hasCells, open) {
        const shown = [];
        const walk = (nodes) => {
            for (const node of nodes) {
                if (!hasCells(node)) continue;
                shown.push(node);
                if (open.has(node.path) && node.children.size) walk(this.sorted(node));
            }
        };
        walk(this.roots);
        return shown;
    }
}
