// What is around the log and changes while a build runs: the title, the favicon, what is said to a reader who
// does not look, and the keys. The parts themselves are exchanged by parts.js; this looks at what they say.
const head = document.getElementById("build-head");
const steps = document.getElementById("build-steps");
const announce = document.getElementById("announce");
const name = document.title.replace(/^[^:]*: /, "");
let was = states();

function states() {
  return new Map([...steps.querySelectorAll(".step")].map((step) => [step.dataset.step, step.dataset.state]));
}

function icon(href) {
  let link = document.querySelector('link[rel="icon"]');
  if (!link) {
    link = document.createElement("link");
    link.rel = "icon";
    document.head.append(link);
  }
  if (link.getAttribute("href") !== href) link.href = href;
}

function look(first) {
  const part = head.querySelector(".build-head");
  if (!part) return;
  const { word, status, attempt } = part.dataset;
  document.title = `${word}: ${name}`;
  icon(part.dataset.icon);
  const log = document.getElementById("log");
  if (log && log.dataset.attempt !== attempt) {
    log.dataset.attempt = attempt;
    log.dispatchEvent(new CustomEvent("log-attempt", { detail: attempt }));
  }
  if (first) return;
  if (status !== look.status) announce.textContent = `Build ${word.toLowerCase()}`;
  look.status = status;
}

function lookAtSteps() {
  const now = states();
  for (const [step, state] of now) {
    if (was.get(step) !== state && ["passed", "failed", "stopped"].includes(state)) {
      announce.textContent = `Step ${step} ${state}`;
      document.dispatchEvent(new CustomEvent("log-do", { detail: "outline" }));
    }
  }
  was = now;
}

look.status = head.querySelector(".build-head")?.dataset.status;
look(true);
new MutationObserver(() => look(false)).observe(head, { childList: true, subtree: true });
new MutationObserver(lookAtSteps).observe(steps, { childList: true, subtree: true });

function step(by) {
  const all = [...steps.querySelectorAll("summary")];
  const here = all.indexOf(document.activeElement);
  const next = all[Math.max(0, Math.min(all.length - 1, here < 0 ? (by > 0 ? 0 : all.length - 1) : here + by))];
  next?.focus();
}
