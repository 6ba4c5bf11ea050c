"use strict";
// The page's own script: languages, the map's time slider and list, sorting and filtering.
(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const map = data.map;
  const mapDiv = document.getElementById("figure-map");
  const state = { language: "zh", bin: map.first, rank: 0, timer: 0 };

  // A node {zh, en} stands for words; everything else is passed on.
  function localise(node) {
    if (Array.isArray(node)) {
      return node.map(localise);
    }
    if (node === null || typeof node !== "object") {
      return node;
    }
    if (typeof node.zh === "string") {
      return node[state.language];
    }
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, localise(value)]));
  }

  // Plotly names its buttons from the dictionary of a locale.
  function config() {
    const locale = `page-${state.language}`;
    const dictionary = localise(data.buttons);
    Plotly.register({ moduleType: "locale", name: locale, dictionary, format: {} });
    return { ...data.config, locale };
  }

  // ---- the map -------------------------------------------------------------------------------

  function polylines(links) {
    const x = [], y = [];
    for (const link of links) {
      const shape = map.shapes[link];
      for (let i = 0; i < shape.length; i += 2) {
        x.push(shape[i]);
        y.push(shape[i + 1]);
      }
      x.push(null);
      y.push(null);
    }
    return x.length ? { x, y } : { x: [null], y: [null] };
  }

  function middle(shape) {
    const k = 2 * Math.floor((shape.length / 2 - 1) / 2);
    return [(shape[k] + shape[k + 2]) / 2, (shape[k + 1] + shape[k + 3]) / 2];
  }
  const middles = map.shapes.map(middle);
  const middlesX = middles.map((p) => p[0]), middlesY = middles.map((p) => p[1]);

  function linkTraces() {
    const levels = Object.keys(map.level_names);
    const byLevel = new Map([["-", []], ...levels.map((level) => [level, []])]);
    const codes = map.levels[state.bin] || "-".repeat(map.shapes.length);
    const speeds = map.speeds[state.bin] || [];
    const hover = [];
    for (let i = 0; i < map.shapes.length; i += 1) {
      byLevel.get(codes[i]).push(i);
      const level = map.level_names[codes[i]];
      const speed = speeds[i] >= 0 ? ` · ${speeds[i]} ${localise(map.kmh)}` : "";
      hover.push(level ? `${map.names[i]}<br>${localise(level)}${speed}` : map.names[i]);
    }
    return [
      polylines(state.rank ? map.queues[state.rank - 1] : []),
      ...["-", ...levels].map((level) => polylines(byLevel.get(level))),
      { x: middlesX, y: middlesY, hovertext: hover },
    ];
  }

  function drawMap() {
    const figure = localise(data.figures["figure-map"]);
    linkTraces().forEach((trace, i) => Object.assign(figure.data[i], trace));
    return Plotly.react(mapDiv, figure.data, figure.layout, config()).then(spreadNumbers);
  }

  // Numbers keep 21 pixels between them at every zoom; a thread leads to the place of a moved one.
  function spreadNumbers() {
    const { data: traces } = data.figures["figure-map"];
    const last = traces.length - 1, threads = traces.length - 3;
    const places = traces[last].x.map((x, i) => [x, traces[last].y[i]]);
    const [left, right] = mapDiv._fullLayout.xaxis.range;
    const gap = (21 * (right - left)) / mapDiv.clientWidth;
    const taken = [];
    const line = { x: [], y: [] };
    const moved = places.map(() => null);
    for (let i = places.length - 1; i >= 0; i -= 1) {
      const [x, y] = places[i];
      const spots = [[x, y]];
      for (const ring of [1, 1.5, 2, 2.5, 3]) {
        for (let turn = 0; turn < 12; turn += 1) {
          const angle = (turn * Math.PI) / 6;
          spots.push([x + ring * gap * Math.cos(angle), y + ring * gap * Math.sin(angle)]);
        }
      }
      const free = (spot) => taken.every((t) => Math.hypot(t[0] - spot[0], t[1] - spot[1]) >= gap);
      moved[i] = spots.find(free) || spots[0];
      taken.push(moved[i]);
      if (moved[i] !== spots[0]) {
        line.x.push(x, moved[i][0], null);
        line.y.push(y, moved[i][1], null);
      }
    }
    const xs = [line.x, moved.map((p) => p[0])], ys = [line.y, moved.map((p) => p[1])];
    Plotly.restyle(mapDiv, { x: xs, y: ys }, [threads, last]);
  }

  function showBin(bin) {
    state.bin = bin;
    const traces = linkTraces();
    const update = {};
    for (const name of ["x", "y", "hovertext"]) {
      update[name] = traces.map((trace) => trace[name]); // undefined leaves a trace as it is
    }
    Plotly.restyle(mapDiv, update, traces.map((_, i) => i));
    labelBin();
  }

  function labelBin() {
    document.getElementById("bin").value = state.bin;
    document.getElementById("bin-label").textContent = map.bins[state.bin] || "–";
  }

  function play(on) {
    window.clearInterval(state.timer);
    document.getElementById("slider").classList.toggle("playing", on);
    state.timer = on ? window.setInterval(() => showBin((state.bin + 1) % map.bins.length), 900) : 0;
  }

  function choose(rank) {
    state.rank = rank;
    for (const row of document.querySelectorAll(".bottleneck")) {
      const current = Number(row.dataset.rank) === rank;
      row.setAttribute("aria-current", current);
      if (current) {
        row.scrollIntoView({ block: "nearest" });
      }
    }
    const queue = polylines(rank ? map.queues[rank - 1] : []);
    Plotly.restyle(mapDiv, { x: [queue.x], y: [queue.y] }, [0]);
  }

  // A view at least 600 m wide around the links of a queue.
  function zoomTo(rank) {
    const queue = polylines(map.queues[rank - 1]);
    const xs = queue.x.filter((v) => v !== null), ys = queue.y.filter((v) => v !== null);
    if (!xs.length) {
      return;
    }
    const span = (values, least) => {
      const low = Math.min(...values), high = Math.max(...values);
      const half = Math.max((high - low) * 0.75, least / 2);
      return [(low + high) / 2 - half, (low + high) / 2 + half];
    };
    Plotly.relayout(mapDiv, { "xaxis.range": span(xs, 600), "yaxis.range": span(ys, 450) });
  }

  function wireMap() {
    document.getElementById("bin").addEventListener("input", (event) => {
      play(false);
      showBin(Number(event.target.value));
    });
    document.getElementById("play").addEventListener("click", () => play(!state.timer));
    document.getElementById("whole").addEventListener("click", () => {
      choose(0);
      const { xaxis, yaxis } = data.figures["figure-map"].layout;
      Plotly.relayout(mapDiv, { "xaxis.range": [...xaxis.range], "yaxis.range": [...yaxis.range] });
    });
    for (const row of document.querySelectorAll(".bottleneck")) {
      row.addEventListener("click", () => {
        choose(Number(row.dataset.rank));
        zoomTo(state.rank);
      });
    }
    mapDiv.on("plotly_relayout", spreadNumbers);
    mapDiv.on("plotly_click", (event) => {
      const rank = event.points[0].customdata;
      if (rank) {
        choose(rank);
      }
    });
    document.getElementById("slider").hidden = map.bins.length === 0;
  }

  // ---- tables --------------------------------------------------------------------------------

  function sortBy(table, column, kind, ascending) {
    const value = (row) => row.cells[column].dataset.value;
    const compare = kind === "number"
      ? (a, b) => Number(value(a)) - Number(value(b))
      : (a, b) => value(a).localeCompare(value(b), "zh-CN");
    const rows = [...table.tBodies[0].rows].sort((a, b) => (ascending ? compare(a, b) : compare(b, a)));
    table.tBodies[0].append(...rows);
  }

  function wireSorting(table) {
    for (const head of table.querySelectorAll("th[data-sort]")) {
      head.addEventListener("click", () => {
        const fallback = head.dataset.sort === "number" ? "descending" : "ascending";
        const opposite = { ascending: "descending", descending: "ascending" };
        const order = opposite[head.getAttribute("aria-sort")] || fallback;
        for (const other of table.querySelectorAll("th[aria-sort]")) {
          other.removeAttribute("aria-sort");
        }
        head.setAttribute("aria-sort", order);
        sortBy(table, head.cellIndex, head.dataset.sort, order === "ascending");
      });
    }
  }

  function wireFilter() {
    const input = document.getElementById("plan-filter");
    const rows = input ? [...document.getElementById("plan-table").tBodies[0].rows] : [];
    const count = () => {
      const shown = rows.filter((row) => !row.hidden).length;
      const text = localise(data.shown).replace("{shown}", shown).replace("{all}", rows.length);
      document.getElementById("plan-count").textContent = text;
    };
    if (!input) {
      return () => {};
    }
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of rows) {
        row.hidden = !row.dataset.search.includes(wanted);
      }
      count();
    });
    return count;
  }

  // ---- the page ------------------------------------------------------------------------------

  function draw() {
    const others = Object.keys(data.figures).filter((name) => name !== "figure-map");
    return Promise.all([
      drawMap(),
      ...others.map((name) => {
        const figure = localise(data.figures[name]);
        return Plotly.react(name, figure.data, figure.layout, config());
      }),
    ]);
  }

  function setLanguage(language) {
    state.language = language;
    const root = document.documentElement;
    root.dataset.language = language;
    root.lang = language === "zh" ? "zh-CN" : "en";
    document.title = localise(data.title);
    for (const button of document.querySelectorAll("[data-set-language]")) {
      button.setAttribute("aria-pressed", button.dataset.setLanguage === language);
    }
    for (const input of document.querySelectorAll("input[data-zh]")) {
      input.placeholder = input.dataset[language];
    }
    countPlans();
    return draw();
  }

  const countPlans = wireFilter();
  document.querySelectorAll("table.sortable").forEach(wireSorting);
  document.getElementById("print").addEventListener("click", () => window.print());
  for (const button of document.querySelectorAll("[data-set-language]")) {
    button.addEventListener("click", () => {
      window.history.replaceState(null, "", `#${button.dataset.setLanguage}`);
      setLanguage(button.dataset.setLanguage);
    });
  }
  // The hash remembers the language, so the sections are reached without it.
  for (const link of document.querySelectorAll("nav a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      document.querySelector(link.getAttribute("href")).scrollIntoView({ behavior: "smooth" });
    });
  }
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) {
      details.open = true;
    }
  });

  labelBin();
  setLanguage(window.location.hash === "#en" ? "en" : "zh").then(() => {
    wireMap();
    document.documentElement.dataset.ready = "true";
  });
})();
