// The settings as fields, made from what the engine says of each.

import { get } from "./api.js";

const STEPS = 200;
const shown = new Map();
let act = null;
let state = null;

function element(kind, values = {}, ...children) {
  const made = Object.assign(document.createElement(kind), values);
  made.append(...children);
  return made;
}

function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

// Each kind of field: its elements, how to show a value in them, and how they call `change` with another.
const kinds = {
  switch(field, id, change) {
    const box = element("input", { type: "checkbox", id, onchange: () => change(box.checked) });
    return { parts: [box], show: (value) => { box.checked = value; } };
  },
  choice(field, id, change) {
    const options = field.choices.map((value) => element("option", { value, textContent: value }));
    const select = element("select", { id, className: "wide", onchange: () => change(select.value) }, ...options);
    return { parts: [select], show: (value) => { select.value = value; } };
  },
  choices(field, id, change) {
    const boxes = field.choices.map((value) => element("input", { type: "checkbox", value,
      onchange: () => change(boxes.filter((box) => box.checked).map((box) => box.value)) }));
    const labels = boxes.map((box) => element("label", {}, box, ` ${box.value}`));
    const parts = [element("span", { className: "wide choices" }, ...labels)];
    return { parts, show: (values) => { for (const box of boxes) box.checked = values.includes(box.value); } };
  },
  text(field, id, change) {
    const input = element("input", { type: "text", id, className: "wide", spellcheck: false, onchange: () => change(input.value) });
    return { parts: [input], show: (value) => { if (document.activeElement !== input) input.value = value; } };
  },
  number(field, id, change) {
    if (field.word) return numberOrWord(field, id, change);
    const [min, max] = [field.least, field.most];
    const slider = element("input", { type: "range", min, max, step: (max - min) / STEPS, tabIndex: -1, ariaLabel: field.label });
    const input = element("input", { type: "number", id, step: "any", onchange: () => change(input.valueAsNumber) });
    slider.addEventListener("input", () => { input.value = rounded(slider.valueAsNumber); });
    slider.addEventListener("change", () => change(rounded(slider.valueAsNumber)));
    input.addEventListener("keydown", (event) => nudge(event, input, field, change));
    const show = (value) => {
      slider.value = value;
      if (document.activeElement !== input) input.value = value;
    };
    return { parts: [slider, input], show };
  },
  integer(field, id, change) {
    const input = element("input", { type: "number", id, className: "wide", step: 1, onchange: () => change(input.valueAsNumber) });
    return { parts: [input], show: (value) => { if (document.activeElement !== input) input.value = value; } };
  },
};

function numberOrWord(field, id, change) {
  const input = element("input", { type: "number", id, step: "any", onchange: () => change(input.valueAsNumber) });
  const box = element("input", { type: "checkbox", onchange: () => change(box.checked ? field.word : 1) });
  const show = (value) => {
    box.checked = value === field.word;
    input.disabled = box.checked;
    if (document.activeElement !== input) input.value = box.checked ? "" : value;
  };
  return { parts: [element("label", {}, box, ` ${field.word}`), input], show };
}

function rounded(value) {
  return Number(value.toFixed(4));
}

// Arrow keys step by a hundredth of the range.
function nudge(event, input, field, change) {
  const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  const to = rounded(input.valueAsNumber + way * (field.most - field.least) / 100);
  input.value = Math.min(field.most, Math.max(field.least, to));
  change(input.valueAsNumber);
}

function row(field) {
  const id = `set-${field.name}`;
  const problem = element("p", { className: "problem", role: "alert", id: `${id}-problem` });
  // An empty number is none, which the engine answers with what it expects.
  const change = (value) => act("change", { name: field.name, value }, problem);
  const { parts, show } = kinds[field.kind](field, id, change);
  const reset = element("button", { type: "button", className: "reset", textContent: "↺",
    ariaLabel: `Set ${field.label} back`, onclick: () => change(state.began[field.name]) });
  const label = element("label", { htmlFor: id, textContent: field.label });
  const title = `${field.description} (${field.expects})`;
  const line = element("div", { className: "setting", title }, label, ...parts, reset, problem);
  if (parts.length === 1 && !parts[0].classList.contains("wide")) parts[0].classList.add("wide");
  shown.set(field.name, { line, show, reset });
  return line;
}

function group(one) {
  const rows = one.fields.map(row);
  if (one.open) return element("div", {}, element("h2", { textContent: one.label }), ...rows);
  const about = one.about ? [element("p", { textContent: one.about })] : [];
  return element("details", {}, element("summary", { textContent: one.label }), ...about, ...rows);
}

export function update(next, idle) {
  state = next;
  for (const [name, { line, show, reset }] of shown) {
    show(next.values[name]);
    reset.hidden = same(next.values[name], next.began[name]);
    reset.title = `Back to ${next.began[name]}`;
    line.inert = !idle.changes;
  }
}

export async function start(asked) {
  act = asked;
  const groups = await get("fields");
  document.getElementById("settings").replaceChildren(...groups.map(group));
  if (state) update(state, { changes: true });
}
