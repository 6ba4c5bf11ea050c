"use strict";
// What every page has: requests with the page's mark, search, choice of night, logging out.
const Console = (() => {
  const mark = document.querySelector("meta[name=csrf]");

  // Answers {ok, status, body}; a refusal's reason is in body.error.
  async function send(method, url, body) {
    const headers = { "x-csrf-token": mark ? mark.content : "" };
    if (body !== undefined) {
      headers["content-type"] = "application/json";
    }
    const told = body === undefined ? undefined : JSON.stringify(body);
    const answer = await fetch(url, { method, headers, body: told });
    if (answer.status === 401 && mark) {
      window.location.assign("/login");
    }
    const json = (answer.headers.get("content-type") || "").startsWith("application/json");
    const retry = answer.headers.get("retry-after");
    return { ok: answer.ok, status: answer.status, retry, body: json ? await answer.json() : null };
  }

  // Numbers of one byte each.
  async function bytes(url) {
    const answer = await fetch(url);
    return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : new Uint8Array(0);
  }

  // A refusal as one line for people.
  function reason(body) {
    if (!body) {
      return "?";
    }
    const problems = (body.problems || []).slice(0, 5).join("; ");
    return [body.error, problems, body.remedy].filter(Boolean).join(" — ");
  }

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, value);
    }
    return made;
  }

  function wireSearch(input) {
    const list = document.getElementById("hits");
    const night = encodeURIComponent(input.dataset.night);
    const kinds = JSON.parse(input.dataset.kinds);
    const pages = { junction: "junctions", corridor: "corridors", bottleneck: "bottlenecks" };
    let asked = 0;

    function show(hits) {
      list.replaceChildren(...hits.map((hit) => {
        const page = pages[hit.kind];
        const id = encodeURIComponent(hit.id);
        const target = page ? `/nights/${night}/${page}/${id}` : `/nights/${night}/map#link=${id}`;
        const row = element("li", "");
        const link = element("a", `${hit.name} `, { href: target });
        link.append(element("small", `${kinds[hit.kind]} ${hit.id === hit.name ? "" : hit.id}`));
        row.append(link);
        return row;
      }));
      if (!hits.length) {
        list.append(element("p", input.dataset.none));
      }
      list.hidden = false;
    }

    input.addEventListener("input", async () => {
      const query = input.value.trim();
      asked += 1;
      const mine = asked;
      if (!query) {
        list.hidden = true;
        return;
      }
      const url = `/api/nights/${night}/search?q=${encodeURIComponent(query.slice(0, 100))}`;
      const answer = await send("GET", url);
      if (mine === asked && answer.ok) {
        show(answer.body);
      }
    });
    input.addEventListener("keydown", (event) => {
      const first = list.querySelector("a");
      if (event.key === "Enter" && first) {
        window.location.assign(first.href);
      } else if (event.key === "ArrowDown" && first) {
        first.focus();
      } else if (event.key === "Escape") {
        list.hidden = true;
      }
    });
    document.addEventListener("click", (event) => {
      if (!input.parentElement.contains(event.target)) {
        list.hidden = true;
      }
    });
  }

  function goOnChange(id) {
    const select = document.getElementById(id);
    if (select) {
      select.addEventListener("change", () => window.location.assign(select.value));
    }
  }

  const search = document.getElementById("search");
  if (search) {
    wireSearch(search);
  }
  goOnChange("night");
  goOnChange("proposal");
  const out = document.getElementById("log-out");
  if (out) {
    out.addEventListener("click", async () => {
      await send("DELETE", "/api/session");
      window.location.assign("/login");
    });
  }
  return { send, bytes, reason, element };
})();
