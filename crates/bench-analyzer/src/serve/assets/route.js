// The address of what is shown: everything that was chosen stands in it, so that it can be sent, kept and gone back to.

/** The page that the address names, and what was chosen there. */
export function route() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  return { path, query: new URLSearchParams(query) };
}

/** An address of this dashboard. */
export function address(path, query = {}) {
  const chosen = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
  return chosen.length ? `#${path}?${new URLSearchParams(chosen)}` : `#${path}`;
}

function changed(choices) {
  const { path, query } = route();
  return address(path, { ...Object.fromEntries(query), ...choices });
}

/** Notes a choice in the address, without a step to go back to. */
export function note(choices) {
  history.replaceState(history.state, "", changed(choices));
}

/** Notes a choice in the address that can be gone back from. What is shown shows it already. */
export function step(choices) {
  const next = changed(choices);
  if (next !== location.hash) history.pushState(null, "", next);
}

/** Goes to another choice on the same page. */
export function go(choices) {
  location.hash = changed(choices);
}
