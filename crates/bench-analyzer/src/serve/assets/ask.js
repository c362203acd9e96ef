// Asks the server, and tells it what people decide.

const main = document.getElementById("main");
const csrf = document.querySelector("meta[name=csrf]").content;

/** What is known of the visit: answers to a page that was left meanwhile are of no use to anybody. */
export const visit = { number: 0, newerToCome: false };

/** The answer to a question, asked again while the server is still looking for it. */
export async function ask(path, query) {
  const asked = visit.number;
  const began = performance.now();
  const wanted = query ? "?" + new URLSearchParams(given(query)) : "";
  for (;;) {
    const answer = await fetch("/api/" + path + wanted);
    const type = answer.headers.get("content-type") || "";
    const body = type.includes("json") ? await answer.json() : await answer.text();
    if (!answer.ok) throw new Error(body.error || answer.statusText);
    if (answer.headers.get("x-newer-to-come")) visit.newerToCome = true;
    if (answer.status !== 202) return body;
    if (asked !== visit.number) throw new Error("left");
    sayWaiting(body.not_yet, Math.floor((performance.now() - began) / 1000));
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** Tells the server a decision; says what is wrong with it, or nothing. */
export async function tell(path, what) {
  const answer = await fetch("/api/" + path, {
    method: "POST",
    body: JSON.stringify(what),
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
  });
  if (answer.ok) return null;
  return (await answer.json()).error || answer.statusText;
}

let known = null;
/** What does not change while the server runs: where commits are on the web, who serves. */
export async function about() {
  known ??= await ask("about");
  return known;
}

/** Parameters without those that say nothing. */
export function given(query) {
  return Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
}

function sayWaiting(what, seconds) {
  const said = `Please wait: ${what}...`;
  if (document.getElementById("waiting")?.textContent !== said) {
    const text = document.createElement("p");
    Object.assign(text, { id: "waiting", textContent: said });
    text.setAttribute("role", "status");
    const bar = document.createElement("progress");
    bar.setAttribute("aria-label", what);
    const waited = document.createElement("p");
    Object.assign(waited, { id: "waited", className: "dim" });
    main.replaceChildren(text, bar, waited);
  }
  document.getElementById("waited").textContent = `${seconds} s so far. It is kept when it is done, so that it is there at once the next time.`;
}
