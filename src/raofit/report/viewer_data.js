// From the text in the page to numbers: base64 of gzip, integers, and what they stand for.

function bytesOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < characters.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}

async function unpack(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Integers of one quantity, the value each of them stands for, and a palette that colors them.
async function readQuantity(packed, group) {
  const bytes = await unpack(packed.data);
  const size = 2 ** packed.bits;
  let codes = bytes;
  if (packed.bits === 16) {
    const n = bytes.length / 2;
    codes = new Uint16Array(n);
    for (let index = 0; index < n; index++) codes[index] = bytes[index] * 256 + bytes[n + index];
  }
  const table = new Float64Array(size);
  for (let code = 0; code < size - 2; code++) {
    table[code] = packed.center + packed.scale * Math.sinh(packed.start + packed.step * code);
  }
  table[size - 2] = Infinity;
  table[size - 1] = NaN;
  const counts = new Uint32Array(size);
  for (const code of codes) counts[code]++;
  return { ...packed, data: null, group, codes, table, counts, palette: new Uint32Array(size) };
}

// The most a value near `value` may be wrong by.
function rounding(quantity, value) {
  return Math.expm1(quantity.step / 2) * Math.hypot(quantity.scale, value - quantity.center);
}

async function readVolume(content) {
  const [nx, ny, nz] = content.shape;
  const mask = await unpack(content.mask);
  const places = new Int32Array(nx * ny * nz); // of each voxel of the box in the lists; -1 outside the mask
  let count = 0;
  for (let index = 0; index < places.length; index++) places[index] = mask[index] ? count++ : -1;
  return {
    places,
    status: await unpack(content.status),
    at: ([i, j, k]) => places[i + nx * (j + ny * k)],
  };
}

// Numbers in words: decimals that the standard error and the rounding leave meaningful.
function decimalsOf(value, digits) {
  const size = Math.abs(value);
  return size > 0 && Number.isFinite(size) ? digits - 1 - Math.floor(Math.log10(size)) : 0;
}

// With so many decimals, ≥ 0; what is very large or very small as a power of ten.
function fixed(value, decimals) {
  if (Number.isNaN(value)) return "none";
  if (!Number.isFinite(value)) return "∞";
  if (value !== 0 && (Math.abs(value) >= 1e6 || decimals > 6)) {
    const [mantissa, exponent] = value.toExponential(1).split("e");
    const raised = [...`${Number(exponent)}`].map((digit) => (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]));
    return `${mantissa}·10${raised.join("")}`.replace("-", "−");
  }
  return value.toFixed(decimals).replace("-", "−");
}

function plain(value, digits = 3) {
  return fixed(value, Math.max(0, decimalsOf(value, digits)));
}

// As many decimals as two digits of the standard error need, two digits of the value at least, and none that rounding took.
function withError(value, error, exactness) {
  const most = exactness > 0 ? Math.floor(-Math.log10(exactness)) : 6;
  const has = error !== null && Number.isFinite(error) && error > 0;
  const wanted = has ? Math.max(decimalsOf(error, 2), decimalsOf(value, 2)) : decimalsOf(value, 3);
  const words = fixed(value, Math.max(0, Math.min(wanted, most)));
  if (error === null || Number.isNaN(error)) return words;
  return `${words} ± ${has ? fixed(error, Math.max(0, decimalsOf(error, 2))) : fixed(error, 0)}`;
}
