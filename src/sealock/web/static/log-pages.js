// Lines by their number, from the server's pages of 500. Kept are a few pages; the browser's own cache has the
// others, as far as they can change no more.
const PAGE = 500, MOST = 12;

export class Pages {
  constructor(url, attempt, came) {
    this.url = url;
    this.attempt = attempt;
    this.came = came;
    this.kept = new Map(); // page → {rows: Map(line → element), state: "asked" | "there" | "failed", full}
  }

  // The element of a line, or null: then its page is asked for.
  row(line) {
    const number = Math.ceil(line / PAGE);
    const page = this.page(number);
    return page.rows.get(line) || null;
  }

  page(number) {
    let page = this.kept.get(number);
    if (page) {
      this.kept.delete(number); // to the end: it was used last
      this.kept.set(number, page);
    } else {
      page = { rows: new Map(), told: new Set(), state: "new" };
      this.kept.set(number, page);
      for (const old of this.kept.keys()) {
        if (this.kept.size <= MOST) break;
        this.kept.delete(old);
      }
    }
    if (page.state === "new") this.ask(number, page);
    return page;
  }

  async ask(number, page) {
    page.state = "asked";
    try {
      const answer = await fetch(`${this.url}/page/${number}?attempt=${this.attempt}`, { headers: { "X-Part": "1" } });
      if (!answer.ok) throw new Error(String(answer.status));
      for (const row of parsed(await answer.text())) {
        const line = Number(row.dataset.n);
        if (!page.told.has(line)) page.rows.set(line, row); // what came live is newer
      }
      page.state = "there";
    } catch {
      page.state = "failed";
      setTimeout(() => { page.state = "new"; this.came(); }, 2000);
    }
    this.came();
  }

  // Lines that came live, as HTML; the highest number. A page that is not kept is asked for when it is wanted.
  put(html) {
    let last = 0;
    for (const row of parsed(html)) {
      const line = Number(row.dataset.n), number = Math.ceil(line / PAGE);
      last = Math.max(last, line);
      let page = this.kept.get(number);
      if (!page && line % PAGE === 1) { // it begins here, so all of it comes live
        page = this.page(number);
      }
      if (page) { page.rows.set(line, row); page.told.add(line); }
    }
    return last;
  }

  // What the server put into the page already is shown until the pages are there
  seed(box) {
    for (const row of box.querySelectorAll(".l")) {
      const line = Number(row.dataset.n);
      this.page(Math.ceil(line / PAGE)).rows.set(line, row);
    }
  }

  forget(attempt) {
    this.attempt = attempt;
    this.kept.clear();
  }

  async outline() {
    const answer = await fetch(`${this.url}/outline?attempt=${this.attempt}`);
    return answer.ok ? answer.json() : null;
  }

  async search(text, first) {
    const asked = new URLSearchParams({ q: text, first, attempt: this.attempt });
    const answer = await fetch(`${this.url}/search?${asked}`);
    if (!answer.ok) {
      const told = await answer.json().catch(() => ({}));
      throw new Error(told.detail || "The search could not be done. Try again.");
    }
    return answer.json();
  }
}

// The HTML is the server's, whose classes and elements are of a fixed set.
export function parsed(html) {
  const made = document.createElement("template");
  made.innerHTML = html;
  return made.content.querySelectorAll(".l");
}
