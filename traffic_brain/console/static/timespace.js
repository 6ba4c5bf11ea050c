"use strict";
// The time–space diagram: lamps and bands, drawn again while a planner drags an offset. The server
// is asked afterwards; what it says is what counts.
(() => {
  const data = JSON.parse(document.getElementById("corridor-data").textContent);
  const words = JSON.parse(document.getElementById("corridor-words").textContent);
  const box = document.getElementById("corridor-page");
  const svg = document.getElementById("diagram");
  const select = document.getElementById("set");
  const said = document.getElementById("said");
  const rows = new Map([...document.querySelectorAll("#offsets tr")].map((r) => [r.dataset.id, r]));
  const LEFT = 190, RIGHT = 12, TOP = 12, BOTTOM = 40, STRIP = 7, LEAST = 34, MIN_BAND = 2, TINY = 1e-9;
  const SHOWN_CYCLES = 2.5;
  const state = { set: select.value, offsets: {} };
  let width = 900, asked = 0, timer = 0;

  const lamps = () => data.sets[state.set];
  const longest = () => Math.max(60, ...Object.values(lamps()).map((l) => l.cycle_s));
  const endS = () => Math.ceil(SHOWN_CYCLES * longest());
  const mod = (a, n) => ((a % n) + n) % n;
  const offsetOf = (id) => (id in state.offsets ? state.offsets[id] : lamps()[id].offset_s);

  // ---- bands: the intersection of greens shifted back by travel times (Little 1966) -----------

  function onCircle(spans, cycle) {
    const cut = [];
    for (const [start, end] of spans) {
      if (end - start >= cycle - TINY) {
        return [[0, cycle]];
      }
      const begin = mod(start, cycle), stop = begin + (end - start);
      cut.push([begin, Math.min(stop, cycle)]);
      if (stop > cycle + TINY) {
        cut.push([0, stop - cycle]);
      }
    }
    cut.sort((a, b) => a[0] - b[0]);
    const joined = [];
    for (const [begin, stop] of cut) {
      const last = joined[joined.length - 1];
      if (last && begin <= last[1] + TINY) {
        last[1] = Math.max(last[1], stop);
      } else {
        joined.push([begin, stop]);
      }
    }
    return joined;
  }

  function common(first, second) {
    const both = [];
    for (const [a, b] of first) {
      for (const [c, d] of second) {
        if (Math.min(b, d) > Math.max(a, c)) {
          both.push([Math.max(a, c), Math.min(b, d)]);
        }
      }
    }
    return both.sort((a, b) => a[0] - b[0]);
  }

  function widest(spans, cycle) {
    if (!spans.length) {
      return [0, 0];
    }
    const all = spans.map(([a, b]) => [a, b - a]);
    if (spans.length > 1 && spans[0][0] <= TINY && spans[spans.length - 1][1] >= cycle - TINY) {
      all[all.length - 1] = [spans[spans.length - 1][0], all[all.length - 1][1] + all[0][1]];
    }
    return all.reduce((best, found) => (found[1] > best[1] ? found : best));
  }

  function windowOf(position, way, arrival, cycle) {
    const lamp = lamps()[data.junctions[position].id];
    const greens = lamp && lamp[way];
    if (!greens || !greens.length || cycle % lamp.cycle_s) {
      return [];
    }
    const spans = [];
    for (let k = 0; k < cycle / lamp.cycle_s; k += 1) {
      const shift = k * lamp.cycle_s + offsetOf(data.junctions[position].id) - arrival;
      greens.forEach(([a, b]) => spans.push([a + shift, b + shift]));
    }
    return onCircle(spans, cycle);
  }

  // {cycle, bands: [{positions, arrivals, width}], through}; null: there is no way.
  function bandsOf(way) {
    const times = data.travel_s[way];
    if (!times) {
      return null;
    }
    const order = data.junctions.map((_, i) => i);
    const travel = [...times];
    if (way === "back") {
      order.reverse();
      travel.reverse();
    }
    const cycle = Math.max(...order.map((p) => (lamps()[data.junctions[p].id] || { cycle_s: 0 }).cycle_s));
    const reach = [0];
    travel.forEach((t) => reach.push(reach[reach.length - 1] + t));
    const windows = order.map((p, k) => windowOf(p, way, reach[k], cycle));
    const bands = [];
    let first = 0;
    while (first < windows.length - 1) {
      let shared = windows[first], last = first, best = [0, 0];
      for (let k = first + 1; k < windows.length; k += 1) {
        shared = common(shared, windows[k]);
        const found = widest(shared, cycle);
        if (found[1] < MIN_BAND - TINY) {
          break;
        }
        [last, best] = [k, found];
      }
      if (last > first) {
        const from = reach[first], start = mod(best[0] + from, cycle);
        bands.push({
          positions: order.slice(first, last + 1),
          arrivals: reach.slice(first, last + 1).map((r) => start + r - from),
          width: best[1],
        });
      }
      first = Math.max(last, first + 1);
    }
    const whole = bands.length === 1 && bands[0].positions.length === order.length;
    return { cycle, bands, through: whole ? bands[0].width : 0 };
  }

  // ---- delay: the optimiser's own tables, looked up -------------------------------------------

  function delay() {
    const tables = data.delay[state.set];
    if (!tables.length) {
      return null;
    }
    let total = 0;
    for (const t of tables) {
      const starts = t.junction_ids.map((id, i) => {
        const offset = id in state.offsets ? state.offsets[id] : data.offsets[state.set][id];
        return mod(offset - t.shifts_s[i], t.cycle_s);
      });
      t.pairs.forEach(([a, b], k) => {
        total += t.tables[k][mod(starts[b] - starts[a], t.cycle_s)] / t.cycle_s;
      });
    }
    return total;
  }

  // ---- drawing --------------------------------------------------------------------------------

  function make(name, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) {
      node.setAttribute(key, value);
    }
    if (text !== undefined) {
      node.textContent = text;
    }
    return node;
  }

  function levels() {
    const far = data.junctions.map((j) => j.distance_m);
    const total = Math.max(far[far.length - 1], 1);
    const scale = Math.min(Math.max(60 * far.length, 260), 560) / total;
    const found = [0];
    for (let i = 1; i < far.length; i += 1) {
      found.push(found[i - 1] + Math.max(scale * (far[i] - far[i - 1]), LEAST));
    }
    return found;
  }
  const heights = levels();
  const height = heights[heights.length - 1] + TOP + BOTTOM + 30;
  const yOf = (position) => height - BOTTOM - 15 - heights[position];
  const xOf = (t) => LEFT + ((width - LEFT - RIGHT) * t) / endS();

  function shortened(name) {
    const cells = (text) => [...text].reduce((n, c) => n + (c.charCodeAt(0) > 0x2e7f ? 2 : 1), 0);
    let shown = name;
    while (cells(shown) > 21) {
      shown = shown.slice(0, -1);
    }
    return shown === name ? name : `${shown.slice(0, -1)}…`;
  }

  function drawStrip(parts, position, way) {
    const id = data.junctions[position].id, lamp = lamps()[id];
    const y = yOf(position) + (way === "out" ? 1 : -STRIP - 1);
    if (!data.travel_s[way]) {
      return;
    }
    if (!lamp || !lamp[way]) {
      parts.push(make("rect", { class: "unknown", x: LEFT, y, width: width - LEFT - RIGHT, height: STRIP }));
      return;
    }
    const end = endS(), offset = offsetOf(id);
    parts.push(make("rect", { class: "red", x: LEFT, y, width: width - LEFT - RIGHT, height: STRIP }));
    const greens = onCircle(lamp[way].map(([a, b]) => [a + offset, b + offset]), lamp.cycle_s);
    let path = "";
    for (let k = 0; k * lamp.cycle_s < end; k += 1) {
      for (const [a, b] of greens) {
        const from = a + k * lamp.cycle_s, to = Math.min(b + k * lamp.cycle_s, end);
        if (from < end) {
          path += `M${xOf(from).toFixed(1)} ${y}H${xOf(to).toFixed(1)}v${STRIP}H${xOf(from).toFixed(1)}z`;
        }
      }
    }
    parts.push(make("path", { class: "green", d: path }));
  }

  function drawBands(parts, way, found) {
    const end = endS();
    for (const band of found ? found.bands : []) {
      const middle = Math.floor((band.positions.length - 2) / 2);
      const seen = [];
      let path = "";
      const last = band.arrivals[band.arrivals.length - 1];
      for (let k = Math.floor(-last / found.cycle) - 1; band.arrivals[0] + k * found.cycle < end; k += 1) {
        const shift = k * found.cycle;
        const there = band.arrivals.map((t, i) => [xOf(t + shift), yOf(band.positions[i])]);
        const home = band.arrivals.map((t, i) => [xOf(t + shift + band.width), yOf(band.positions[i])]);
        const corners = [...there, ...home.reverse()];
        path += `M${corners.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}z`;
        const at = (band.arrivals[middle] + band.arrivals[middle + 1] + band.width) / 2 + shift;
        if (at > 0.06 * end && at < 0.94 * end) {
          seen.push(at);
        }
      }
      parts.push(make("path", { class: `band ${way}`, d: path, "clip-path": "url(#inside)" }));
      if (seen.length) {
        const x = xOf(way === "out" ? seen[0] : seen[seen.length - 1]);
        const y = (yOf(band.positions[middle]) + yOf(band.positions[middle + 1])) / 2 + 4;
        const text = words.seconds.replace("{seconds}", band.width.toFixed(0));
        parts.push(make("text", { class: `label ${way}`, x, y, "text-anchor": "middle" }, text));
      }
    }
  }

  function drawAxes(parts) {
    const end = endS(), step = [10, 20, 30, 60].find((s) => end / s <= 12) || 120;
    for (let t = 0; t <= end; t += step) {
      parts.push(make("path", { class: "grid", d: `M${xOf(t)} ${TOP}V${height - BOTTOM}` }));
      parts.push(make("text", { x: xOf(t), y: height - BOTTOM + 16, "text-anchor": "middle" }, String(t)));
    }
    const middle = (LEFT + width - RIGHT) / 2;
    parts.push(make("text", { x: middle, y: height - 6, "text-anchor": "middle" }, words.time));
    const frame = { x: LEFT, y: TOP, width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
    parts.push(make("rect", { class: "frame", ...frame }));
    const clip = make("clipPath", { id: "inside" });
    clip.append(make("rect", frame));
    parts.push(clip);
  }

  function drawName(parts, position) {
    const junction = data.junctions[position], y = yOf(position);
    const moved = junction.id in state.offsets ? "moved" : "";
    const name = make("text", { class: moved, x: LEFT - 8, y, "text-anchor": "end" }, shortened(junction.name));
    name.append(make("title", {}, junction.name));
    parts.push(name);
    const far = `${Math.round(junction.distance_m).toLocaleString("en")} m`;
    parts.push(make("text", { class: "far", x: LEFT - 8, y: y + 12, "text-anchor": "end" }, far));
  }

  function draw() {
    const parts = [];
    width = Math.max(svg.clientWidth, 420);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    drawAxes(parts);
    const found = { out: bandsOf("out"), back: bandsOf("back") };
    for (const way of ["out", "back"]) {
      drawBands(parts, way, found[way]);
    }
    parts.push(...seenLayer());
    data.junctions.forEach((junction, position) => {
      drawStrip(parts, position, "out");
      drawStrip(parts, position, "back");
      drawName(parts, position);
      if (lamps()[junction.id]) {
        parts.push(make("rect", {
          class: "grip", "data-id": junction.id,
          x: LEFT, y: yOf(position) - STRIP - 6, width: width - LEFT - RIGHT, height: 2 * STRIP + 12,
        }));
      }
    });
    svg.replaceChildren(...parts);
    return found;
  }

  // ---- observed trajectories: a layer of its own, drawn once for each hour, plan and width ------

  const seen = { told: null, key: "", paths: [] };
  const shownBox = document.getElementById("observed");

  function sharedCycle() {
    const parts = (a, b) => (b ? parts(b, a % b) : a);
    return Object.values(lamps()).map((l) => l.cycle_s).reduce((a, b) => (a * b) / parts(a, b), 1);
  }

  function placeY(place) {
    const before = Math.min(Math.floor(place), heights.length - 2);
    return yOf(before) + (place - before) * (yOf(before + 1) - yOf(before));
  }

  function seenPath(way) {
    const end = endS(), cycle = seen.told.cycle_s;
    let path = "";
    for (const line of seen.told.lines[way]) {
      const last = line[line.length - 1][0];
      for (let k = -Math.floor(last / cycle); line[0][0] + k * cycle < end; k += 1) {
        const points = line.map(([t, place]) => `${xOf(t + k * cycle).toFixed(1)} ${placeY(place).toFixed(1)}`);
        path += `M${points.join("L")}`;
      }
    }
    return make("path", { class: `seen ${way}`, d: path, "clip-path": "url(#inside)" });
  }

  function fits() {
    return Boolean(seen.told && seen.told.cycle_s && seen.told.cycle_s === sharedCycle());
  }

  function seenLayer() {
    if (!shownBox.checked || !fits()) {
      return [];
    }
    const key = `${state.set} ${seen.told.hour} ${width}`;
    if (key !== seen.key) {
      seen.key = key;
      seen.paths = ["out", "back"].map(seenPath);
    }
    return seen.paths;
  }

  function tellSeen() {
    const told = seen.told;
    let text = words.no_observed;
    if (told.hours.length) {
      text = words.seen_cycles;
      if (told.cycle_s) {
        text = fits() ? words.seen_some : words.seen_other;
      }
    }
    for (const name of ["shown", "vehicles"]) {
      text = text.replace(`{${name}}`, told[name].toLocaleString("en"));
    }
    document.getElementById("observed-said").textContent = text.replace("{cycle}", told.cycle_s);
    document.getElementById("observed-tools").hidden = !told.hours.length || !fits();
    svg.dataset.seen = fits() ? told.shown : 0;
  }

  async function askSeen(hour) {
    const query = hour === undefined ? "" : `?hour=${encodeURIComponent(hour)}`;
    const answer = await Console.send("GET", box.dataset.observed + query);
    if (!answer.ok) {
      document.getElementById("observed-said").textContent = Console.reason(answer.body);
      return;
    }
    seen.told = answer.body;
    const clock = (h) => `${String(h).padStart(2, "0")}:00`;
    document.getElementById("hour").replaceChildren(...seen.told.hours.map(([h, n]) => {
      const option = Console.element("option", `${clock(h)}–${clock(h + 1)} (${n.toLocaleString("en")})`, { value: h });
      option.selected = h === seen.told.hour;
      return option;
    }));
    tellSeen();
    draw();
  }

  // ---- telling --------------------------------------------------------------------------------

  function bandText(found) {
    if (!found) {
      return words.one_way;
    }
    if (found.through > 0) {
      return words.seconds.replace("{seconds}", found.through.toFixed(0));
    }
    const cycles = new Set(Object.values(lamps()).map((lamp) => lamp.cycle_s));
    return cycles.size > 1 ? words.cycles : words.broken;
  }

  function showDelay(value) {
    const first = original.delay[state.set];
    const text = value === null ? words.none : value.toFixed(2);
    const change = value !== null && first !== null && Math.abs(value - first) > 0.005
      ? ` (${value > first ? "+" : "−"}${Math.abs(value - first).toFixed(2)})` : "";
    document.getElementById("delay").textContent = text + change;
  }

  function fill() {
    for (const [id, row] of rows) {
      const lamp = lamps()[id], input = row.querySelector("input");
      row.querySelector(".cycle").textContent = lamp ? lamp.cycle_s : "–";
      input.disabled = !lamp;
      row.classList.toggle("changed", id in state.offsets);
      if (lamp) {
        input.max = lamp.cycle_s - 1;
        if (document.activeElement !== input) {
          input.value = offsetOf(id);
        }
      }
    }
    const check = document.getElementById("check");
    if (check) {
      check.disabled = Object.keys(state.offsets).length === 0;
    }
  }

  function update() {
    const start = performance.now();
    const found = draw();
    document.getElementById("band-out").textContent = bandText(found.out);
    document.getElementById("band-back").textContent = bandText(found.back);
    showDelay(delay());
    fill();
    svg.dataset.drawMs = (performance.now() - start).toFixed(1);
    svg.dataset.out = found.out ? found.out.through.toFixed(2) : "";
    svg.dataset.back = found.back ? found.back.through.toFixed(2) : "";
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, 60);
  }

  // The engine's own word: bands, delay, and every safety rule.
  async function ask() {
    const server = document.getElementById("server");
    asked += 1;
    const mine = asked, shown = { out: svg.dataset.out, back: svg.dataset.back }, mine_delay = delay();
    server.textContent = words.asking;
    const answer = await Console.send("POST", box.dataset.try, {
      plans: state.set, proposal: box.dataset.proposal, offsets_s: state.offsets,
    });
    if (mine !== asked) {
      return; // something has been moved since
    }
    if (!answer.ok) {
      said.textContent = Console.reason(answer.body);
      said.hidden = false;
      server.textContent = "";
      return;
    }
    said.hidden = true;
    const told = answer.body;
    const same = ["out", "back"].every((way) => {
      const theirs = told.through_s[way];
      return theirs === null ? shown[way] === "" : Math.abs(theirs - Number(shown[way])) < 0.05;
    }) && (mine_delay === null || Math.abs(told.delay_veh_h_per_h - mine_delay) < 0.05 + 0.001 * mine_delay);
    server.textContent = same ? words.server : words.differs;
    svg.dataset.confirmed = same;
    tellRules(told.findings);
  }

  function tellRules(findings) {
    const fresh = findings.filter((f) => f.is_new);
    const old = findings.length - fresh.length;
    const text = fresh.length ? words.bad.replace("{count}", fresh.length) : words.ok;
    const rules = document.getElementById("rules");
    rules.textContent = text;
    document.getElementById("inherited").textContent = old ? words.old.replace("{count}", old) : "";
    rules.classList.toggle("bad", fresh.length > 0);
    document.getElementById("findings").replaceChildren(...fresh.slice(0, 20).map((f) => (
      Console.element("li", `${f.junction}: ${f.rule[words.language]} · ${f.where} · ${f.detail}`)
    )));
  }

  function setOffset(id, offset) {
    const lamp = lamps()[id], value = mod(Math.round(offset), lamp.cycle_s);
    if (value === lamp.offset_s) {
      delete state.offsets[id];
    } else {
      state.offsets[id] = value;
    }
    update();
  }

  function wireDrag() {
    let grabbed = null;
    svg.addEventListener("pointerdown", (event) => {
      const id = event.target.dataset && event.target.dataset.id;
      if (id) {
        grabbed = { id, x: event.clientX, offset: offsetOf(id) };
        svg.setPointerCapture(event.pointerId);
        event.preventDefault();
      }
    });
    svg.addEventListener("pointermove", (event) => {
      if (grabbed) {
        const perPx = endS() / (width - LEFT - RIGHT);
        const scale = width / svg.clientWidth;
        setOffset(grabbed.id, grabbed.offset + (event.clientX - grabbed.x) * scale * perPx);
      }
    });
    for (const name of ["pointerup", "pointercancel"]) {
      svg.addEventListener(name, () => {
        grabbed = null;
      });
    }
  }

  const original = { delay: {} };
  for (const name of Object.keys(data.sets)) {
    state.set = name;
    original.delay[name] = delay();
  }
  state.set = select.value;
  for (const [id, row] of rows) {
    row.querySelector("input").addEventListener("input", (event) => {
      if (event.target.value !== "") {
        setOffset(id, Number(event.target.value));
      }
    });
  }
  select.addEventListener("change", () => {
    state.set = select.value;
    state.offsets = {};
    update();
    if (seen.told) {
      tellSeen();
    }
  });
  shownBox.addEventListener("change", draw);
  document.getElementById("hour").addEventListener("change", (event) => askSeen(event.target.value));
  document.getElementById("reset").addEventListener("click", () => {
    state.offsets = {};
    update();
  });
  const check = document.getElementById("check");
  if (check) {
    check.addEventListener("click", async () => {
      const answer = await Console.send("POST", box.dataset.runs, {
        corridor_id: data.corridor_id, proposal: box.dataset.proposal, offsets_s: state.offsets,
      });
      if (answer.ok) {
        window.location.assign(box.dataset.runsPage);
      } else {
        said.textContent = Console.reason(answer.body);
        said.hidden = false;
      }
    });
  }
  wireDrag();
  window.addEventListener("resize", draw);
  update();
  svg.dataset.ready = "true";
  askSeen();
})();
