// The viewer: one state (plane, cursor, zoom, colors) shown by all panels, and what the reader does to it.

const MOST_ZOOM = 24;

function geometryOf(content, plane) {
  const { shape, spacing } = content;
  const [[across, isBackwards], [down, isUpwards]] = [plane.right, plane.down];
  const [nu, nv, ns] = [shape[across], shape[down], shape[plane.slice]];
  const voxel = (u, v, slice) => {
    const found = [0, 0, 0];
    found[across] = isBackwards ? nu - 1 - u : u;
    found[down] = isUpwards ? nv - 1 - v : v;
    found[plane.slice] = slice;
    return found;
  };
  const [du, dv] = [spacing[across], spacing[down]];
  return {
    nu, nv, ns, du, dv, voxel,
    axis: plane.slice,
    edges: plane.edges,
    aspect: Math.max(0.5, Math.min(1.3, (nv * dv) / (nu * du))),
    fit: (width, height) => Math.min(width / (nu * du), height / (nv * dv)),
    index: (u, v, slice) => {
      const [i, j, k] = voxel(u, v, slice);
      return i + shape[0] * (j + shape[1] * k);
    },
    place: (found) => ({
      u: isBackwards ? nu - 1 - found[across] : found[across],
      v: isUpwards ? nv - 1 - found[down] : found[down],
      slice: found[plane.slice],
    }),
  };
}

// Ends of the long histogram: all but the outermost half percent of the voxels, and the first limits.
function endsOf({ table, counts, limits }) {
  const present = [];
  let total = 0;
  for (let code = 0; code < table.length - 2; code++) {
    if (counts[code]) {
      present.push(code);
      total += counts[code];
    }
  }
  let [low, high] = limits;
  let before = 0;
  for (const code of present) {
    if (before <= 0.005 * total && before + counts[code] > 0.005 * total) low = Math.min(low, table[code]);
    if (before < 0.995 * total && before + counts[code] >= 0.995 * total) high = Math.max(high, table[code]);
    before += counts[code];
  }
  return Math.abs(low) < 1e-9 * (high - low) ? [0, high] : [low, high]; // a zero of the file, as its code stands for it
}

async function startViewer(root) {
  const content = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const volume = await readVolume(content);
  const layers = [];
  for (const layer of content.layers) {
    const values = await readQuantity(layer.values, layer.group);
    const errors = layer.errors && (await readQuantity(layer.errors, `${layer.group} error`));
    for (const quantity of [values, errors]) if (quantity) quantity.ends = endsOf(quantity);
    const interval = layer.interval && (await Promise.all(layer.interval.map((ends) => readQuantity(ends, ""))));
    layers.push({ ...layer, values, errors, interval });
  }
  const colorMaps = Object.fromEntries(Object.entries(content.colorMaps).map(([name, text]) => [name, bytesOf(text)]));
  const geometries = content.planes.map((plane) => geometryOf(content, plane));
  const outside = hexColor(content.outside);
  const missing = hexColor(content.missing);
  const statusColors = Object.fromEntries(Object.entries(content.words).map(([code, { color }]) => [code, hexColor(color)]));
  const panels = [...root.querySelectorAll("[data-panel]")].map((element) => ({
    element,
    layer: layers[Number(element.dataset.panel)] || null, // the last one is the status
    map: element.querySelector("[data-map]"),
    strip: element.querySelector("[data-strip]"),
    picture: document.createElement("canvas"),
  }));
  const part = (name) => root.querySelector(`[data-part='${name}']`);

  const state = {
    plane: 0,
    cursor: fullest(),
    look: { zoom: 1, u: 0, v: 0 },
    showsErrors: false,
    active: 0,
    limits: {},
    isFaded: false,
    isHeld: false,
  };

  function fullest() {
    const [nx, ny, nz] = content.shape;
    const counts = new Float64Array(nz);
    volume.places.forEach((place, index) => { if (place >= 0) counts[Math.floor(index / (nx * ny))]++; });
    const k = counts.indexOf(Math.max(...counts));
    let [sum, i, j] = [0, 0, 0];
    for (let index = nx * ny * k; index < nx * ny * (k + 1); index++) {
      if (volume.places[index] >= 0) {
        sum++;
        i += index % nx;
        j += Math.floor(index / nx) % ny;
      }
    }
    return sum ? [Math.round(i / sum), Math.round(j / sum), k] : [0, 0, 0];
  }

  const geometry = () => geometries[state.plane];
  const shown = (layer) => (state.showsErrors && layer.errors ? layer.errors : layer.values);
  const limitsOf = (quantity) => state.limits[quantity.group] || quantity.limits;
  const label = (layer, quantity) => (quantity === layer.errors ? `SE of ${layer.name}` : layer.name);

  // Words ------------------------------------------------------------------------------------------------------------

  function reading(layer, place) {
    const value = layer.values.table[layer.values.codes[place]];
    const error = layer.errors ? layer.errors.table[layer.errors.codes[place]] : null;
    return withError(value, error, rounding(layer.values, value));
  }

  // Two digits of the width, which is what the ends are good for.
  function intervalWords(layer, place) {
    if (!layer || !layer.interval || place < 0) return "";
    const [low, high] = layer.interval.map(({ table, codes }) => table[codes[place]]);
    if (Number.isNaN(low) || Number.isNaN(high)) return "";
    const decimals = Math.max(0, decimalsOf(high - low, 2));
    return `${content.intervalWords}: ${fixed(low, decimals)} to ${fixed(high, decimals)}`;
  }

  function voxelWords() {
    const voxel = state.cursor.map((index, axis) => content.origin[axis] + content.step[axis] * index);
    let words = `Voxel ${voxel.join(", ")}`;
    if (content.affine) {
      const at = content.affine.slice(0, 3).map((row) => row[3] + row[0] * voxel[0] + row[1] * voxel[1] + row[2] * voxel[2]);
      words += ` (${at.map((length) => fixed(length, 1)).join(", ")} mm)`;
    }
    return words;
  }

  function write() {
    const place = volume.at(state.cursor);
    const status = place < 0 ? null : content.words[volume.status[place]];
    part("voxel").textContent = voxelWords();
    part("status").textContent = status ? status.name : "outside the mask";
    part("status").style.setProperty("--swatch", status ? status.color : content.outside);
    part("sentence").textContent = status ? status.sentence : "";
    for (const { element, layer } of panels) {
      const reads = element.querySelector("[data-reading]");
      if (layer) reads.textContent = place < 0 ? "–" : reading(layer, place);
      else reads.textContent = status ? status.name : "–";
      const ends = element.querySelector("[data-interval]");
      if (ends) ends.textContent = intervalWords(layer, place);
    }
    return { place, status };
  }

  let speaking = 0;
  function speak() {
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      const { place, status } = write();
      const visible = panels.filter(({ element, layer }) => layer && !element.hidden).map(({ layer }) => layer);
      const values = place < 0 ? [] : visible.map((layer) => {
        const ends = intervalWords(layer, place);
        return `${layer.name} ${reading(layer, place)} ${layer.unit}`.trim() + (ends && `, ${ends}`);
      });
      part("spoken").textContent = [voxelWords(), ...values, status ? status.sentence : "Outside the mask."].join("; ");
    }, 350);
  }

  // Pictures ---------------------------------------------------------------------------------------------------------

  function repaint(group = null) {
    for (const layer of layers) {
      for (const quantity of [layer.values, layer.errors]) {
        if (!quantity || (group !== null && quantity.group !== group)) continue;
        paint(quantity, colorMaps[quantity.colors], limitsOf(quantity), missing, state.isFaded);
      }
    }
    draw();
  }

  let isWaiting = false;
  function draw() {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      drawNow();
    });
  }

  function drawNow() {
    const form = geometry();
    const at = form.place(state.cursor);
    const { place } = write();
    for (const { element, layer, map, strip, picture } of panels) {
      if (element.hidden) continue;
      const quantity = layer && shown(layer);
      const colorOf = layer ? (index) => quantity.palette[quantity.codes[index]] : (index) => statusColors[volume.status[index]];
      drawSlice(picture, form, at.slice, volume.places, colorOf, outside);
      drawMap(map, picture, form, state.look, at, state.isHeld, content.outside);
      map.style.touchAction = state.look.zoom > 1 ? "none" : "pan-y";
      if (!layer) continue;
      const limits = limitsOf(quantity);
      element.querySelector("[data-title]").textContent = label(layer, quantity);
      element.querySelector("[data-low]").textContent = plain(limits[0]);
      element.querySelector("[data-high]").textContent = plain(limits[1]);
      const value = place < 0 ? null : quantity.table[quantity.codes[place]];
      const bounds = quantity === layer.values ? layer.bounds : [];
      drawHistogram(strip, quantity, colorMaps[quantity.colors], limits, limits, value, bounds);
    }
    drawColors(place);
    const slice = content.origin[form.axis] + content.step[form.axis] * at.slice;
    part("slice").value = at.slice;
    part("slice").setAttribute("aria-valuetext", `slice ${slice}, ${at.slice + 1} of ${form.ns}`);
    part("slice-words").textContent = form.ns > 1 ? `${slice} (${at.slice + 1} of ${form.ns})` : `${slice}`;
    part("zoom-words").textContent = `${state.look.zoom.toFixed(1).replace(".0", "")}×`;
  }

  function drawColors(place) {
    const layer = layers[state.active];
    const quantity = shown(layer);
    const [low, high] = limitsOf(quantity);
    const [from, to] = quantity.ends;
    const value = place < 0 ? null : quantity.table[quantity.codes[place]];
    part("colors-of").textContent = label(layer, quantity) + (layer.unit ? ` (${layer.unit})` : "");
    const bounds = quantity === layer.values ? layer.bounds : [];
    drawHistogram(part("histogram"), quantity, colorMaps[quantity.colors], quantity.ends, [low, high], value, bounds);
    part("from").textContent = plain(from);
    part("to").textContent = plain(to);
    for (const [name, limit] of [["lower", low], ["upper", high]]) {
      const slider = part(name);
      slider.value = Math.round((1000 * (limit - from)) / (to - from));
      slider.setAttribute("aria-valuetext", `${plain(limit)} ${layer.unit}`.trim());
      if (document.activeElement !== part(`${name}-number`)) part(`${name}-number`).value = Number(limit.toPrecision(4));
    }
    const worst = Math.max(rounding(quantity, low), rounding(quantity, high));
    part("rounded").textContent = `Numbers here are within ±${plain(worst, 2)}${layer.unit ? ` ${layer.unit}` : ""} of the NIfTI file.`;
    for (const { element, layer: other } of panels) element.classList.toggle("active", other === layer);
  }

  // Changes ----------------------------------------------------------------------------------------------------------

  function moveTo(voxel) {
    state.cursor = voxel.map((index, axis) => Math.max(0, Math.min(content.shape[axis] - 1, index)));
    draw();
  }

  function moveBy(du, dv, dslice) {
    const form = geometry();
    const { u, v, slice } = form.place(state.cursor);
    const within = (index, n) => Math.max(0, Math.min(n - 1, index));
    moveTo(form.voxel(within(u + du, form.nu), within(v + dv, form.nv), within(slice + dslice, form.ns)));
    if (du || dv) keepVisible();
    speak();
  }

  function extent() {
    const map = panels.find(({ element }) => !element.hidden)?.map;
    const form = geometry();
    if (!map) return { u: form.nu / 2, v: form.nv / 2 };
    const scale = form.fit(map.clientWidth, map.clientHeight) * state.look.zoom;
    return { u: map.clientWidth / scale / form.du / 2, v: map.clientHeight / scale / form.dv / 2 };
  }

  function lookAt(u, v, zoom) {
    const form = geometry();
    state.look = { zoom: Math.max(1, Math.min(MOST_ZOOM, zoom)), u, v };
    const half = extent();
    const clamped = (center, size, reach) => (2 * reach >= size ? size / 2 : Math.max(reach, Math.min(size - reach, center)));
    state.look.u = clamped(u, form.nu, half.u);
    state.look.v = clamped(v, form.nv, half.v);
    draw();
  }

  function zoomBy(factor, around = geometry().place(state.cursor), offset = 0.5) {
    const { zoom, u, v } = state.look;
    const next = Math.max(1, Math.min(MOST_ZOOM, zoom * factor));
    const [u0, v0] = [around.u + offset, around.v + offset];
    lookAt(u0 + ((u - u0) * zoom) / next, v0 + ((v - v0) * zoom) / next, next);
  }

  function keepVisible() {
    const { u, v } = geometry().place(state.cursor);
    const half = extent();
    const near = (center, index, reach) => Math.max(index + 1 - reach, Math.min(index + reach, center));
    lookAt(near(state.look.u, u, half.u), near(state.look.v, v, half.v), state.look.zoom);
  }

  function choosePlane(plane) {
    state.plane = plane;
    part("slice").max = geometry().ns - 1;
    part("slices").hidden = geometry().ns < 2;
    lookAt(geometry().nu / 2, geometry().nv / 2, 1);
  }

  function hold(isHeld) {
    state.isHeld = isHeld;
    part("hold").setAttribute("aria-pressed", isHeld);
    draw();
  }

  function activate(layer) {
    if (layer) state.active = layers.indexOf(layer);
    draw();
  }

  function setLimit(name, value) {
    const quantity = shown(layers[state.active]);
    const limits = [...limitsOf(quantity)];
    if (!Number.isFinite(value)) return;
    const least = (quantity.ends[1] - quantity.ends[0]) / 1000;
    if (name === "lower") limits[0] = Math.min(value, limits[1] - least);
    else limits[1] = Math.max(value, limits[0] + least);
    state.limits[quantity.group] = limits;
    repaint(quantity.group);
  }

  function isVoxelIn({ u, v }) {
    return u >= 0 && v >= 0 && u < geometry().nu && v < geometry().nv;
  }

  // Pointers and keys on the maps ------------------------------------------------------------------------------------

  function pointedAt(map, event) {
    const box = map.getBoundingClientRect();
    const form = geometry();
    const scale = form.fit(box.width, box.height) * state.look.zoom;
    return {
      u: state.look.u + (event.clientX - box.left - box.width / 2) / scale / form.du,
      v: state.look.v + (event.clientY - box.top - box.height / 2) / scale / form.dv,
    };
  }

  function pointCursor(map, event) {
    const at = pointedAt(map, event);
    const place = { u: Math.floor(at.u), v: Math.floor(at.v) };
    if (isVoxelIn(place)) moveTo(geometry().voxel(place.u, place.v, geometry().place(state.cursor).slice));
  }

  function listen({ map, layer }) {
    const fingers = new Map();
    let travelled = 0;
    map.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, event);
      travelled = 0;
      activate(layer);
      if (event.pointerType === "mouse" || state.look.zoom > 1) map.setPointerCapture(event.pointerId);
    });
    map.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) {
        if (event.pointerType === "mouse" && !state.isHeld) pointCursor(map, event);
        return;
      }
      const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
      travelled += Math.abs(dx) + Math.abs(dy);
      const others = [...fingers.values()].filter((finger) => finger.pointerId !== event.pointerId);
      const middle = pointedAt(map, event);
      if (others.length === 1) {
        const [other] = others;
        const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
        zoomBy(apart(event) / apart(before), pointedAt(map, other), 0);
      } else if (travelled > 4 && state.look.zoom > 1) {
        const from = pointedAt(map, before);
        lookAt(state.look.u - (middle.u - from.u), state.look.v - (middle.v - from.v), state.look.zoom);
      }
      fingers.set(event.pointerId, event);
    });
    map.addEventListener("pointerup", (event) => {
      if (fingers.size === 1 && travelled <= 4) {
        pointCursor(map, event);
        if (event.pointerType === "mouse") hold(!state.isHeld);
        speak();
      }
      fingers.delete(event.pointerId);
    });
    for (const name of ["pointercancel", "lostpointercapture"]) map.addEventListener(name, (event) => fingers.delete(event.pointerId));
    map.addEventListener("wheel", (event) => {
      const isMeant = event.ctrlKey || document.activeElement === map;
      if (!isMeant || (state.look.zoom === 1 && event.deltaY > 0)) return; // the page scrolls
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), pointedAt(map, event), 0);
    }, { passive: false });
    map.addEventListener("focus", () => activate(layer));
    map.addEventListener("keydown", (event) => {
      const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const half = extent();
      const actions = {
        PageUp: () => moveBy(0, 0, 1),
        PageDown: () => moveBy(0, 0, -1),
        "+": () => zoomBy(1.5),
        "=": () => zoomBy(1.5),
        "-": () => zoomBy(1 / 1.5),
        0: () => choosePlane(state.plane),
        " ": () => hold(!state.isHeld),
      };
      const arrow = arrows[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey || !(arrow || actions[event.key])) return;
      event.preventDefault();
      if (!arrow) actions[event.key]();
      else if (event.shiftKey) lookAt(state.look.u + arrow[0] * half.u / 4, state.look.v + arrow[1] * half.v / 4, state.look.zoom);
      else moveBy(...arrow, 0);
    });
  }

  // Controls ---------------------------------------------------------------------------------------------------------

  panels.forEach(listen);
  part("plane")?.addEventListener("change", (event) => choosePlane(Number(event.target.value)));
  part("slice").addEventListener("input", (event) => moveBy(0, 0, Number(event.target.value) - geometry().place(state.cursor).slice));
  part("previous").addEventListener("click", () => moveBy(0, 0, -1));
  part("next").addEventListener("click", () => moveBy(0, 0, 1));
  part("closer").addEventListener("click", () => zoomBy(1.5));
  part("farther").addEventListener("click", () => zoomBy(1 / 1.5));
  part("fit").addEventListener("click", () => choosePlane(state.plane));
  part("hold").addEventListener("click", () => hold(!state.isHeld));
  for (const choice of root.querySelectorAll("[data-quantity]")) {
    choice.addEventListener("change", () => {
      state.showsErrors = choice.dataset.quantity === "errors";
      draw();
    });
  }
  for (const choice of root.querySelectorAll("[data-shows]")) {
    choice.addEventListener("change", () => {
      panels[Number(choice.dataset.shows)].element.hidden = !choice.checked;
      draw();
    });
  }
  for (const name of ["lower", "upper"]) {
    part(name).addEventListener("input", (event) => {
      const [from, to] = shown(layers[state.active]).ends;
      setLimit(name, from + (Number(event.target.value) / 1000) * (to - from));
    });
    part(`${name}-number`).addEventListener("change", (event) => setLimit(name, event.target.valueAsNumber));
  }
  // The nearer of the two limits follows a pointer that is down on the histogram.
  let dragged = null;
  const pointedValue = (event) => {
    const box = part("histogram").getBoundingClientRect();
    const [from, to] = shown(layers[state.active]).ends;
    return from + ((event.clientX - box.left) / box.width) * (to - from);
  };
  part("histogram").addEventListener("pointerdown", (event) => {
    const [low, high] = limitsOf(shown(layers[state.active]));
    const value = pointedValue(event);
    dragged = Math.abs(value - low) < Math.abs(value - high) ? "lower" : "upper";
    part("histogram").setPointerCapture(event.pointerId);
    setLimit(dragged, value);
  });
  part("histogram").addEventListener("pointermove", (event) => dragged && setLimit(dragged, pointedValue(event)));
  for (const name of ["pointerup", "pointercancel"]) part("histogram").addEventListener(name, () => (dragged = null));
  part("reset").addEventListener("click", () => {
    delete state.limits[shown(layers[state.active]).group];
    repaint();
  });
  part("reset-all").addEventListener("click", () => {
    state.limits = {};
    repaint();
  });
  part("fade").addEventListener("change", (event) => {
    state.isFaded = event.target.checked;
    repaint();
  });

  root.hidden = false;
  root.nextElementSibling.hidden = true; // the same without scripts
  choosePlane(0);
  repaint();
  new ResizeObserver(draw).observe(root);
  drawNow();
  root.dataset.state = "ready";
}

for (const root of document.querySelectorAll("[data-viewer]")) {
  startViewer(root).catch((error) => {
    root.hidden = true;
    const words = document.createElement("p");
    words.className = "remark warning";
    words.textContent = `This browser cannot show the maps to move through (${error.message}); the figures below show one slice.`;
    root.after(words);
  });
}
