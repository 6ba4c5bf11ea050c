"use strict";
// Approve, reject, change: each with a note; the page is loaded again, so that it shows what is.
(() => {
  const box = document.getElementById("decide");
  const note = document.getElementById("note");
  const said = document.getElementById("said");

  function tell(text, failed) {
    said.textContent = text;
    said.className = failed ? "bad" : "good";
    said.hidden = false;
  }

  async function act(name, more, done) {
    if (!note.value.trim()) {
      note.focus();
      note.setAttribute("aria-invalid", "true");
      tell(note.parentElement.firstChild.textContent, true);
      return;
    }
    for (const button of box.querySelectorAll("button")) {
      button.disabled = true;
    }
    const answer = await Console.send("POST", `${box.dataset.base}/${name}`, {
      note: note.value, package_id: box.dataset.package, ...more,
    });
    if (answer.ok) {
      done(answer.body);
      return;
    }
    tell(box.dataset.failed + Console.reason(answer.body), true);
    for (const button of box.querySelectorAll("button")) {
      button.disabled = false;
    }
  }

  function changes() {
    const offsets = {}, kept = [];
    for (const row of document.querySelectorAll("#changes tr")) {
      const [offset, keep] = row.querySelectorAll("input");
      if (keep.checked) {
        kept.push(row.dataset.id);
      } else if (offset.value !== offset.dataset.old && offset.value !== "") {
        offsets[row.dataset.id] = Number(offset.value);
      }
    }
    return { offsets_s: offsets, kept };
  }

  const again = () => window.location.reload();
  const runs = () => window.location.assign(box.dataset.runs);
  for (const [id, more, done] of [["approve", () => ({}), again], ["reject", () => ({}), again], ["change", changes, runs]]) {
    const button = document.getElementById(id);
    if (button) {
      button.addEventListener("click", () => act(id, more(), done));
    }
  }
})();
