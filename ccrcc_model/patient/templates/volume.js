"use strict";
// Reads what the page carries: the image, the mask and the regions, deflated and in Base64.

const page = JSON.parse(document.getElementById("page-data").textContent);

function bytesOf(id) {
  const text = document.getElementById(id).textContent.trim();
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function inflated(id, format = "deflate") {
  const packed = new Blob([bytesOf(id)]).stream().pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

// Undoes the differences along x.
function undiffered(codes, rowLength) {
  for (let row = 0; row < codes.length; row += rowLength) {
    for (let i = row + 1; i < row + rowLength; i++) codes[i] += codes[i - 1];
  }
  return codes;
}

function huOf(code) {
  const knots = page.knots;
  let k = 1;
  while (k < knots.length - 1 && code > knots[k][0]) k++;
  const [c0, h0] = knots[k - 1];
  const [c1, h1] = knots[k];
  return h0 + ((code - c0) / (c1 - c0)) * (h1 - h0);
}

const [NX, NY, NZ] = page.size;
const [MX, MY, MZ] = page.merged;
const IX = Math.ceil(NX / MX);
const IY = Math.ceil(NY / MY);

const volume = { image: null, labels: null, regions: new Map() };

function codeAt(x, y, z) {
  return volume.image[(Math.floor(z / MZ) * IY + Math.floor(y / MY)) * IX + Math.floor(x / MX)];
}

function labelAt(x, y, z) {
  return volume.labels[(z * NY + y) * NX + x];
}

// Whether a voxel is in a region; regions are inflated when they are first asked for.
function regionAt(name) {
  const bits = volume.regions.get(name);
  return (x, y, z) => {
    const i = (z * NY + y) * NX + x;
    return (bits[i >> 3] >> (7 - (i & 7))) & 1;
  };
}

async function loadRegion(name) {
  if (!volume.regions.has(name)) volume.regions.set(name, await inflated(page.regions[name]));
}

async function loadVolume() {
  const [image, labels] = await Promise.all([inflated("image"), inflated("labels")]);
  volume.image = undiffered(image, IX);
  volume.labels = labels;
}
