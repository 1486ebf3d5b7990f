/* Creation of elements as nodes, or as text if thousands are drawn at a time. */

function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
}

/** Return the sign of a verdict on its colour. */
function mark(verdict, ok) {
    return element("span", { class: `mark ${colour(verdict, ok)}`, "aria-hidden": "true" }, SIGNS[verdict]);
}

function escaped(text) {
    return String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Return an element as text. Null attributes are left out; `content` is HTML. */
function tag(name, attributes, content = "") {
    let text = `<${name}`;
    for (const key in attributes)
        if (attributes[key] !== null) text += ` ${key}="${escaped(attributes[key])}"`;
    return `${text}>${content}</${name}>`;
}
