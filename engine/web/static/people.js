// Who replaces whom: the faces of the shot, and the people in a folder with their consent.

import { thumbnail } from "./api.js";

const byId = (id) => document.getElementById(id);
const NAMES = { largest: "Largest face", left: "Left face", right: "Right face", all: "Every face" };
const STATES = { valid: "consent", missing: "no consent", expired: "consent expired", unreadable: "consent unreadable" };

let act = null;
let drawn = "";

function element(kind, values = {}, ...children) {
  const made = Object.assign(document.createElement(kind), values);
  made.append(...children);
  return made;
}

function folderName(path) {
  return path.split(/[\\/]/).filter(Boolean).pop() ?? path;
}

function nameOf(person) {
  return person.person || folderName(person.folder);
}

// The largest face is also the first.
function isFor(entry, face) {
  return entry.face === face || (["largest", "1"].includes(entry.face) && ["largest", "1"].includes(face));
}

// A row for each face that was found, and for each entry of the recipe that is for none of them.
function rows(state) {
  const faces = state.faces.map((face) => ({ name: String(face.number), label: `Face ${face.number}`, face }));
  const others = state.replace.filter((entry) => !faces.some((row) => isFor(entry, row.name)))
    .map((entry) => ({ name: entry.face, label: labelOf(entry.face) }));
  return faces.length || others.length ? [...faces, ...others] : [{ name: "largest", label: NAMES.largest }];
}

function labelOf(name) {
  return NAMES[name] ?? (name.startsWith("like:") ? `Like ${folderName(name.slice(5))}` : `Face ${name}`);
}

function describe({ face }) {
  if (!face) return "in every frame where it is seen";
  const frames = face.frames === 1 ? "1 frame" : `${face.frames} frames`;
  return `${frames}, ${face.first}–${face.last}, ${Math.round(face.width)} px`;
}

function choose(row, state) {
  const entry = state.replace.find((one) => isFor(one, row.name));
  const select = element("select", { ariaLabel: `Who replaces ${row.label.toLowerCase()}` });
  select.dataset.face = row.name;
  select.append(element("option", { value: "", textContent: "Keep this face" }));
  for (const person of state.people) {
    const good = person.consent === "valid";
    const label = good ? nameOf(person) : `${nameOf(person)} (${STATES[person.consent]})`;
    select.append(element("option", { value: person.folder, textContent: label, disabled: !good }));
  }
  if (entry && !state.people.some((person) => person.folder === entry.identity)) {
    select.append(element("option", { value: entry.identity, textContent: folderName(entry.identity) }));
  }
  select.value = entry?.identity ?? "";
  select.addEventListener("change", () => act("assign", { face: row.name, identity: select.value }, byId("faces-problem")));
  return select;
}

function faceRow(row, state) {
  const image = element("img", { className: "picture", alt: row.face ? row.label : "" });
  if (row.face?.picture) thumbnail(image, "face", { number: row.face.number, picture: row.face.picture });
  const title = element("p", {}, element("strong", { textContent: row.label }), ` · ${describe(row)}`);
  return element("div", { className: "face" }, image, title, choose(row, state));
}

function personItem(person) {
  const image = element("img", { className: "picture", alt: "" });
  thumbnail(image, "person", { folder: person.folder });
  const good = person.consent === "valid";
  const pictures = person.pictures === 1 ? "1 picture" : `${person.pictures} pictures`;
  const told = element("span", { className: good ? "state" : "state bad", textContent: good ? `${pictures}, ${STATES.valid}` : STATES[person.consent] });
  const title = good ? person.folder : person.message;
  return element("li", { title }, image, element("strong", { textContent: nameOf(person) }), told);
}

export function update(state, idle) {
  const key = JSON.stringify([state.faces, state.replace, state.people]);
  if (key !== drawn) {
    const focused = document.activeElement?.dataset?.face;
    drawn = key;
    byId("faces").replaceChildren(...rows(state).map((row) => faceRow(row, state)));
    byId("people").replaceChildren(...state.people.map(personItem));
    if (focused) byId("faces").querySelector(`[data-face="${CSS.escape(focused)}"]`)?.focus();
  }
  for (const select of byId("faces").querySelectorAll("select")) select.disabled = !idle.changes;
  byId("find").disabled = !idle.work;
  byId("find").hidden = state.solved;
  const folder = byId("folder");
  if (document.activeElement !== folder) folder.value = state.folder;
  for (const name of ["faces", "people"]) {
    const problem = state.problems[name];
    if (problem) byId(`${name}-problem`).textContent = `${problem.message} ${problem.remedy}`;
  }
}

export function start(asked) {
  act = asked;
  byId("find").addEventListener("click", () => act("find", {}, byId("faces-problem")));
  byId("people-form").addEventListener("submit", (event) => {
    event.preventDefault();
    act("people", { folder: byId("folder").value }, byId("people-problem"));
  });
}
