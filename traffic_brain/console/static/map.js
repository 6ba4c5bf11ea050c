"use strict";
// The map on a canvas: links by level through the day, queues, junctions; in step with the list.
(() => {
  const box = document.getElementById("map-page");
  const canvas = document.getElementById("map");
  const pen = canvas.getContext("2d");
  const slider = document.getElementById("bin");
  const label = document.getElementById("bin-label");
  const tip = document.getElementById("tip");
  const zonesBox = document.getElementById("zones");
  const names = JSON.parse(box.dataset.names);
  const view = { x: 0, y: 0, scale: 1, bin: 0, rank: 0, link: -1 };
  const NONE = 255, NUMBERED = 15;
  let map = null, levels = null, speeds = null, timer = 0, whole = null;

  function extent() {
    let [left, low, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const shape of map.shapes) {
      for (let i = 0; i < shape.length; i += 2) {
        left = Math.min(left, shape[i]);
        right = Math.max(right, shape[i]);
        low = Math.min(low, shape[i + 1]);
        top = Math.max(top, shape[i + 1]);
      }
    }
    return Number.isFinite(left) ? { left, low, right, top } : { left: 0, low: 0, right: 1000, top: 1000 };
  }

  function resize() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = canvas.parentElement.getBoundingClientRect();
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
  }

  // A view of a box in metres, with some room around it.
  function fit({ left, low, right, top }, least) {
    const across = Math.max(right - left, least), up = Math.max(top - low, least);
    view.scale = 0.94 * Math.min(canvas.width / across, canvas.height / up);
    view.x = (left + right) / 2;
    view.y = (low + top) / 2;
  }

  const px = (x) => canvas.width / 2 + (x - view.x) * view.scale;
  const py = (y) => canvas.height / 2 - (y - view.y) * view.scale;

  function trace(shape) {
    pen.moveTo(px(shape[0]), py(shape[1]));
    for (let i = 2; i < shape.length; i += 2) {
      pen.lineTo(px(shape[i]), py(shape[i + 1]));
    }
  }

  function inView([left, low, right, top]) {
    const across = canvas.width / 2 / view.scale, up = canvas.height / 2 / view.scale;
    return right > view.x - across && left < view.x + across && top > view.y - up && low < view.y + up;
  }

  function stroke(links, colour, width) {
    if (!links.length) {
      return;
    }
    pen.beginPath();
    for (const i of links) {
      if (inView(map.boxes[i])) {
        trace(map.shapes[i]);
      }
    }
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }

  function drawZones() {
    pen.lineWidth = 1.5;
    pen.strokeStyle = "#7a8793";
    pen.fillStyle = "#5a6673";
    pen.setLineDash([6, 4]);
    for (const zone of map.zone_shapes) {
      pen.beginPath();
      trace(zone.shape);
      pen.closePath();
      pen.stroke();
      let [x, y] = [0, 0];
      for (let i = 0; i < zone.shape.length; i += 2) {
        x += zone.shape[i];
        y += zone.shape[i + 1];
      }
      const points = zone.shape.length / 2;
      pen.fillText(zone.name || zone.zone_id, px(x / points), py(y / points));
    }
    pen.setLineDash([]);
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.lineJoin = "bevel";
    pen.font = `${12 * ratio}px sans-serif`;
    pen.textAlign = "center";
    const count = map.shapes.length;
    const groups = Array.from({ length: map.colours.length + 1 }, () => []);
    for (let i = 0; i < count; i += 1) {
      const level = map.bins.length ? levels[view.bin * count + i] : NONE;
      groups[level === NONE ? map.colours.length : level].push(i);
    }
    if (view.rank) {
      stroke(map.queues[view.rank - 1], "rgba(122, 42, 168, 0.45)", 12 * ratio);
    }
    if (view.link >= 0) {
      stroke([view.link], "rgba(122, 42, 168, 0.45)", 12 * ratio);
    }
    // Seen from afar, streets are hairlines: easier to read, and drawn much faster.
    const zoom = ratio * Math.min(1, Math.max(0.3, view.scale / (0.12 * ratio)));
    stroke(groups[map.colours.length], "#cfd4da", Math.max(1, 1.2 * zoom));
    map.colours.forEach((colour, k) => stroke(groups[k], colour, Math.max(1, map.widths[k] * zoom)));
    if (zonesBox && zonesBox.checked) {
      drawZones();
    }
    drawJunctions(ratio);
    drawRanks(ratio);
  }

  function drawJunctions(ratio) {
    const size = Math.min(4, Math.max(0, 14 * view.scale)) * ratio;
    if (size < 0.8) {
      return;
    }
    pen.fillStyle = "#fff";
    pen.strokeStyle = "#1c2733";
    pen.lineWidth = ratio;
    pen.beginPath();
    for (const [x, y] of map.junctions) {
      pen.moveTo(px(x) + size, py(y));
      pen.arc(px(x), py(y), size, 0, 7);
    }
    pen.fill();
    pen.stroke();
  }

  function head(rank) {
    const shape = map.shapes[map.queues[rank - 1][0]];
    const n = shape.length;
    return [0.25 * shape[n - 4] + 0.75 * shape[n - 2], 0.25 * shape[n - 3] + 0.75 * shape[n - 1]];
  }

  // The worst bottlenecks by rank; a number that would cover a worse one is left out.
  function drawRanks(ratio) {
    const taken = [];
    pen.textBaseline = "middle";
    for (let rank = 1; rank <= Math.min(NUMBERED, map.queues.length); rank += 1) {
      if (!map.queues[rank - 1].length) {
        continue;
      }
      const [x, y] = head(rank), at = [px(x), py(y)];
      if (taken.some((t) => Math.hypot(t[0] - at[0], t[1] - at[1]) < 20 * ratio)) {
        continue;
      }
      taken.push(at);
      pen.beginPath();
      pen.arc(at[0], at[1], 10 * ratio, 0, 7);
      pen.fillStyle = rank === view.rank ? "#7a2aa8" : "#1c2733";
      pen.fill();
      pen.strokeStyle = "#fff";
      pen.lineWidth = 1.5 * ratio;
      pen.stroke();
      pen.fillStyle = "#fff";
      pen.fillText(String(rank), at[0], at[1]);
    }
    pen.textBaseline = "alphabetic";
  }

  function showBin(bin) {
    view.bin = bin;
    slider.value = bin;
    label.textContent = map.bins[bin] || "–";
    const start = performance.now();
    draw();
    canvas.dataset.drawMs = (performance.now() - start).toFixed(1);
    canvas.dataset.bin = bin;
  }

  function play(on) {
    window.clearInterval(timer);
    timer = on ? window.setInterval(() => showBin((view.bin + 1) % map.bins.length), 400) : 0;
    const button = document.getElementById("play");
    button.textContent = on ? button.dataset.pause : button.dataset.play;
  }

  function boxOf(links) {
    const found = { left: Infinity, low: Infinity, right: -Infinity, top: -Infinity };
    for (const i of links) {
      const shape = map.shapes[i];
      for (let k = 0; k < shape.length; k += 2) {
        found.left = Math.min(found.left, shape[k]);
        found.right = Math.max(found.right, shape[k]);
        found.low = Math.min(found.low, shape[k + 1]);
        found.top = Math.max(found.top, shape[k + 1]);
      }
    }
    return found;
  }

  function choose(rank) {
    view.rank = rank;
    view.link = -1;
    for (const row of document.querySelectorAll("#ranked li")) {
      const chosen = Number(row.dataset.rank) === rank;
      row.setAttribute("aria-current", chosen);
      if (chosen) {
        row.scrollIntoView({ block: "nearest" });
      }
    }
    if (rank && map.queues[rank - 1].length) {
      fit(boxOf(map.queues[rank - 1]), 700);
    }
    draw();
  }

  // What lies under the pointer: a numbered head, a junction, a link.
  function under(x, y) {
    const ratio = window.devicePixelRatio || 1;
    for (let rank = 1; rank <= Math.min(NUMBERED, map.queues.length); rank += 1) {
      if (map.queues[rank - 1].length) {
        const [a, b] = head(rank);
        if (Math.hypot(px(a) - x, py(b) - y) < 10 * ratio) {
          return { rank };
        }
      }
    }
    for (const junction of map.junctions) {
      if (Math.hypot(px(junction[0]) - x, py(junction[1]) - y) < 7 * ratio) {
        return { junction };
      }
    }
    let best = { link: -1, far: 7 * ratio };
    map.shapes.forEach((shape, link) => {
      for (let i = 0; i + 3 < shape.length; i += 2) {
        const far = distance(x, y, px(shape[i]), py(shape[i + 1]), px(shape[i + 2]), py(shape[i + 3]));
        if (far < best.far) {
          best = { link, far };
        }
      }
    });
    return best.link >= 0 ? best : {};
  }

  function distance(x, y, ax, ay, bx, by) {
    const dx = bx - ax, dy = by - ay;
    const along = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(x - ax - along * dx, y - ay - along * dy);
  }

  function describe(found) {
    if (found.rank) {
      const row = document.querySelector(`#ranked li[data-rank="${found.rank}"] .what b`);
      return `#${found.rank} ${row ? row.textContent : ""}`;
    }
    if (found.junction) {
      return found.junction[3];
    }
    const at = view.bin * map.shapes.length + found.link;
    const level = map.bins.length ? levels[at] : NONE;
    const speed = speeds && speeds.length && speeds[at] !== NONE ? ` · ${speeds[at]} km/h` : "";
    return `${map.names[found.link]} · ${level === NONE ? box.dataset.none : names[level]}${speed}`;
  }

  function wirePointer() {
    let grabbed = null, moved = false;
    const ratio = () => window.devicePixelRatio || 1;
    canvas.addEventListener("pointerdown", (event) => {
      grabbed = [event.offsetX, event.offsetY];
      moved = false;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (grabbed) {
        const [dx, dy] = [event.offsetX - grabbed[0], event.offsetY - grabbed[1]];
        moved = moved || Math.hypot(dx, dy) > 3;
        view.x -= (dx * ratio()) / view.scale;
        view.y += (dy * ratio()) / view.scale;
        grabbed = [event.offsetX, event.offsetY];
        draw();
        return;
      }
      const found = under(event.offsetX * ratio(), event.offsetY * ratio());
      tip.hidden = !("rank" in found || "junction" in found || "link" in found);
      if (!tip.hidden) {
        tip.textContent = describe(found);
        const room = canvas.clientWidth - tip.offsetWidth - 4;
        tip.style.left = `${Math.max(0, Math.min(event.offsetX + 14, room))}px`;
        tip.style.top = `${event.offsetY > 60 ? event.offsetY - 36 : event.offsetY + 18}px`;
      }
    });
    canvas.addEventListener("pointerup", (event) => {
      grabbed = null;
      if (moved) {
        return;
      }
      const found = under(event.offsetX * ratio(), event.offsetY * ratio());
      if (found.rank) {
        choose(found.rank);
      } else if (found.junction) {
        window.location.assign(box.dataset.junction + encodeURIComponent(found.junction[2]));
      }
    });
    canvas.addEventListener("pointerleave", () => {
      tip.hidden = true;
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const factor = Math.exp(-event.deltaY * 0.0015);
      const x = view.x + (event.offsetX * ratio() - canvas.width / 2) / view.scale;
      const y = view.y - (event.offsetY * ratio() - canvas.height / 2) / view.scale;
      view.scale *= factor;
      view.x = x + (view.x - x) / factor;
      view.y = y + (view.y - y) / factor;
      draw();
    }, { passive: false });
  }

  function wireList() {
    const rows = [...document.querySelectorAll("#ranked li")];
    for (const row of rows) {
      row.querySelector("button").addEventListener("click", () => choose(Number(row.dataset.rank)));
    }
    const filters = ["filter", "cause", "zone"].map((id) => document.getElementById(id));
    const shown = document.getElementById("shown");
    function apply() {
      const [text, cause, zone] = filters.map((f) => (f ? f.value.trim().toLowerCase() : ""));
      for (const row of rows) {
        row.hidden = !(row.dataset.search.includes(text)
          && (!cause || row.dataset.cause.toLowerCase() === cause)
          && (!zone || row.dataset.zone.toLowerCase() === zone));
      }
      const left = rows.filter((row) => !row.hidden).length;
      const book = document.getElementById("zone-book");
      if (book) {
        book.href = `${book.href.split("?")[0]}?zone=${encodeURIComponent(filters[2].value)}`;
      }
      shown.textContent = box.dataset.shown.replace("{shown}", left).replace("{all}", rows.length);
    }
    for (const filter of filters) {
      if (filter) {
        filter.addEventListener("input", apply);
      }
    }
    if (rows.length) {
      apply();
    }
  }

  function openAtHash() {
    const wanted = decodeURIComponent(window.location.hash.slice(1));
    if (/^\d+$/.test(wanted) && map.queues[Number(wanted) - 1]) {
      choose(Number(wanted));
    } else if (wanted.startsWith("link=")) {
      view.link = map.ids.indexOf(wanted.slice(5));
      if (view.link >= 0) {
        fit(boxOf([view.link]), 900);
        draw();
      }
    }
  }

  async function begin() {
    const source = box.dataset.source;
    const parts = [Console.send("GET", source), Console.bytes(`${source}/levels`)];
    const [answer, found] = await Promise.all(parts);
    map = answer.body;
    levels = found;
    map.boxes = map.shapes.map((_, i) => {
      const { left, low, right, top } = boxOf([i]);
      return [left, low, right, top];
    });
    whole = extent();
    resize();
    fit(whole, 200);
    showBin(map.bins.length ? map.first : 0);
    wirePointer();
    wireList();
    let waiting = false;
    slider.addEventListener("input", () => {
      if (timer) {
        play(false);
      }
      if (!waiting) { // several events before one frame are one step
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          showBin(Number(slider.value));
        });
      }
    });
    document.getElementById("play").addEventListener("click", () => play(!timer));
    document.getElementById("whole").addEventListener("click", () => {
      fit(whole, 200);
      choose(0);
    });
    if (zonesBox) {
      zonesBox.addEventListener("change", draw);
    }
    window.addEventListener("resize", () => {
      resize();
      draw();
    });
    window.addEventListener("hashchange", openAtHash);
    openAtHash();
    canvas.dataset.readyMs = performance.now().toFixed(0);
    canvas.dataset.ready = "true";
    speeds = await Console.bytes(`${source}/speeds`); // only the pointer asks for them
  }
  begin();
})();
