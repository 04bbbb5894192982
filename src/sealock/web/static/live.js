// What is around the log and changes while a build runs: the title, the favicon, and what is said to a reader
// who does not look. The parts themselves are exchanged by parts.js; this looks at what they say.
const announce = document.getElementById("announce");
const name = document.title.replace(/^[^:]*: /, "");
const page = document.querySelector(".build");
let status = document.querySelector(".build-head").dataset.status;
let steps = states(document);
const ENDS = ["passed", "failed", "stopped"];

function states(part) {
  return new Map([...part.querySelectorAll(".step")].map((step) => [step.dataset.step, step.dataset.state]));
}

function look(head) {
  const { word, icon, attempt } = head.dataset;
  document.title = `${word}: ${name}`;
  const link = document.querySelector('link[rel="icon"]');
  if (link.getAttribute("href") !== icon) link.href = icon;
  if (head.dataset.status !== status) announce.textContent = `Build ${word.toLowerCase()}`;
  status = head.dataset.status;
  const log = document.getElementById("log");
  if (log.dataset.attempt === attempt) return;
  log.dataset.attempt = attempt;
  log.dispatchEvent(new CustomEvent("log-attempt"));
}

function lookAtSteps(part) {
  const now = states(part);
  const ended = [...now].filter(([step, state]) => steps.get(step) !== state && ENDS.includes(state));
  steps = now;
  if (!ended.length) return;
  announce.textContent = ended.map(([step, state]) => `Step ${step} ${state}`).join(", ");
  document.dispatchEvent(new CustomEvent("log-steps"));
}

look(document.querySelector(".build-head"));
document.addEventListener("part", ({ detail: part }) => {
  if (part.matches(".build-head")) look(part); else if (part.matches(".build-middle")) lookAtSteps(part);
});

// A page that nobody sees holds no stream, but its title and icon are seen all the same.
setInterval(async () => {
  if (!document.hidden || !page.dataset.live || !["queued", "running", "stopping"].includes(status)) return;
  try {
    const answer = await fetch(document.querySelector(".build-head").dataset.part, { headers: { "X-Part": "1" } });
    if (!answer.ok) return;
    look(new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".build-head"));
  } catch { /* the next look may find it */ }
}, 10000);
