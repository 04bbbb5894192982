// The search over the whole log: the server looks, twenty hits at a time; here they are walked through.
import { parsed } from "./log-pages.js";

export class Finder {
  constructor(view, pages, { go, done }) {
    this.pages = pages;
    this.go = go;
    this.done = done;
    this.bar = view.querySelector(".log-search");
    this.input = this.bar.querySelector("input");
    this.count = this.bar.querySelector("output");
    this.forget();
    view.querySelector('[data-do="search"]').addEventListener("click", () => this.open());
    this.bar.addEventListener("submit", (event) => event.preventDefault());
    this.input.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.begin(), 250);
    });
    this.bar.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.stopPropagation(); this.close(); }
      if (event.key === "Enter" && event.target === this.input) { event.preventDefault(); this.step(event.shiftKey ? -1 : 1); }
    });
    this.bar.querySelector('[data-do="next-hit"]').addEventListener("click", () => this.step(1));
    this.bar.querySelector('[data-do="previous-hit"]').addEventListener("click", () => this.step(-1));
    this.bar.querySelector('[data-do="close-search"]').addEventListener("click", () => this.close());
  }

  forget() {
    this.text = "";
    this.at = 0;
    this.of = 0;
    this.hits = new Map(); // number → {line, row}
    this.marks = new Map(); // line → row
  }

  open() {
    this.bar.hidden = false;
    this.input.focus();
    this.input.select();
  }

  close() {
    clearTimeout(this.typing);
    this.bar.hidden = true;
    this.forget();
    this.count.textContent = "";
    this.done();
  }

  async begin() {
    clearTimeout(this.typing);
    const text = this.input.value;
    this.forget();
    this.text = text;
    if (!text) { this.count.textContent = ""; return; }
    await this.to(1);
  }

  async step(by) {
    if (this.text !== this.input.value) { await this.begin(); return; }
    if (this.of) await this.to(((this.at - 1 + by + this.of) % this.of) + 1);
  }

  async to(number) {
    const text = this.text;
    if (!this.hits.has(number)) {
      this.count.textContent = "…";
      try {
        const found = await this.pages.search(text, Math.max(1, number - (number % 20 || 20) + 1));
        if (text !== this.text) return; // something else was typed meanwhile
        this.take(found);
      } catch (error) { this.count.textContent = error.message; return; }
    }
    const hit = this.hits.get(number);
    if (!hit) { this.count.textContent = "not found"; return; }
    this.at = number;
    this.count.textContent = `${number} of ${this.of}${this.more ? "+" : ""}`;
    this.go(hit.line, this.marks);
  }

  take({ of, more, hits }) {
    this.of = of;
    this.more = more;
    for (const { number, line, html } of hits) {
      const row = parsed(html)[0];
      this.hits.set(number, { line, row });
      this.marks.set(line, row);
    }
  }
}
