// The log of a build. Rows are of one height, and only those near the window are in the document: a log of
// any length opens at once. Lines come in pages of 500 from the server, which made their HTML; they are
// parsed, never put together here. Folding works by the outline: headings stand where no line is.
import { Rows } from "./log-rows.js";
import { Pages } from "./log-pages.js";
import { LiveLog } from "./log-live.js";
import { Finder } from "./log-find.js";

const KEEP = "sealock-log"; // what a reader chose, in this browser

const view = document.getElementById("log");
if (view) start(view);

function start(view) {
  const data = view.dataset;
  const box = view.querySelector(".log-box");
  const say = (text) => { document.getElementById("announce").textContent = text; };
  const button = (name) => view.querySelector(`[data-do="${name}"]`);
  const choice = readChoice();
  const pages = new Pages(data.url, data.attempt, () => rows.draw());
  const rows = new Rows(box, pages);
  let total = Number(data.lines), outline = null, following = false, marked = null, live = null;
  view.classList.add("has-script");
  box.tabIndex = 0;

  // What a reader chose
  function readChoice() {
    try { return JSON.parse(localStorage.getItem(KEEP)) || {}; } catch { return {}; }
  }
  function keep() {
    try { localStorage.setItem(KEEP, JSON.stringify(choice)); } catch { /* not allowed: it is for now only */ }
  }
  function look() {
    box.dataset.times = choice.times || "off";
    rows.wrap(Boolean(choice.wrap));
    button("wrap").setAttribute("aria-pressed", String(Boolean(choice.wrap)));
    view.querySelector('[data-do="times"]').value = choice.times || "off";
  }
  button("wrap").addEventListener("click", () => { choice.wrap = !choice.wrap; keep(); look(); });
  button("times").addEventListener("change", (event) => { choice.times = event.target.value; keep(); look(); });

  // Following
  function follow(on) {
    following = on;
    button("follow").setAttribute("aria-pressed", String(on));
    button("follow").textContent = on ? "Following" : "Follow";
    if (on) rows.toEnd();
  }
  button("follow").addEventListener("click", () => follow(!following));
  new ResizeObserver(() => { if (following) rows.toEnd(); }).observe(box); // a phone is turned, a window made smaller
  button("end").addEventListener("click", () => { rows.toEnd(); box.focus(); });
  button("start").addEventListener("click", () => { follow(false); rows.toStart(); box.focus(); });
  rows.onMove = (byReader, atEnd) => {
    if (byReader && following && !atEnd) follow(false);
  };

  // Addresses of lines
  const range = (hash) => {
    const found = /^#L([1-9]\d{0,11})(?:-L?([1-9]\d{0,11}))?$/.exec(hash);
    if (!found) return null;
    const first = Number(found[1]), last = Number(found[2] || found[1]);
    return [Math.min(first, last), Math.max(first, last)];
  };
  function mark(lines, move) {
    marked = lines;
    rows.mark(lines);
    button("copy").hidden = !lines;
    if (lines && move) { follow(false); rows.toLine(lines[0]); rows.show(lines[0]); }
  }
  function address() {
    if (!marked) return location.href;
    const [first, last] = marked;
    return new URL(first === last ? `#L${first}` : `#L${first}-L${last}`, location.href).href;
  }
  box.addEventListener("click", (event) => {
    const number = event.target.closest("a.n");
    if (number) {
      event.preventDefault();
      const line = Number(number.textContent);
      const lines = event.shiftKey && marked ? [Math.min(marked[0], line), Math.max(marked[0], line)] : [line, line];
      mark(lines, false);
      history.replaceState(null, "", address());
    }
    const heading = event.target.closest("button.fold");
    if (heading) rows.toggle(Number(heading.dataset.group));
    const other = event.target.closest("button.part");
    if (other) rows.toLine(Number(other.dataset.line));
  });
  button("copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(address()); say("The address is copied."); }
    catch { prompt("The address of these lines", address()); }
  });
  addEventListener("hashchange", () => mark(range(location.hash), true));
  document.addEventListener("click", (event) => {
    // Links to a line from elsewhere on the page go there even if the address is the same as before.
    const link = event.target.closest("a[data-line]");
    if (!link) return;
    event.preventDefault();
    const line = Number(link.dataset.line);
    mark([line, line], true);
    history.replaceState(null, "", address());
    box.focus({ preventScroll: true });
  });

  // Errors, one after the other: where the log opens, and what the build said of itself
  function errors() {
    const lines = (outline?.notes || []).filter((note) => note.level === "error").map((note) => note.line);
    // While it runs, where it would open if it ended now is no error yet
    const cancelled = document.querySelector(".build-head").dataset.status === "cancelled"; // nothing failed
    if (outline?.failing_line && data.live !== "yes" && !cancelled) lines.push(outline.failing_line);
    return [...new Set(lines)].sort((a, b) => a - b);
  }
  function toError(step) {
    const lines = errors(), here = marked ? marked[0] : rows.topLine();
    const to = step > 0 ? lines.find((line) => line > here) ?? lines[0] : lines.findLast((line) => line < here) ?? lines.at(-1);
    if (to === undefined) { say("No error was found in this log."); return; }
    mark([to, to], true);
    history.replaceState(null, "", address());
    say(`Error ${lines.indexOf(to) + 1} of ${lines.length}, line ${to}`);
  }
  button("next-error").addEventListener("click", () => toError(1));
  button("previous-error").addEventListener("click", () => toError(-1));

  // The search
  const finder = new Finder(view, pages, {
    go: (line, marks) => { follow(false); rows.found(line, marks); rows.toLine(line); },
    done: () => { rows.found(null); box.focus({ preventScroll: true }); },
  });
  view.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "f") { event.preventDefault(); finder.open(); }
  });

  document.addEventListener("log-steps", () => { // a step ended: what can be folded has changed
    if (live) readOutline().then(() => rows.grow(total));
  });

  async function readOutline() {
    try {
      outline = await pages.outline();
      if (!outline) return;
      total = Math.max(total, outline.total_lines);
      rows.outline(outline, total);
      button("next-error").hidden = button("previous-error").hidden = !errors().length;
    } catch { /* the log is shown without it */ }
  }

  async function open() {
    look();
    if (data.attempt === "0" || (data.state === "none" && data.live !== "yes")) return;
    view.querySelector(".log-none")?.remove();
    view.querySelector(".log-links")?.removeAttribute("hidden");
    box.hidden = view.querySelector(".log-tools").hidden = false;
    await readOutline();
    rows.grow(total);
    view.classList.add("is-open");
    const lines = range(location.hash);
    const failing = Number(data.failing) || outline?.failing_line;
    if (lines) mark(lines, true);
    else if (data.live === "yes") follow(true);
    else if (failing) { rows.toLine(failing, 8); rows.show(failing); }
    if (data.live === "yes") live = new LiveLog(data.url, data.attempt, {
      from: total,
      lines: (found) => {
        total = Math.max(total, pages.put(found));
        rows.grow(total);
        if (following) rows.toEnd();
      },
      state: (word) => { view.querySelector(".log-state").textContent = word; },
      end: async () => {
        const followed = following;
        data.live = "no";
        follow(false);
        button("follow").hidden = true;
        await readOutline();
        rows.grow(total);
        if (followed && outline?.failing_line) { rows.toLine(outline.failing_line, 8); rows.show(outline.failing_line); }
      },
      gone: (what) => { say(what); view.querySelector(".log-state").textContent = what; },
    });
    else button("follow").hidden = true;
  }
  view.addEventListener("log-attempt", () => { // it began, or begins again on another machine
    live?.stop();
    data.live = "yes";
    button("follow").hidden = false;
    pages.forget(data.attempt);
    total = 0;
    data.failing = "";
    open();
  });
  document.addEventListener("part", ({ detail: about }) => { // the build ended: what is said of its log has changed
    if (!about.matches(".log-about")) return;
    const none = about.querySelector(".log-none");
    if (total) none?.remove(); // what is there stays, whatever became of the log since
    else if (none) {
      live?.stop();
      box.hidden = view.querySelector(".log-tools").hidden = true;
      view.querySelector(".log-state").textContent = "";
    }
  });
  setInterval(() => { if (live?.isOpen && !document.hidden) readOutline().then(() => rows.grow(total)); }, 15000);
  open();
}
