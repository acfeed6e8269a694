// The 3-D tab: the labels, drawn by NiiVue where the browser has WebGL. The other views need neither.

const three = { viewer: null, isOpening: false };

function hasWebGl() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

// The mask as a NIfTI file, whose x and y run to the patient's right and front.
function labelsAsNifti() {
  const file = new ArrayBuffer(352 + volume.labels.length);
  const header = new DataView(file);
  header.setInt32(0, 348, true);
  [3, NX, NY, NZ, 1, 1, 1, 1].forEach((n, i) => header.setInt16(40 + 2 * i, n, true));
  header.setInt16(70, 2, true);
  header.setInt16(72, 8, true);
  [1, ...page.spacing, 1, 1, 1, 1].forEach((mm, i) => header.setFloat32(76 + 4 * i, mm, true));
  header.setFloat32(108, 352, true);
  header.setFloat32(112, 1, true);
  header.setUint8(123, 2);
  header.setInt16(254, 1, true);
  [-1, -1, 1].forEach((sign, axis) => header.setFloat32(280 + 20 * axis, sign * page.spacing[axis], true));
  [0x6e, 0x2b, 0x31].forEach((letter, i) => header.setUint8(344 + i, letter));
  new Uint8Array(file).set(volume.labels, 352);
  return file;
}

function colours() {
  const parts = page.structures.map(({ colour }) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)));
  const channel = (k) => [0, ...parts.map((part) => part[k])];
  const alpha = page.structures.map(({ name }) => (name === "kidney" ? 24 : 255));
  const values = page.structures.map(({ value }) => value);
  const labels = ["", ...page.structures.map(({ name }) => name)];
  return { R: channel(0), G: channel(1), B: channel(2), A: [0, ...alpha], I: [0, ...values], labels };
}

async function startThree() {
  const program = document.createElement("script");
  program.textContent = new TextDecoder().decode(await inflated("niivue", "gzip"));
  document.head.append(program);
  const quiet = { dragAndDropEnabled: false, show3Dcrosshair: false, logLevel: "error" };
  const viewer = new window.niivue.Niivue({ ...quiet, backColor: [0, 0, 0, 1], isOrientCube: true });
  await viewer.attachToCanvas(document.getElementById("view-three"));
  await viewer.loadFromArrayBuffer(labelsAsNifti(), "labels.nii");
  viewer.volumes[0].setColormapLabel(colours());
  viewer.setSliceType(viewer.sliceTypeRender);
  viewer.setRenderAzimuthElevation(180, 10);
  viewer.updateGLVolume();
  three.viewer = viewer;
}

async function showTab(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) tab.setAttribute("aria-selected", tab.dataset.tab === name);
  document.getElementById("views").hidden = name === "three";
  document.getElementById("three").hidden = name !== "three";
  if (name !== "three") {
    redraw();
    return;
  }
  if (three.viewer || three.isOpening) return;
  three.isOpening = true;
  try {
    await startThree();
  } catch (error) {
    document.getElementById("three-said").textContent = `The 3-D view cannot be shown here: ${error.message}`;
  }
  three.isOpening = false;
  document.documentElement.dataset.three = three.viewer ? "drawn" : "failed";
}

if (hasWebGl()) {
  document.getElementById("tabs").hidden = false;
  for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => showTab(tab.dataset.tab));
}
