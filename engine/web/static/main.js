// The page: asks for news without a pause, and shows them; what a person does is sent, and its answer is news as well.

import { get, post, Refused } from "./api.js";
import * as people from "./people.js";
import * as run from "./run.js";
import * as settings from "./settings.js";
import * as viewer from "./viewer.js";

const byId = (id) => document.getElementById(id);
const OVER = {
  done: "Done. This page can be closed.",
  left: "This page was left, and is over. Ask for it again.",
  engine: "The engine has ended.",
};
const GONE = "The engine has gone. This page can be closed.";
const HOST_GONE = "The program that asked for this page has gone. What is begun goes on, and can be followed here.";

let version = 0;

function show(state) {
  if (state.version < version) return;
  version = state.version;
  const working = Boolean(state.work && !state.work.outcome);
  const idle = { work: !working && !state.over, changes: !state.over && !(working && state.work.kind === "swap") };
  byId("title").textContent = state.title || "Faceplate";
  document.title = `${state.title || "Shot"} – Faceplate`;
  byId("footage").textContent = describe(state);
  byId("notice").textContent = OVER[state.over] ?? (state.host ? "" : HOST_GONE);
  viewer.update(state);
  people.update(state, idle);
  settings.update(state, idle);
  run.update(state, idle);
}

function describe({ footage, frames }) {
  if (!footage) return "";
  const missing = footage.missing ? ` (missing ${footage.missing})` : "";
  const rendered = frames ? `, to be replaced: ${frames}` : "";
  return `${footage.width} × ${footage.height}, frames ${footage.frames}${missing}${rendered}, ${footage.colorspace}`;
}

// Have something done; what is refused is said in `problem`.
async function act(path, body, problem) {
  try {
    const state = await post(path, body);
    problem.textContent = "";
    show(state);
  } catch (error) {
    problem.textContent = error instanceof Refused ? error.sentence : GONE;
  }
}

function isLost(error) {
  return !(error instanceof Refused) || error.code === "no-page";
}

// No timer: a browser slows those of pages that are behind other windows, and the engine would take the page for left.
async function follow() {
  for (;;) {
    try {
      show(await get("state", { after: version }));
    } catch (error) {
      if (!isLost(error)) continue;
      byId("notice").textContent = error instanceof Refused ? error.sentence : GONE;
      for (const part of document.querySelectorAll("aside, footer")) part.inert = true;
      return;
    }
  }
}

addEventListener("pagehide", () => { post("leave", {}, true).catch(() => {}); });
viewer.start();
people.start(act);
run.start(act);
await settings.start(act).catch(() => {});
follow();
