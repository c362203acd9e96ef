"use strict";
(() => {
  const list = document.getElementById("list");
  const rows = [...list.querySelectorAll("details.b")].map((row) => ({
    row,
    name: row.querySelector(".n").firstChild.textContent.toLowerCase(),
  }));
  const headings = [...list.querySelectorAll("h2")];
  const order = [...list.children];
  const search = document.getElementById("search");
  const sort = document.getElementById("sort");
  const nothing = document.getElementById("nothing");
  document.querySelector(".scripted").hidden = false;

  // Every word has to occur somewhere in the name.
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { row, name } of rows) {
      row.hidden = !words.every((word) => name.includes(word));
    }
    const shown = (element) => !element.hidden && getComputedStyle(element).display !== "none";
    for (const heading of headings) {
      const group = heading.className;
      heading.hidden =
        sort.value === "name" ||
        !rows.some(({ row }) => !row.hidden && row.classList.contains(group));
    }
    nothing.hidden = rows.length === 0 || rows.some(({ row }) => shown(row));
  };
  search.addEventListener("input", filter);
  document.querySelector(".filters").addEventListener("change", filter);
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());

  sort.addEventListener("change", () => {
    const sorted =
      sort.value === "name"
        ? [...rows].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
        : null;
    list.append(...(sorted ? [...headings, ...sorted.map(({ row }) => row)] : order));
    filter();
  });

  const changed = () => list.querySelectorAll(".b.v-regression,.b.v-improvement");
  document.getElementById("open").addEventListener("click", () => {
    for (const row of changed()) row.open = true;
  });
  addEventListener("beforeprint", () => {
    for (const row of changed()) row.open = true;
  });

  // What is linked to must not be covered by the bar above.
  const bar = document.querySelector(".filters");
  const measure = () => {
    const sticky = getComputedStyle(bar).position === "sticky";
    document.documentElement.style.setProperty("--bar", `${sticky ? bar.offsetHeight : 0}px`);
  };
  addEventListener("resize", measure);
  measure();

  // A link to a benchmark opens it, one to `#search=WORDS` shows what matches, and an opened
  // benchmark can be linked to.
  const follow = () => {
    if (location.hash.startsWith("#search=")) {
      search.value = new URLSearchParams(location.hash.slice(1)).get("search");
      filter();
      return;
    }
    const row = location.hash && document.getElementById(location.hash.slice(1));
    if (row && row.matches("details.b")) {
      row.open = true;
      row.scrollIntoView();
    }
  };
  addEventListener("hashchange", follow);
  follow();
  list.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    if (summary && !summary.parentElement.open) {
      history.replaceState(null, "", "#" + summary.parentElement.id);
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(input|select)$/i.test(event.target.tagName)) {
      event.preventDefault();
      search.focus();
    }
  });
})();
