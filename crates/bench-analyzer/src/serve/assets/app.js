// The dashboard: which page is shown, its title, and the way back to where somebody was.
import { about, visit } from "./ask.js";
import { benchmarks } from "./benchmarks.js";
import { compare } from "./compare.js";
import { el, linkWith } from "./dom.js";
import { home } from "./home.js";
import { changes, runs, suites } from "./lists.js";
import { route } from "./route.js";
import { series } from "./series.js";

const main = document.getElementById("main");
const pages = { "/": home, "/benchmarks": benchmarks, "/series": series, "/changes": changes, "/compare": compare, "/runs": runs, "/suites": suites };
let timer = 0;

async function show({ focus = true, place = 0 } = {}) {
  clearTimeout(timer);
  visit.number += 1;
  visit.newerToCome = false;
  const mine = visit.number;
  const hash = location.hash;
  const { path, query } = route();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === "#" + path) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  let page;
  try {
    linkWith((await about()).links);
    page = await (pages[path] || nowhere)(query);
  } catch (error) {
    page = { title: "That did not work", content: [el("h1", {}, "That did not work"), el("p", { role: "alert" }, error.message)] };
  }
  if (mine !== visit.number) return;
  const content = page.content.flat().filter(Boolean);
  if (visit.newerToCome) {
    // What is shown is whole, but older than what is stored by now.
    content.unshift(el("p", { class: "open", role: "status" }, "New results are being read. ", el("button", { type: "button", onclick: () => show() }, "Show them")));
  }
  document.title = `${page.title} · bench-analyzer`;
  main.replaceChildren(...content);
  page.start?.();
  main.dataset.ready = hash;
  if (focus) main.focus({ preventScroll: true });
  if (place !== null) scrollTo(0, place);
  if (page.again) {
    timer = setTimeout(() => { if (page.again()) show({ focus: false, place: null }); }, 2000);
  }
}

async function nowhere() {
  const { path } = route();
  return { title: "No such page", content: [el("h1", {}, "There is no such page"), el("p", { role: "alert" }, `Nothing is at `, el("code", {}, `#${path}`), "."),
    el("p", {}, el("a", { href: "#/" }, "Go to the first page"), ", or choose one above.")] };
}

// Who goes back comes to where they were on the page.
history.scrollRestoration = "manual";
let scrolled = 0;
addEventListener("scroll", () => {
  clearTimeout(scrolled);
  scrolled = setTimeout(() => history.replaceState({ place: scrollY }, ""), 100);
});
addEventListener("hashchange", () => { clearTimeout(scrolled); show({ place: history.state?.place || 0 }); });

// Decisions change what is shown, not where somebody is.
document.addEventListener("decided", () => show({ focus: false, place: null }));
document.addEventListener("themechange", () => show({ focus: false, place: null }));

addEventListener("keydown", (event) => {
  const isTyping = event.target.matches?.("input, select, textarea");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const field = document.querySelector("main input[type=search]");
  if (field) { field.focus(); field.select(); return; }
  location.hash = "#/benchmarks";
  const wait = setInterval(() => {
    const found = document.querySelector("main input[type=search]");
    if (found) { clearInterval(wait); found.focus(); }
  }, 20);
  setTimeout(() => clearInterval(wait), 5000);
});

// It is a link for keyboards, and no page of its own.
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });

about().then(({ reading_key }) => {
  if (reading_key) document.getElementById("feed").href = `/feed.atom?key=${reading_key}`;
});
show({ focus: false, place: history.state?.place || 0 });
