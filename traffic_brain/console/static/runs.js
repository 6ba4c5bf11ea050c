"use strict";
// Start, follow and cancel runs.
(() => {
  const box = document.getElementById("runs-page");
  const states = JSON.parse(box.dataset.states);
  const said = document.getElementById("said");
  const form = document.getElementById("start");

  function tell(body) {
    said.textContent = Console.reason(body);
    said.hidden = false;
  }

  if (form) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const value = (id) => document.getElementById(id).value;
      const answer = await Console.send("POST", box.dataset.base, {
        corridor_id: value("corridor"),
        confirm_seeds: Number(value("pairs")),
        candidates: Number(value("candidates")),
        seed: Number(value("seed")),
      });
      if (answer.ok) {
        window.location.reload();
      } else {
        tell(answer.body);
      }
    });
  }
  for (const button of document.querySelectorAll("button.cancel")) {
    button.addEventListener("click", async () => {
      const id = button.closest("tr").dataset.id;
      const answer = await Console.send("POST", `${box.dataset.base}/${encodeURIComponent(id)}/cancel`);
      if (answer.ok) {
        window.location.reload();
      } else {
        tell(answer.body);
      }
    });
  }

  async function follow(row) {
    const answer = await Console.send("GET", `${box.dataset.base}/${encodeURIComponent(row.dataset.id)}`);
    if (!answer.ok) {
      return;
    }
    const run = answer.body;
    row.querySelector("progress").value = run.done_ratio;
    row.querySelector(".message").textContent = run.message;
    row.querySelector(".status").textContent = states[run.status];
    if (run.status === "running") {
      window.setTimeout(() => follow(row), 1000);
    } else {
      window.location.reload();
    }
  }
  for (const row of document.querySelectorAll("tr[data-status=running]")) {
    window.setTimeout(() => follow(row), 700);
  }
})();
