// The job: begun, followed, cancelled, and what came of it.

const byId = (id) => document.getElementById(id);
const STAGES = { waiting: "Waiting", solve: "Finding faces", render: "Replacing" };

function element(kind, values) {
  return Object.assign(document.createElement(kind), values);
}

function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Frames as ranges: 1001–1003, 1007.
export function ranges(frames) {
  const parts = [];
  for (const frame of [...frames].sort((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last && last[1] === frame - 1) last[1] = frame;
    else parts.push([frame, frame]);
  }
  return parts.map(([first, last]) => (first === last ? first : `${first}–${last}`)).join(", ");
}

function headline(work, output) {
  if (!work.outcome) {
    const stage = STAGES[work.stage] ?? work.stage;
    const count = work.total ? `, ${work.done} of ${work.total} frames` : "";
    return stage + count + (work.seconds_left > 0 ? `, ${duration(work.seconds_left)} left` : " …");
  }
  if (work.outcome === "cancelled") return work.kind === "solve" ? "Cancelled." : `Cancelled; ${work.written} frames are there, whole.`;
  if (work.failure) return `${work.failure.message} ${work.failure.remedy}`;
  if (work.kind === "solve") return "The faces were found.";
  const failed = Object.values(work.failed).reduce((sum, frames) => sum + frames.length, 0);
  if (failed) return `${work.written} frames are in ${output}; ${failed} failed.`;
  return `${work.written} frames are in ${output}.`;
}

function details(work) {
  const failed = Object.entries(work.failed).map(([reason, frames]) =>
    `${frames.length === 1 ? "Frame" : "Frames"} ${ranges(frames)}: ${reason}`);
  return [...failed, ...(work.kind === "swap" ? work.notices : [])].map((textContent) => element("li", { textContent }));
}

export function update(state, idle) {
  const work = state.work, output = byId("output");
  if (document.activeElement !== output) output.value = state.values["output.path"];
  output.disabled = !idle.changes;
  byId("run").disabled = !idle.work || !state.replace.length;
  byId("run").title = state.replace.length ? "" : "Choose who replaces a face first.";
  byId("cancel").hidden = !work || Boolean(work.outcome);
  const partly = work?.kind === "swap" && work.outcome === "done" && !state.over && work.written > 0;
  byId("accept").hidden = !partly;
  byId("run").textContent = partly ? "Try Again" : "Replace Faces";
  byId("run").hidden = state.over === "done";
  byId("work").hidden = !work;
  if (!work) return;
  byId("bar").hidden = Boolean(work.outcome);
  if (work.total) byId("bar").value = work.done / work.total;
  else byId("bar").removeAttribute("value");
  byId("stage-name").textContent = headline(work, state.values["output.path"]);
  byId("told").replaceChildren(...details(work));
}

export function start(act) {
  const problem = byId("output-problem");
  byId("output").addEventListener("change", (event) => act("change", { name: "output.path", value: event.target.value }, problem));
  byId("run").addEventListener("click", () => act("run", {}, problem));
  byId("cancel").addEventListener("click", () => act("cancel", {}, problem));
  byId("accept").addEventListener("click", () => act("accept", {}, problem));
}
