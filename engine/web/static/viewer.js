// The preview: a frame's plate and result under a wipe, or one of the two, or the matte. Newer wishes go first.

import { picture, Refused } from "./api.js";

const byId = (id) => document.getElementById(id);
const stage = byId("stage"), frame = byId("frame"), wipe = byId("wipe"), empty = byId("empty");
const at = byId("at"), number = byId("number"), about = byId("about");
const NOBODY = "Choose who replaces a face: the result is shown here.";

let state = null;
let size = null;
let share = 50;

// One of the two pictures on the stage: asks for what is wanted, and then, if that has changed meanwhile, once more.
class Layer {
  constructor(image) {
    this.image = image;
    this.shown = this.wanted = "";
    this.busy = false;
  }

  want(values) {
    this.wanted = values && JSON.stringify(values);
    this.image.hidden = !values;
    if (!values) this.shown = "";
    if (!this.busy) this.fetch();
  }

  async fetch() {
    this.busy = true;
    while (this.wanted && this.wanted !== this.shown) {
      const wanted = this.wanted;
      showWaiting();
      try {
        const { look, ...values } = JSON.parse(wanted);
        await this.show(await picture("picture", values), values);
        this.shown = wanted;
      } catch (error) {
        if (error instanceof Refused && error.code === "superseded") continue;
        if (wanted === this.wanted) {
          this.image.hidden = true;
          this.shown = wanted;
          say(error instanceof Refused ? error.sentence : "");
        }
      }
    }
    this.busy = false;
    if (!layers.some((layer) => layer.busy)) stage.removeAttribute("aria-busy");
  }

  async show({ address, told }, values) {
    const before = this.image.src;
    this.image.src = address;
    await this.image.decode();
    if (before) URL.revokeObjectURL(before);
    this.image.hidden = false;
    this.image.dataset.frame = values.frame;
    size = told.get("X-Size").split("x").map(Number);
    say("");
    if (values.shows !== "plate") tell(told);
    fit();
  }
}

const layers = [new Layer(byId("below")), new Layer(byId("above"))];

function showWaiting() {
  stage.setAttribute("aria-busy", "true");
  if (frame.hidden) say("Making the preview …");
}

// A sentence in the middle of the empty stage, or over a picture.
function say(text) {
  empty.replaceChildren(Object.assign(document.createElement("span"), { textContent: text }));
  empty.hidden = !text;
  empty.classList.toggle("over", !frame.hidden);
}

function tell(told) {
  const faces = Number(told.get("X-Faces"));
  const count = faces === 1 ? "1 face replaced" : `${faces || "no"} faces replaced`;
  const how = told.get("X-Solved") === "shot" ? "" : "; found in this frame alone, until the faces of the shot are found";
  about.textContent = count + how;
}

function chosen() {
  return document.querySelector("input[name=shows]:checked").value;
}

// The largest size at which the whole frame fits on the stage.
function fit() {
  if (!size) return;
  frame.hidden = false;
  const scale = Math.min(stage.clientWidth / size[0], stage.clientHeight / size[1]);
  const width = Math.floor(size[0] * scale), height = Math.floor(size[1] * scale);
  frame.style.width = `${width}px`;
  frame.style.height = `${height}px`;
  frame.style.left = `${Math.floor((stage.clientWidth - width) / 2)}px`;
  frame.style.top = `${Math.floor((stage.clientHeight - height) / 2)}px`;
  draw();
}

function draw() {
  const wiping = chosen() === "wipe" && !layers[1].image.hidden && !layers[0].image.hidden;
  layers[1].image.style.clipPath = wiping ? `inset(0 0 0 ${share}%)` : "";
  wipe.style.left = `${share}%`;
  wipe.setAttribute("aria-valuenow", Math.round(share));
  wipe.setAttribute("aria-valuetext", `${Math.round(share)} % plate`);
  for (const part of [wipe, byId("left-side"), byId("right-side")]) part.hidden = !wiping;
  frame.classList.toggle("wiping", wiping);
}

function refresh() {
  if (!state?.footage) return;
  const shows = chosen(), replaces = state.replace.length > 0;
  const width = Math.max(64, Math.ceil(stage.clientWidth * devicePixelRatio / 64) * 64);
  const values = { frame: Number(at.value), width };
  const plate = shows === "plate" || shows === "wipe" || !replaces;
  about.textContent = replaces ? about.textContent : NOBODY;
  // What the recipe says changes nothing of the plate, but for its colour space.
  layers[0].want(plate && { ...values, shows: "plate", look: state.values["plate.colorspace"] });
  layers[1].want(replaces && shows !== "plate" && { ...values, shows: shows === "wipe" ? "result" : shows, look: state.look });
  draw();
}

function go(to) {
  const value = Math.min(Number(at.max), Math.max(Number(at.min), Math.round(to) || 0));
  at.value = number.value = value;
  refresh();
}

function move(to) {
  share = Math.min(100, Math.max(0, to));
  draw();
}

function follow(event) {
  const box = frame.getBoundingClientRect();
  move((event.clientX - box.left) / box.width * 100);
}

export function update(next) {
  const first = !state?.footage && next.footage;
  const changed = first || next.look !== state?.look || next.replace.length !== state?.replace.length;
  state = next;
  if (first) {
    for (const input of [at, number]) {
      [input.min, input.max, input.disabled] = [next.footage.first, next.footage.last, false];
    }
    at.value = number.value = next.footage.first;
  }
  if (next.problems.footage) say(`${next.problems.footage.message} ${next.problems.footage.remedy}`);
  if (changed) refresh();
}

export function start() {
  byId("shows").addEventListener("change", refresh);
  at.addEventListener("input", () => go(Number(at.value)));
  number.addEventListener("change", () => go(Number(number.value)));
  frame.addEventListener("pointerdown", (event) => {
    if (!frame.classList.contains("wiping") || event.button) return;
    frame.setPointerCapture(event.pointerId);
    wipe.focus();
    follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) follow(event);
  });
  wipe.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: share - step, ArrowDown: share - step, ArrowRight: share + step, ArrowUp: share + step,
      PageDown: share - 10, PageUp: share + 10, Home: 0, End: 100 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
  new ResizeObserver(() => { fit(); refresh(); }).observe(stage);
}
