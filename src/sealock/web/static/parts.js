// Exchanges parts of a page as they change. An element with `data-live="/address"` has a stream of server-sent
// events; a part below it (or it itself), `data-part="/address"` and `data-on="event"`, is fetched anew when
// that event comes, and put in the place of the old one. An event `end` ends it for good.
const sources = [];

function partsOf(root, name) {
  const all = [...root.querySelectorAll("[data-part]"), ...(root.matches("[data-part]") ? [root] : [])];
  return all.filter((part) => (part.dataset.on || "state").split(" ").includes(name));
}

const busy = new Map();

async function renew(address) {
  // One fetch at a time for each part; if it changed meanwhile, one more.
  if (busy.has(address)) { busy.set(address, true); return; }
  busy.set(address, false);
  try {
    const answer = await fetch(address, { headers: { "X-Part": "1" }, credentials: "same-origin", cache: "no-store" });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok || answer.redirected) return;
    exchange(address, await answer.text());
  } catch { /* the next event fetches it again */ } finally {
    const again = busy.get(address);
    busy.delete(address);
    if (again) renew(address);
  }
}

function exchange(address, text) {
  const old = document.querySelector(`[data-part="${CSS.escape(address)}"]`);
  const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-part]");
  if (!old || !fresh) return;
  keepOpen(old, fresh);
  const focus = placeOf(old);
  old.replaceWith(document.adoptNode(fresh));
  focus?.(fresh);
  document.dispatchEvent(new CustomEvent("part", { detail: fresh }));
}

// What the reader unfolded stays so, unless it has become something else since.
function keepOpen(old, fresh) {
  for (const was of old.querySelectorAll("details[data-fold]")) {
    const now = fresh.querySelector(`details[data-fold="${CSS.escape(was.dataset.fold)}"]`);
    if (now) now.open = was.open;
  }
  for (const was of old.querySelectorAll("details[data-step]")) {
    const now = fresh.querySelector(`details[data-step="${CSS.escape(was.dataset.step)}"]`);
    if (now && now.dataset.state === was.dataset.state) now.open = was.open;
  }
}

// Where the focus is, told so that it is found in what comes after: by id, else by its place among its like.
function placeOf(old) {
  const here = document.activeElement;
  if (!here || here === document.body || !old.contains(here)) return null;
  const like = "a, button, summary, input, select";
  const place = [...old.querySelectorAll(like)].indexOf(here);
  const href = here.getAttribute("href");
  return (fresh) => {
    const all = [...fresh.querySelectorAll(like)];
    const same = here.id ? fresh.querySelector(`#${CSS.escape(here.id)}`) : href && all.find((one) => one.getAttribute("href") === href);
    (same || all[Math.min(place, all.length - 1)])?.focus({ preventScroll: true });
  };
}

function listen(root) {
  const names = new Set(["state"]);
  for (const part of root.querySelectorAll("[data-on]")) part.dataset.on.split(" ").forEach((name) => names.add(name));
  const entry = { root, names, source: null, over: false };
  sources.push(entry);
  open(entry);
}

function open(entry) {
  if (entry.over || entry.source) return;
  const source = (entry.source = new EventSource(entry.root.dataset.live));
  for (const name of entry.names) {
    source.addEventListener(name, () => partsOf(entry.root, name).forEach((part) => renew(part.dataset.part)));
  }
  source.addEventListener("end", () => { entry.over = true; source.close(); });
}

// A browser holds few connections to one server: a page that nobody sees needs none.
document.addEventListener("visibilitychange", () => {
  for (const entry of sources) {
    if (document.hidden) { entry.source?.close(); entry.source = null; } else { open(entry); }
  }
});

document.querySelectorAll("[data-live]").forEach((root) => { if (root.dataset.live.startsWith("/")) listen(root); });
