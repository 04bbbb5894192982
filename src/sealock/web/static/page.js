// Small things of every page: buttons that copy, and times that say how long ago something was.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy], button[data-copy-text]");
  if (!button || button.dataset.said) return;
  const from = document.getElementById(button.dataset.copy) || button.previousElementSibling;
  const word = [...button.childNodes];
  try {
    await navigator.clipboard.writeText(button.dataset.copyText ?? from.textContent);
    button.textContent = button.dataset.said = "Copied";
  } catch {
    getSelection().selectAllChildren(from);
    button.textContent = button.dataset.said = "Selected";
  }
  setTimeout(() => { button.replaceChildren(...word); delete button.dataset.said; }, 2000);
});
// A button that copies is of no use without a script, so the page has it hidden.
function show(part) {
  for (const button of part.querySelectorAll("button[data-copy], button[data-copy-text]")) button.hidden = false;
}
show(document);
document.addEventListener("part", ({ detail: part }) => show(part));

function since(seconds) {
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    time.textContent = since((Date.now() - Date.parse(time.dateTime)) / 1000);
  }
}, 20000);
