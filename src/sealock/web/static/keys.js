// Keys: an element says which one it has, `data-key="g d"`, and what it does, `data-key-says="…"`; the key
// clicks it, or goes into it if it is a field. `j` and `k` go through the elements with `data-row`. `?` shows
// them all. Single keys can be turned off, on the account's page (WCAG 2.1.4).
const on = document.documentElement.dataset.keys !== "off";
const dialog = document.getElementById("keys");
let begun = "", timer;

function seen(one) { return !one.disabled && one.getClientRects().length > 0; }

function all() {
  return [...document.querySelectorAll("[data-key]")].filter(seen);
}

function rows() {
  return [...document.querySelectorAll("main [data-row]")].filter(seen);
}

function walk(by) {
  const list = rows(), here = list.findIndex((one) => one.contains(document.activeElement));
  if (!list.length) return;
  const next = here < 0 ? (by > 0 ? 0 : list.length - 1) : Math.max(0, Math.min(list.length - 1, here + by));
  list[next].focus();
}

function press(one) {
  if (one.matches("input:not([type=checkbox], [type=radio]), textarea, select")) { one.focus(); one.select?.(); } else { one.click(); }
}

function show() {
  const list = dialog.querySelector("dl");
  list.replaceChildren();
  const told = all().filter((one) => one.dataset.keySays).map((one) => [one.dataset.key, one.dataset.keySays]);
  if (rows().length) told.push(["j", "Next of the list"], ["k", "The one before"]);
  told.push(["?", "These keys"]);
  for (const [key, says] of told) {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    for (const part of key.split(" ")) {
      const kbd = document.createElement("kbd");
      kbd.textContent = part;
      dt.append(kbd, " ");
    }
    dd.textContent = says;
    list.append(dt, dd);
  }
  dialog.showModal();
}

function typing(target) {
  return target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}

function key(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (dialog.open || typing(event.target)) return;
  if (event.key.length !== 1) return;
  const pressed = begun ? `${begun} ${event.key}` : event.key;
  clearTimeout(timer);
  begun = "";
  const found = all().find((one) => one.dataset.key === pressed);
  if (found) { event.preventDefault(); press(found); return; }
  if (pressed === "?") { event.preventDefault(); show(); return; }
  if (pressed === "j" || pressed === "k") { event.preventDefault(); walk(pressed === "j" ? 1 : -1); return; }
  if (all().some((one) => one.dataset.key.startsWith(`${pressed} `))) {
    begun = pressed;
    timer = setTimeout(() => { begun = ""; }, 1200);
  }
}

if (on) document.addEventListener("keydown", key);
for (const button of document.querySelectorAll('[data-do="keys"]')) {
  button.hidden = !on;
  button.addEventListener("click", show);
}
