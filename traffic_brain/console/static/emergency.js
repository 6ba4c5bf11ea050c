"use strict";
// Ask for an emergency corridor; links are suggested while somebody types. Print a result.
(() => {
  const box = document.getElementById("emergency-page");
  const print = document.getElementById("print");
  if (print) {
    print.addEventListener("click", () => window.print());
  }
  const form = document.getElementById("ask");
  if (!form) {
    return;
  }
  const said = document.getElementById("said");
  const way = document.getElementById("way");
  const value = (id) => document.getElementById(id).value.trim();
  const known = new Map();

  function byLinks() {
    const wanted = way.value === "";
    for (const label of form.querySelectorAll(".by-links")) {
      label.hidden = !wanted;
      label.querySelector("input").required = wanted;
    }
  }

  function suggest(id) {
    const input = document.getElementById(id), list = document.getElementById(`${id}-links`);
    let asked = 0;
    input.addEventListener("input", async () => {
      const query = input.value.trim();
      asked += 1;
      const mine = asked;
      if (!query || known.has(query)) {
        return;
      }
      const answer = await Console.send("GET", `${box.dataset.links}?q=${encodeURIComponent(query.slice(0, 100))}`);
      if (mine !== asked || !answer.ok) {
        return;
      }
      list.replaceChildren(...answer.body.map((hit) => {
        const shown = `${hit.name} [${hit.id}]`;
        known.set(shown, hit.id);
        return Console.element("option", "", { value: shown });
      }));
    });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [hours, minutes, seconds] = [...value("depart").split(":"), "0"].map(Number);
    const link = (id) => known.get(value(id)) || value(id);
    const told = { speed_kmh: Number(value("speed")), depart_s: hours * 3600 + minutes * 60 + seconds };
    if (way.value) {
      told.corridor_id = way.value;
      told.direction = way.selectedOptions[0].dataset.direction;
    } else {
      told.from_link = link("from");
      told.to_link = link("to");
    }
    const answer = await Console.send("POST", box.dataset.base, told);
    if (answer.ok) {
      window.location.assign(`${box.dataset.page}/${encodeURIComponent(answer.body.emergency_id)}`);
    } else {
      said.textContent = Console.reason(answer.body);
      said.hidden = false;
    }
  });
  way.addEventListener("change", byLinks);
  byLinks();
  suggest("from");
  suggest("to");
})();
