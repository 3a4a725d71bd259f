// Pictures: one slice of one quantity, its colors, and its histogram.

const INK = "#1b1f24";
const SOFT = "#515a66";
const LINE = "#d8dde3";
const ACCENT = "#0b5c8a";
const MARK = "#c2410c";
const N_BINS = 64;

function packedColor(red, green, blue) {
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}

function hexColor(text) {
  const value = parseInt(text.slice(1), 16);
  return packedColor(value >> 16, (value >> 8) & 255, value & 255);
}

// Colors of all integers of a quantity between two limits; those outside are pale if `isFaded`.
function paint({ table, palette }, colors, [low, high], missing, isFaded) {
  const steps = new Uint32Array(256);
  for (let step = 0; step < 256; step++) steps[step] = packedColor(colors[3 * step], colors[3 * step + 1], colors[3 * step + 2]);
  const pale = ([0, 255].map((step) => packedColor(...[0, 1, 2].map((index) => 205 + (colors[3 * step + index] >> 4)))));
  const perUnit = 256 / (high - low || 1);
  for (let code = 0; code < table.length - 1; code++) {
    const value = table[code];
    if (isFaded && (value < low || value > high)) palette[code] = pale[value < low ? 0 : 1];
    else palette[code] = steps[Math.max(0, Math.min(255, Math.floor((value - low) * perUnit)))];
  }
  palette[table.length - 1] = missing;
}

// One slice as an image of one pixel per voxel.
function drawSlice(canvas, geometry, slice, places, colorOf, outside) {
  const { nu, nv, index } = geometry;
  canvas.width = nu;
  canvas.height = nv;
  const context = canvas.getContext("2d");
  const image = context.createImageData(nu, nv);
  const pixels = new Uint32Array(image.data.buffer);
  for (let v = 0; v < nv; v++) {
    for (let u = 0; u < nu; u++) {
      const place = places[index(u, v, slice)];
      pixels[u + nu * v] = place < 0 ? outside : colorOf(place);
    }
  }
  context.putImageData(image, 0, 0);
}

// A canvas as sharp as the screen (and no coarser than print wants), its context in CSS pixels.
function prepared(canvas, aspect) {
  const width = Math.max(40, canvas.clientWidth);
  const height = aspect ? Math.round(width * aspect) : canvas.clientHeight || 40;
  const density = Math.min(3, Math.max(2, window.devicePixelRatio || 1));
  if (aspect) canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  return { context, width, height };
}

function drawMap(canvas, picture, geometry, look, cursor, isHeld, outside) {
  const { context, width, height } = prepared(canvas, geometry.aspect);
  const scale = geometry.fit(width, height) * look.zoom;
  const [du, dv] = [scale * geometry.du, scale * geometry.dv];
  const left = width / 2 - look.u * du;
  const top = height / 2 - look.v * dv;
  context.fillStyle = outside;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, left, top, geometry.nu * du, geometry.nv * dv);
  if (cursor) drawCursor(context, geometry.edges, left + (cursor.u + 0.5) * du, top + (cursor.v + 0.5) * dv, du, dv, width, height, isHeld);
  drawEdges(context, geometry.edges, width, height);
}

function drawCursor(context, edges, x, y, du, dv, width, height, isHeld) {
  const [aside, apart] = [du, dv].map((size) => Math.max(5, size / 2 + 2));
  const path = new Path2D();
  const [first, last, above, below] = ["left", "right", "top", "bottom"].map((side) => edges[side].length && 9 + 8 * edges[side].length);
  for (const [x1, y1, x2, y2] of [
    [first, y, x - aside, y], [x + aside, y, width - last, y],
    [x, Math.min(above, 18), x, y - apart], [x, y + apart, x, height - Math.min(below, 18)],
  ]) {
    if (x2 < x1 || y2 < y1) continue;
    path.moveTo(x1, y1);
    path.lineTo(x2, y2);
  }
  if (Math.max(du, dv) > 4) path.rect(x - du / 2, y - dv / 2, du, dv);
  for (const [color, line] of [["rgba(0, 0, 0, 0.5)", 2], ["rgba(255, 255, 255, 0.9)", 1]]) {
    context.strokeStyle = color;
    context.lineWidth = line;
    context.setLineDash(isHeld ? [] : [4, 3]);
    context.stroke(path);
  }
  context.setLineDash([]);
}

function drawEdges(context, edges, width, height) {
  context.font = "600 12px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const [text, x, y, align] of [
    [edges.left, 5, height / 2, "left"], [edges.right, width - 5, height / 2, "right"],
    [edges.top, width / 2, 10, "center"], [edges.bottom, width / 2, height - 9, "center"],
  ]) {
    context.textAlign = align;
    context.lineWidth = 3;
    context.strokeStyle = "rgba(255, 255, 255, 0.85)";
    context.strokeText(text, x, y);
    context.fillStyle = INK;
    context.fillText(text, x, y);
  }
}

// Voxels per bin between two ends; what lies beyond is in the outermost bins.
function histogram(quantity, [low, high]) {
  const { table, counts, kept } = quantity;
  if (kept?.low === low && kept.high === high) return kept.bins;
  const bins = new Float64Array(N_BINS);
  for (let code = 0; code < table.length - 2; code++) {
    if (counts[code]) {
      const place = Math.floor((N_BINS * (table[code] - low)) / (high - low));
      bins[Math.max(0, Math.min(N_BINS - 1, place))] += counts[code];
    }
  }
  quantity.kept = { low, high, bins };
  return bins;
}

// Bars over a color bar; the reader's limits are where the colors are, the cursor's value is a line with a triangle.
function drawHistogram(canvas, quantity, colors, ends, limits, value, bounds) {
  const { context, width, height } = prepared(canvas);
  const [low, high] = ends;
  const across = (number) => Math.max(0, Math.min(width, (width * (number - low)) / (high - low || 1)));
  const bar = 10;
  const room = height - bar - 8;
  const bins = histogram(quantity, ends);
  const sizes = [...bins].sort((a, b) => b - a);
  const most = Math.min(sizes[0], 3 * (sizes[4] || sizes[0])) || 1; // a bin of many equal values is no scale for the others
  context.fillStyle = "#8fa3b5";
  bins.forEach((count, bin) => {
    const size = Math.min(1, count / most) * room;
    context.fillRect((bin * width) / N_BINS, height - bar - size, width / N_BINS - 0.5, size);
  });
  const [from, to] = limits.map(across);
  for (let x = 0; x < width; x++) {
    const share = Math.max(0, Math.min(255, Math.floor((256 * (x - from)) / (to - from || 1))));
    context.fillStyle = `rgb(${colors[3 * share]}, ${colors[3 * share + 1]}, ${colors[3 * share + 2]})`;
    context.fillRect(x, height - bar, 1.5, bar);
  }
  context.strokeStyle = SOFT;
  context.setLineDash([3, 2]);
  for (const bound of bounds.filter((number) => number >= low && number <= high)) line(context, across(bound), 8, height - bar);
  context.setLineDash([]);
  if (from > 0 || to < width) {
    context.strokeStyle = ACCENT;
    context.lineWidth = 2;
    for (const x of [from, to]) line(context, x, 8, height);
  }
  if (value !== null && !Number.isNaN(value)) {
    const x = Math.max(4, Math.min(width - 4, across(value)));
    context.fillStyle = context.strokeStyle = MARK;
    context.lineWidth = 1.5;
    line(context, x, 6, height);
    context.beginPath();
    context.moveTo(x - 4, 0);
    context.lineTo(x + 4, 0);
    context.lineTo(x, 7);
    context.fill();
  }
}

function line(context, x, y1, y2) {
  context.beginPath();
  context.moveTo(x, y1);
  context.lineTo(x, y2);
  context.stroke();
}
