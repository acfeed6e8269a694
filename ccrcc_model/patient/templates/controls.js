// Mouse, keys and buttons.

const byId = (id) => document.getElementById(id);
const PAGE = 10;

function scroll(view, slices) {
  const at = [...state.at];
  at[view.along] += slices * view.nudge;
  goTo(at);
}

const KEYS = {
  ArrowDown: (view) => scroll(view, 1),
  ArrowRight: (view) => scroll(view, 1),
  ArrowUp: (view) => scroll(view, -1),
  ArrowLeft: (view) => scroll(view, -1),
  PageDown: (view) => scroll(view, PAGE),
  PageUp: (view) => scroll(view, -PAGE),
  Home: (view) => scroll(view, -page.size[view.along]),
  End: (view) => scroll(view, page.size[view.along]),
};

function moveCrosshair(view, key) {
  const at = [...state.at];
  if (key === "ArrowLeft" || key === "ArrowRight") at[view.across] += key === "ArrowRight" ? 1 : -1;
  else at[view.down] += (key === "ArrowDown" ? 1 : -1) * (view.turned ? -1 : 1);
  goTo(at);
}

for (const view of views) {
  let turned = 0;
  view.canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    turned += event.deltaMode === 0 ? event.deltaY / 60 : event.deltaY;
    const slices = Math.trunc(turned) || (Math.abs(event.deltaY) >= 50 ? Math.sign(event.deltaY) : 0);
    turned = Math.trunc(turned) ? turned - Math.trunc(turned) : slices ? 0 : turned;
    if (slices) scroll(view, slices);
  }, { passive: false });
  view.canvas.addEventListener("keydown", (event) => {
    if (event.shiftKey && event.key.startsWith("Arrow")) moveCrosshair(view, event.key);
    else if (KEYS[event.key] && !event.ctrlKey && !event.altKey && !event.metaKey) KEYS[event.key](view);
    else return;
    event.preventDefault();
  });
  const follow = (event) => goTo(view.voxelAt(event.offsetX, event.offsetY));
  view.canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (event.pointerType === "mouse") view.canvas.setPointerCapture(event.pointerId);
    follow(event);
  });
  view.canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons & 1) follow(event);
  });
  view.slider.addEventListener("input", () => {
    const at = [...state.at];
    at[view.along] = Number(view.slider.value);
    goTo(at);
  });
}

function showWindow() {
  byId("level").value = state.level;
  byId("width").value = state.width;
  for (const button of document.querySelectorAll("[data-window]")) {
    const preset = page.windows[button.dataset.window];
    button.setAttribute("aria-pressed", preset.level === state.level && preset.width === state.width);
  }
  redraw();
}

for (const button of document.querySelectorAll("[data-window]")) {
  button.addEventListener("click", () => {
    const { level, width } = page.windows[button.dataset.window];
    setWindow(level, width);
    showWindow();
  });
}
for (const slider of [byId("level"), byId("width")]) {
  slider.addEventListener("input", () => {
    setWindow(Number(byId("level").value), Number(byId("width").value));
    showWindow();
  });
}
addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select");
  if (isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
  document.querySelector(`[data-window="${Number(event.key) - 1}"]`)?.click();
});

for (const box of document.querySelectorAll("[data-shows]")) {
  box.addEventListener("change", async () => {
    const name = box.dataset.shows;
    if (page.rings.some((ring) => ring.name === name)) await loadRegion(name);
    if (box.checked) state.shown.add(name);
    else state.shown.delete(name);
    redraw();
  });
}

for (const button of document.querySelectorAll("[data-lesion]")) {
  button.addEventListener("click", () => goTo(page.lesions[button.dataset.lesion].at));
}

// A region is lit as long as the row that names it is under the mouse or has the focus.
async function light(name) {
  if (!page.regions[name]) return;
  await loadRegion(name);
  state.lit = name;
  redraw();
}

function unlight() {
  state.lit = null;
  redraw();
}

for (const row of document.querySelectorAll("[data-region]")) {
  if (!page.regions[row.dataset.region]) continue;
  row.tabIndex = 0;
  row.classList.add("lights");
  for (const event of ["pointerenter", "focusin"]) row.addEventListener(event, () => light(row.dataset.region));
  for (const event of ["pointerleave", "focusout"]) row.addEventListener(event, unlight);
}

new ResizeObserver(redraw).observe(byId("views"));
addEventListener("beforeprint", drawAll);

async function open() {
  byId("views-below").style.gridTemplateColumns = `${views[1].widthMm}fr ${views[2].widthMm}fr`;
  setWindow(state.level, state.width);
  try {
    await loadVolume();
  } catch (error) {
    byId("readout").textContent = `The images cannot be shown in this browser: ${error.message}`;
    throw error;
  }
  showWindow();
  drawAll();
  document.documentElement.dataset.ready = "yes";
}

open();
