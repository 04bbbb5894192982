// Lines as they come. The browser connects anew by itself and says which id it saw last; where it gives up
// (the server was away, or there were too many streams), it is tried again from that id.
export class LiveLog {
  constructor(url, attempt, { from, lines, state, end, gone }) {
    this.url = url;
    this.attempt = attempt;
    this.from = Math.max(1, from);
    this.last = null;
    this.tell = { lines, state, end, gone };
    this.isOpen = true;
    this.wait = 1000;
    document.addEventListener("visibilitychange", () => {
      // A browser holds six connections to one server; pages that nobody looks at need none for lines.
      if (document.hidden) this.later = setTimeout(() => this.close(), 20000);
      else { clearTimeout(this.later); if (this.isOpen && !this.source) this.connect(); }
    });
    this.connect();
  }

  connect() {
    const asked = new URLSearchParams({ attempt: this.attempt, first: this.from });
    if (this.last) asked.set("last", this.last);
    const source = this.source = new EventSource(`${this.url}/live?${asked}`);
    source.addEventListener("open", () => { this.wait = 1000; this.tell.state("live"); });
    source.addEventListener("lines", (event) => {
      this.last = event.lastEventId;
      this.tell.lines(JSON.parse(event.data).rows);
    });
    source.addEventListener("gone", (event) => {
      this.stop();
      const { what, do: advice } = JSON.parse(event.data);
      this.tell.gone(`${what}. ${advice}`);
    });
    source.addEventListener("end", () => {
      this.stop();
      this.tell.state("complete");
      this.tell.end();
    });
    source.addEventListener("error", () => {
      this.tell.state("connecting …");
      if (source.readyState !== EventSource.CLOSED || source !== this.source) return;
      this.close();
      setTimeout(() => { if (this.isOpen && !this.source) this.connect(); }, this.wait);
      this.wait = Math.min(this.wait * 2, 15000);
    });
  }

  stop() {
    this.isOpen = false;
    this.close();
  }

  close() {
    this.source?.close();
    this.source = null;
  }
}
