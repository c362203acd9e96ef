// Parts of pages. Text from the store only ever becomes text nodes and attributes, never markup.
import { address, note, route } from "./route.js";

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Quantities and times.

export function quantity(value, unit) {
  if (value === null || value === undefined) return "";
  const steps = {
    ns: [1000, ["ns", "µs", "ms", "s"]],
    bytes: [1024, ["B", "KiB", "MiB", "GiB"]],
    count: [1000, ["", "k", "M", "G"]],
  }[unit];
  if (!steps) return Number(value.toPrecision(4)) + " " + unit;
  let index = 0;
  while (index + 1 < steps[1].length && Math.abs(value) >= steps[0] * 0.99995) { value /= steps[0]; index += 1; }
  return (Number(value.toPrecision(4)) + " " + steps[1][index]).trim();
}

export function percent(change) {
  if (change === null) return "from 0";
  if (change >= 9) return "x" + (change + 1).toFixed(0);
  const text = (change * 100).toFixed(1);
  return (change >= 0 ? "+" : "") + (text === "-0.0" ? "0.0" : text) + "%";
}

export const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;
export const when = (time) => (time ? time.slice(0, 16).replace("T", " ") + " UTC" : "");
export const day = (time) => (time ? time.slice(0, 10) : "");
export const isNarrow = () => matchMedia("(max-width: 40rem)").matches;

// Links. Addresses outside are only ever those of the web.

let links = {};
export function linkWith(patterns) { links = patterns || {}; }

export function outside(href, text) {
  if (!/^https?:\/\//.test(href)) return text;
  return el("a", { href, target: "_blank", rel: "noopener noreferrer" }, text);
}

/** A commit, as a link where it is on the web. */
export function commit(sha) {
  if (!sha) return "?";
  const text = el("code", { title: sha }, sha.slice(0, 10));
  const isHash = /^[0-9a-f]{7,}$/i.test(sha);
  return isHash && links.commit ? outside(links.commit.replace("{commit}", sha), text) : text;
}

/** The commits among which one made a change. */
export function commits(one) {
  if (!one.up_to_commit) return [when(one.measured_at)];
  const after = one.after_commit && one.after_commit !== one.up_to_commit ? [commit(one.after_commit), ".."] : [];
  return [...after, commit(one.up_to_commit), " ", el("span", { class: "day" }, `(${day(one.measured_at)})`)];
}

function pullRequest(number, text) {
  return links.pull_request ? outside(links.pull_request.replace("{number}", number), text) : text;
}

/** Text in which `#12` is a pull request, as a link where it is on the web. */
export function prose(text) {
  return text.split(/(#\d{1,7}\b)/).map((part) => (/^#\d+$/.test(part) ? pullRequest(part.slice(1), part) : part));
}

/** Text whose days in brackets stay on one line. */
export function dated(text) {
  return text.split(/(\(\d{4}-\d{2}-\d{2}\))/).map((part) => (/^\(\d{4}-/.test(part) ? el("span", { class: "day" }, part) : part));
}

/** A branch, which may be that of a pull request. */
export function branch(name) {
  const found = /(?:^|\/)(?:pull|merge-requests)\/(\d{1,7})\/(?:merge|head)$|^(\d{1,7})\/merge$/.exec(name || "");
  return found ? pullRequest(found[1] || found[2], name) : name || "";
}

export const seriesName = (one) => (one.metric === "time" ? one.benchmark : `${one.benchmark} [${one.metric}]`);
export const seriesLink = (one, more = {}) =>
  el("a", { href: address("/series", { benchmark: one.benchmark, metric: one.metric, machine: route().query.get("machine"), ...more }) }, seriesName(one));

// Tables and lists.

const words = { regression: ["bad", "worse"], improvement: ["good", "better"] };
/** The states of a change, in words. */
export const STATES = { new: "new", open: "open", drift: "drift", watch: "to watch", accepted: "accepted", machine_event: "machine", withdrawn: "withdrawn" };
export const word = (verdict) => words[verdict] || ["open", "changed"];
export const cell = (content, kind) => el("td", { class: kind || false }, content);
export const number = (text) => cell(text, "number");

export function table(heads, rows) {
  const head = el("tr", {}, heads.map(([name, kind]) => el("th", { scope: "col", class: kind || false }, name)));
  // On a phone there is no room for a head, so each cell bears its own.
  for (const row of rows) [...row.cells].forEach((one, at) => { one.dataset.head = heads[at][0]; });
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, rows)));
}

/** A table of the first items, and of all once somebody asks for them. `name` notes that in the address. */
export function short(heads, items, row, { most, name = "all" }) {
  const list = el("div");
  const wantsAll = () => route().query.getAll(name).includes("1");
  function draw() {
    const all = wantsAll() || items.length <= most;
    const shown = all ? items : items.slice(0, most);
    const more = all ? null : el("p", {}, el("button", { type: "button", class: "more", onclick: () => { note({ [name]: 1 }); draw(); } }, `show all ${items.length}`));
    list.replaceChildren(...[table(heads, shown.map(row)), more].filter(Boolean));
  }
  draw();
  return list;
}

/** A part of a long list, and the way to the other parts. */
export function pager(from, size, total, go) {
  if (total <= size) return null;
  const part = (text, to, possible) => el("button", { type: "button", disabled: possible ? false : "", onclick: () => go(to) }, text);
  return el("p", { class: "controls pager" }, part("earlier part", Math.max(from - size, 0), from > 0),
    el("span", {}, `${from + 1} to ${Math.min(from + size, total)} of ${total}`), part("next part", from + size, from + size < total));
}

export function spark(values, at = null) {
  const x = (place) => (place / Math.max(values.length - 1, 1)) * 100;
  const points = values.map((value, place) => `${x(place)},${22 - value / 5}`);
  const mark = at === null ? [] : [svg("line", { class: "at", x1: at * 100, x2: at * 100, y1: 0, y2: 24 })];
  return svg("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" }, ...mark, svg("polyline", { points: points.join(" ") }));
}

// Controls.

export function select(id, name, options, value, onchange) {
  const choice = el("select", { id, onchange: () => onchange(choice.value) }, options.map(([key, text]) => el("option", { value: key }, text)));
  choice.value = value;
  return el("label", {}, name, choice);
}

/** A choice of the machine, if several measured; `shown` is the one whose values are there now. */
export function machineChoice(machines, shown, onchange) {
  const all = Object.entries(machines);
  if (all.length < 2) return null;
  return select("machine", "machine", [["all", "all machines"], ...all], shown === null ? "all" : String(shown), onchange);
}

let typing = 0;
/** Does something once somebody stopped typing. */
export function later(action) {
  clearTimeout(typing);
  typing = setTimeout(action, 150);
}

export function search(id, value, oninput) {
  const field = el("input", { id, type: "search", placeholder: "part of a name ( / )", value, oninput: () => oninput(field.value) });
  return el("label", {}, "search", field);
}
