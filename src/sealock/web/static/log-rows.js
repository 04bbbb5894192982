// Which rows there are, where each stands, and the few of them that are in the document.
//
// A row is a line, a heading of the outline, or the way to another part of a very long log. Rows are mounted in
// chunks of 100, placed by how high the chunks before them are: all rows are of one height, unless lines are
// wrapped; then a chunk counts as high as it was when it was last seen.
const CHUNK = 100;
const MOST = 500_000; // lines at a time: browsers draw no element of more than some 16 million pixels
const BEYOND = 60; // rows kept ready above and below the window

export class Rows {
  constructor(box, pages) {
    this.box = box;
    this.pages = pages;
    this.items = [];
    this.count = 0;
    this.total = 0;
    this.base = 1;
    this.groups = [];
    this.open = new Map(); // what the reader folded or opened, by a group's key
    this.headings = new Map();
    this.mounted = new Map();
    this.measured = new Map();
    this.marked = null;
    this.hits = new Map();
    this.hit = null;
    this.onMove = () => {};
    this.ours = 0;
    this.area = document.createElement("div");
    this.area.className = "log-area";
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => { this.measured.clear(); this.measure(); this.draw(); }).observe(box);
  }

  measure() {
    const probe = document.createElement("div");
    probe.className = "l probe";
    this.area.append(probe);
    this.height = probe.getBoundingClientRect().height || 20;
    probe.remove();
  }

  // What there is
  outline(found, total) {
    this.groups = found.groups;
    this.failing = found.failing_line;
    this.total = total;
    this.lay();
  }

  grow(total) {
    if (!this.area.isConnected) {
      this.pages.seed(this.box);
      this.box.replaceChildren(this.area);
      this.measure();
    }
    if (total > this.total) this.measured.delete(this.chunks - 1);
    this.total = total;
    this.lay();
    this.draw();
  }

  lay() {
    const last = Math.min(this.total, this.base + MOST - 1);
    this.items = [];
    this.count = 0;
    if (this.base > 1) this.add({ kind: "part", n: 1, line: Math.max(1, this.base - 1), text: "Earlier lines" });
    this.walk(this.groups, this.base, last, 0);
    if (last < this.total) this.add({ kind: "part", n: 1, line: last + 1, text: "Later lines" });
    this.chunks = Math.ceil(this.count / CHUNK);
    this.area.style.height = `${this.offset(this.chunks)}px`;
  }

  add(item) {
    item.row = this.count;
    this.items.push(item);
    this.count += item.n;
  }

  walk(groups, first, last, depth) {
    let next = first;
    for (const group of groups) {
      const end = group.last ?? last;
      if (Math.max(end, group.first) < this.base || group.first > last + 1) continue;
      if (group.first > next) this.lines(next, group.first - 1);
      if (group.first >= this.base) this.add({ kind: "heading", n: 1, group, depth, line: group.first });
      if (this.isOpen(group)) this.walk(group.groups, Math.max(group.first, this.base), Math.min(end, last), depth + 1);
      next = Math.max(next, end + 1);
    }
    this.lines(next, last);
  }

  lines(first, last) {
    if (last >= first) this.add({ kind: "lines", n: last - first + 1, line: first });
  }

  key(group) { return `${group.kind} ${group.first} ${group.name}`; }
  isOpen(group) { return this.open.get(this.key(group)) ?? group.is_open; }

  toggle(id) {
    const group = this.numbered[id];
    const anchor = this.box.scrollTop;
    this.open.set(this.key(group), !this.isOpen(group));
    this.measured.clear();
    this.lay();
    this.scroll(anchor);
    this.draw();
    this.headings.get(this.key(group))?.querySelector("button").focus({ preventScroll: true });
  }

  // Opens every group that a line is folded away in
  reveal(line) {
    this.base = Math.floor((line - 1) / MOST) * MOST + 1;
    let groups = this.groups;
    for (;;) {
      const around = groups.find((group) => group.first <= line && line <= (group.last ?? Infinity));
      if (!around) break;
      if (!this.isOpen(around)) this.open.set(this.key(around), true);
      groups = around.groups;
    }
    this.measured.clear();
    this.lay();
  }

  // Where things stand
  item(row) {
    let low = 0, high = this.items.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.items[middle].row <= row) low = middle; else high = middle - 1;
    }
    return this.items[low];
  }

  rowOf(line) {
    let found = this.items.find((item) => item.kind === "lines" && item.line <= line && line < item.line + item.n);
    return found ? found.row + line - found.line : null;
  }

  high(chunk) {
    return this.measured.get(chunk) ?? Math.min(CHUNK, this.count - chunk * CHUNK) * this.height;
  }

  offset(chunk) {
    if (!this.measured.size) return Math.min(chunk * CHUNK, this.count) * this.height;
    let sum = 0;
    for (let each = 0; each < chunk; each++) sum += this.high(each);
    return sum;
  }

  chunkAt(y) {
    if (!this.measured.size) return Math.max(0, Math.min(this.chunks - 1, Math.floor(y / this.height / CHUNK)));
    let sum = 0;
    for (let each = 0; each < this.chunks; each++) {
      sum += this.high(each);
      if (sum > y) return each;
    }
    return Math.max(0, this.chunks - 1);
  }

  topRow() {
    if (!this.wrapped) return Math.floor(this.box.scrollTop / this.height);
    const chunk = this.chunkAt(this.box.scrollTop), inside = this.box.scrollTop - this.offset(chunk);
    const rows = [...(this.mounted.get(chunk)?.children || [])];
    return chunk * CHUNK + Math.max(0, rows.findIndex((row) => row.offsetTop + row.offsetHeight > inside));
  }

  topLine() {
    const row = this.topRow();
    const item = this.count ? this.item(Math.min(row, this.count - 1)) : null;
    return item ? item.line + (item.kind === "lines" ? row - item.row : 0) : 1;
  }

  // Moving
  get atEnd() { return this.box.scrollTop + this.box.clientHeight >= this.area.offsetHeight - this.height * 1.5; }

  scroll(y) {
    this.box.scrollTop = y;
    this.ours = this.box.scrollTop;
  }

  scrolled() {
    const byReader = Math.abs(this.box.scrollTop - this.ours) > 2;
    if (byReader) this.onMove(this.box.scrollTop < this.ours, this.atEnd);
    this.ours = this.box.scrollTop;
    this.soon();
  }

  toStart() { this.base = 1; this.lay(); this.scroll(0); this.draw(); }

  toEnd() {
    if (this.total > this.base + MOST - 1) this.reveal(this.total);
    for (let times = 0; times < 3; times++) { // wrapped lines are measured once they are seen
      this.scroll(this.area.offsetHeight);
      this.draw();
    }
  }

  // above: how many lines stay in sight above it
  toLine(line, above = 4) {
    line = Math.max(1, Math.min(line, this.total));
    this.reveal(line);
    const row = this.rowOf(line);
    if (row === null) return;
    for (let times = 0; times < 3; times++) {
      const chunk = Math.floor(row / CHUNK);
      const mounted = this.mounted.get(chunk)?.children[row % CHUNK];
      const inside = this.wrapped && mounted ? mounted.offsetTop : (row % CHUNK) * this.height;
      this.scroll(Math.max(0, this.offset(chunk) + inside - above * this.height));
      this.draw();
      if (!this.wrapped) break;
    }
  }

  // Brings a line that is in the box into the window as well
  show(line) {
    const row = this.rowOf(line), chunk = Math.floor(row / CHUNK);
    this.mounted.get(chunk)?.children[row % CHUNK]?.scrollIntoView({ block: "nearest" });
    this.ours = this.box.scrollTop;
  }

  mark(lines) { this.marked = lines; this.draw(); }

  found(line, hits = new Map()) { this.hit = line; this.hits = hits; this.draw(); }

  wrap(on) {
    const top = this.count ? this.topLine() : 1;
    this.wrapped = on;
    this.box.classList.toggle("wrapped", on);
    this.measured.clear();
    if (this.area.isConnected && this.count) { this.lay(); this.toLine(top, 0); }
  }

  // Drawing
  soon() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => { this.asked = 0; this.draw(); });
  }

  draw() {
    if (!this.area.isConnected || !this.count) return;
    const beyond = BEYOND * this.height, top = this.box.scrollTop;
    const first = this.chunkAt(top - beyond), last = this.chunkAt(top + this.box.clientHeight + beyond);
    for (const [chunk, element] of this.mounted) {
      if (chunk < first || chunk > last) { element.remove(); this.mounted.delete(chunk); }
    }
    for (let chunk = first; chunk <= last; chunk++) this.mount(chunk);
    if (this.wrapped) this.settle(first, last);
    for (const [chunk, element] of this.mounted) element.style.top = `${this.offset(chunk)}px`;
  }

  mount(chunk) {
    let element = this.mounted.get(chunk);
    if (!element) {
      element = document.createElement("div");
      element.className = "chunk";
      this.mounted.set(chunk, element);
      this.area.append(element);
    }
    const rows = [], end = Math.min(this.count, (chunk + 1) * CHUNK);
    for (let row = chunk * CHUNK; row < end;) {
      const item = this.item(row);
      for (; row < end && row < item.row + item.n; row++) rows.push(this.element(item, row));
    }
    const wanted = new Set(rows);
    for (const child of [...element.children]) if (!wanted.has(child)) child.remove();
    let at = element.firstChild;
    for (const row of rows) {
      if (row === at) at = at.nextSibling; else element.insertBefore(row, at);
    }
  }

  // With wrapped lines: keep what is read in its place while the chunks above it turn out higher or lower
  settle(first, last) {
    let moved = 0;
    const here = this.chunkAt(this.box.scrollTop);
    for (let chunk = first; chunk <= last; chunk++) {
      const before = this.high(chunk), now = this.mounted.get(chunk).offsetHeight;
      this.measured.set(chunk, now);
      if (chunk < here) moved += now - before;
    }
    this.area.style.height = `${this.offset(this.chunks)}px`;
    if (moved) this.scroll(this.box.scrollTop + moved);
  }

  element(item, row) {
    if (item.kind === "heading") return this.heading(item);
    if (item.kind === "part") return this.part(item);
    const line = item.line + row - item.row;
    const element = this.hits.get(line) || this.pages.row(line) || waiting(line);
    const [from, to] = this.marked || [0, -1];
    element.classList.toggle("marked", from <= line && line <= to);
    element.classList.toggle("hit", line === this.hit);
    element.classList.toggle("failing", line === this.failing);
    return element;
  }

  heading({ group, depth }) {
    const key = this.key(group), open = this.isOpen(group);
    let element = this.headings.get(key);
    if (!element) {
      element = document.createElement("div");
      element.append(document.createElement("button"));
      this.headings.set(key, element);
    }
    const button = element.firstChild;
    const how = told(group);
    element.className = `h h-${group.kind} ${group.ok === false && !group.stopped ? "h-bad" : ""}`;
    element.style.setProperty("--depth", depth);
    button.type = "button";
    button.className = "fold";
    button.setAttribute("aria-expanded", String(open));
    button.dataset.group = this.number(group);
    const text = `${group.name.replaceAll("\n", " ⏎ ").slice(0, 500)}${how ? `  ·  ${how}` : ""}`;
    if (button.textContent !== text) button.textContent = text; // as text: it is the build's own
    return element;
  }

  number(group) {
    this.numbered ||= [];
    if (this.numbered[group.id] !== group) this.numbered[group.id] = group;
    return group.id;
  }

  part(item) {
    const element = document.createElement("div"), button = document.createElement("button");
    element.className = "h";
    button.type = "button";
    button.className = "part";
    button.dataset.line = item.line;
    button.textContent = item.text;
    element.append(button);
    return element;
  }
}

function told(group) {
  const parts = []; // how it stands first: what is long is cut off at its end
  if (group.kind !== "group" && group.ok === false) parts.push(group.stopped ? "stopped" : group.exit_code === null ? "failed" : `exit code ${group.exit_code}`);
  if (group.ok === null && group.last === null && group.kind !== "group") parts.push("running");
  if (group.lines) parts.push(`${group.lines} ${group.lines === 1 ? "line" : "lines"}`);
  if (group.took) parts.push(group.took);
  return parts.join(" · ");
}

function waiting(line) {
  const element = document.createElement("div"), number = document.createElement("span");
  element.className = "l waiting";
  number.className = "n";
  number.textContent = line;
  element.append(number);
  return element;
}
