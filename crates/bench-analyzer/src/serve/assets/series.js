// One benchmark: its history as a chart, its changes with what people decided about them, its values.
import { about, ask, tell } from "./ask.js";
import { chart } from "./chart.js";
import { cell, commit, commits, el, machineChoice, number, outside, percent, prose, quantity, seriesName, short, when, word } from "./dom.js";
import { address, go, step } from "./route.js";

export async function series(query) {
  const of = { benchmark: query.get("benchmark"), metric: query.get("metric"), machine: query.get("machine") };
  const [history, who] = await Promise.all([ask("series", of), about()]);
  const name = seriesName(history);
  const compared = query.has("baseline") ? await figures(query) : [];
  const drawn = chart(history, zoomOf(history, query.get("zoom")), (view) => step({ zoom: view && wordOf(history, view) }));
  const changes = history.change_points.map((change) => card(history, change, who)).reverse();
  const content = [
    el("h1", {}, name),
    compared,
    compared.length ? el("h2", {}, "History") : null,
    el("div", { class: "controls" }, machineChoice(machinesOf(history), history.machine, (machine) => go({ machine, zoom: "" }))),
    drawn.nodes,
    el("h2", {}, "Changes"),
    changes.length ? changes : el("p", { class: "dim" }, "No lasting change was found."),
    el("h2", {}, "Values, newest first"),
    values(history),
    badge(history, who),
  ].flat();
  return { title: name, content, start: drawn.start };
}

/** The machines that this series was measured on. With one of them chosen, the server sends only its values. */
function machinesOf(history) {
  const own = new Set(history.points.map((point) => String(point.fingerprint)));
  return Object.fromEntries(Object.entries(history.machines).filter(([id]) => history.machine !== null || own.has(id)));
}

/** The part of a history from one run to another, as places. */
function zoomOf(history, text) {
  const runs = (text || "").split("-").map(Number);
  const places = runs.map((run) => history.points.findIndex((point) => point.runs.includes(run)));
  return runs.length === 2 && places[0] >= 0 && places[1] > places[0] ? places : null;
}
const wordOf = (history, [from, to]) => `${history.points[from].runs[0]}-${history.points[to].runs[0]}`;

function card(history, change, who) {
  const [kind, said] = word(change.verdict);
  const accepted = change.acknowledged;
  const notes = [
    change.state === "watch" && "to watch: may be noise, the next values will tell",
    change.provisional && change.state !== "watch" && "too few values followed to know whether it stays",
    change.machine_event && "with most other benchmarks",
    change.withdrawn && `withdrawn: ${change.withdrawn.reason}`,
    ...(change.circumstances || []).map((one) => `${one.attribute}: ${one.before} to ${one.after}`),
  ].filter(Boolean);
  const status = el("span", { role: "status" });
  const decide = async (path, what) => {
    const wrong = await tell(path, { benchmark: history.benchmark, metric: history.metric, ...what });
    if (wrong) status.textContent = wrong; else document.dispatchEvent(new Event("decided"));
  };
  return el("div", { class: `card change ${accepted ? "accepted" : ""}` },
    el("strong", { class: accepted ? "dim" : kind }, `${said} ${percent(change.change)}`), " since ", commits(change),
    `: ${quantity(change.before, history.unit)} to ${quantity(change.after, history.unit)}, found with run:${change.run}, `,
    el("span", { title: "How likely such a step is by chance, without any change" }, `chance ${chance(change.p_value)}`),
    notes.length ? el("div", { class: "dim" }, notes.join("; ")) : null,
    accepted ? el("p", { class: "accepted-by" }, `accepted by ${accepted.author}: `, prose(accepted.reason), " ",
      who.read_only ? null : el("button", { type: "button", class: "undo", onclick: () => decide("take-back", { run: accepted.run, author: who.author }) }, "Undo")) : null,
    noted(change.triage),
    who.read_only || change.withdrawn ? null : el("div", {}, accepted ? null : acceptForm(change, who, decide), triageForm(change, who, decide)), status);
}

function chance(probability) {
  if (probability < 0.0001) return "below 1 in 10,000";
  return probability < 0.1 ? `1 in ${Math.round(1 / probability).toLocaleString("en")}` : `${Math.round(probability * 100)}%`;
}

function acceptForm(change, who, decide) {
  const reason = el("input", { name: "reason", required: "", placeholder: "why this is fine" });
  const author = el("input", { name: "author", value: who.author || "", placeholder: "who says so" });
  return el("form", { class: "controls accept", onsubmit: (event) => {
    event.preventDefault();
    decide("accept", { run: change.run, reason: reason.value, author: author.value });
  } }, el("label", {}, "reason", reason), el("label", {}, "by", author), el("button", { type: "submit" }, "Accept this change"));
}

function noted(triage) {
  if (!triage || !(triage.assignee || triage.note || triage.link)) return null;
  return el("p", { class: "triage" }, triage.assignee ? `${triage.assignee} looks at it. ` : null, prose(triage.note), " ",
    triage.link ? outside(triage.link, triage.link) : null, el("span", { class: "dim" }, ` (${triage.author}, ${when(triage.said_at)})`));
}

function triageForm(change, who, decide) {
  const now = change.triage || { assignee: "", note: "", link: "" };
  const field = (name, label, more = {}) => {
    const input = el("input", { name, value: now[name], ...more });
    return [input, el("label", {}, label, input)];
  };
  const [assignee, assigneeLabel] = field("assignee", "who looks at it");
  const [note, noteLabel] = field("note", "note");
  const [link, linkLabel] = field("link", "report or pull request", { type: "url", placeholder: "https://" });
  return el("details", {}, el("summary", {}, "Triage"), el("form", { class: "controls", onsubmit: (event) => {
    event.preventDefault();
    decide("triage", { run: change.run, assignee: assignee.value, note: note.value, link: link.value, author: who.author });
  } }, assigneeLabel, noteLabel, linkLabel, el("button", { type: "submit" }, "Save")));
}

function values(history) {
  const newest = [...history.points].reverse();
  const several = new Set(newest.map((point) => point.fingerprint)).size > 1;
  const heads = [["measured"], ["value", "number"], ["commit"], ["runs"], ...(several ? [["machine"]] : [])];
  return short(heads, newest, (point) => el("tr", {}, cell(when(point.measured_at)), number(quantity(point.value, history.unit)),
    cell(point.commit ? commit(point.commit) : "unknown"), cell(point.runs.map((run) => `run:${run}`).join(", "), "dim"),
    several ? cell(history.machines[point.fingerprint] || "", "dim") : null), { most: 20 });
}

/** How to show this benchmark in a README. */
function badge(history, who) {
  const query = new URLSearchParams({ benchmark: history.benchmark, metric: history.metric, ...(who.reading_key ? { key: who.reading_key } : {}) });
  const path = `/badge.svg?${query}`;
  return el("details", { class: "badge" }, el("summary", {}, "Badge for a README"), el("p", {}, el("img", { src: path, alt: "badge of this benchmark" })),
    el("pre", {}, `[![benchmark](${location.origin}${path})](${location.origin}/)`));
}

// The server draws these as the report does, and escapes what it puts into them.
async function figures(query) {
  const sides = { baseline: query.get("baseline"), current: query.get("current") || "latest" };
  const { conclusion, figures: all } = await ask("figures", { benchmark: query.get("benchmark"), metric: query.get("metric"), ...sides });
  const drawn = all.map((one) => {
    const picture = new DOMParser().parseFromString(one.svg, "image/svg+xml").documentElement;
    return el("figure", {}, document.importNode(picture, true), el("figcaption", { class: "dim" }, one.caption));
  });
  return [el("p", { id: "conclusion" }, `${sides.current} against ${sides.baseline}: ${conclusion}`),
    el("p", {}, el("a", { href: address("/compare", sides) }, "all benchmarks of this comparison")), el("div", { class: "figures" }, drawn)];
}
