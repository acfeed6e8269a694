// Draws the three views. Axes x, y, z run to the patient's left, back and head; axial slices are seen from the feet.

const VIEWS = {
  axial: { across: 0, down: 1, along: 2, turned: false, letters: ["R", "L", "A", "P"], nudge: -1 },
  coronal: { across: 0, down: 2, along: 1, turned: true, letters: ["R", "L", "S", "I"], nudge: 1 },
  sagittal: { across: 1, down: 2, along: 0, turned: true, letters: ["A", "P", "S", "I"], nudge: 1 },
};
const AXIS_ENDS = [["R", "L"], ["A", "P"], ["I", "S"]];
const LUT = new Uint8ClampedArray(256);
const FEATURED = "#ff9f43";

const state = {
  at: [...page.start],
  level: page.windows[0].level,
  width: page.windows[0].width,
  shown: new Set(["kidney", "tumour", "cyst", "mass", "crosshair"]),
  lit: null,
};

function setWindow(level, width) {
  state.level = level;
  state.width = width;
  for (let code = 0; code < 256; code++) LUT[code] = ((huOf(code) - level) / width + 0.5) * 255;
}

function clampedIndex(axis, value) {
  return Math.min(Math.max(Math.round(value), 0), page.size[axis] - 1);
}

class View {
  constructor(name) {
    Object.assign(this, VIEWS[name], { name });
    this.canvas = document.getElementById(`view-${name}`);
    this.slider = document.getElementById(`slice-${name}`);
    this.slider.max = page.size[this.along] - 1;
    this.picture = document.createElement("canvas");
    const merged = page.merged;
    this.picture.width = Math.ceil(page.size[this.across] / merged[this.across]);
    this.picture.height = Math.ceil(page.size[this.down] / merged[this.down]);
    this.widthMm = page.size[this.across] * page.spacing[this.across];
    this.heightMm = page.size[this.down] * page.spacing[this.down];
    this.canvas.style.aspectRatio = `${this.widthMm} / ${this.heightMm}`;
  }

  // Pixels of the canvas for one mm, and where the picture begins.
  fit() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(Math.round(this.canvas.clientWidth * ratio), 1);
    const height = Math.max(Math.round(this.canvas.clientHeight * ratio), 1);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.ratio = ratio;
    this.scale = Math.min(width / this.widthMm, height / this.heightMm);
    this.left = (width - this.widthMm * this.scale) / 2;
    this.top = (height - this.heightMm * this.scale) / 2;
  }

  toX(column) {
    return this.left + column * page.spacing[this.across] * this.scale;
  }

  toY(row) {
    return this.top + row * page.spacing[this.down] * this.scale;
  }

  rowOf(index) {
    return this.turned ? page.size[this.down] - 1 - index : index;
  }

  // The voxel at a place of the canvas.
  voxelAt(x, y) {
    const at = [...state.at];
    const column = (x * this.ratio - this.left) / (page.spacing[this.across] * this.scale) - 0.5;
    const row = (y * this.ratio - this.top) / (page.spacing[this.down] * this.scale) - 0.5;
    at[this.across] = clampedIndex(this.across, column);
    at[this.down] = clampedIndex(this.down, this.rowOf(row));
    return at;
  }

  draw() {
    this.fit();
    const pen = this.canvas.getContext("2d");
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.drawImage(pen);
    if (state.lit) this.fill(pen, this.sliceOf(regionAt(state.lit)));
    this.drawContours(pen);
    if (state.shown.has("crosshair")) this.drawCrosshair(pen);
    this.drawLetters(pen);
    this.slider.value = state.at[this.along];
    this.canvas.setAttribute("aria-label", this.inWords());
  }

  inWords() {
    const axis = this.along;
    return `${this.name} slice ${state.at[axis] + 1} of ${page.size[axis]}`;
  }

  drawImage(pen) {
    const { width, height } = this.picture;
    const own = this.picture.getContext("2d");
    const pixels = own.createImageData(width, height);
    const words = new Uint32Array(pixels.data.buffer);
    const merged = page.merged;
    const rows = Math.ceil(page.size[this.down] / merged[this.down]);
    const at = [0, 0, 0];
    at[this.along] = Math.floor(state.at[this.along] / merged[this.along]);
    const step = [1, IX, IX * IY];
    const start = at[this.along] * step[this.along];
    for (let r = 0; r < height; r++) {
      let from = start + (this.turned ? rows - 1 - r : r) * step[this.down];
      for (let c = 0; c < width; c++, from += step[this.across]) {
        const grey = LUT[volume.image[from]];
        words[r * width + c] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
      }
    }
    own.putImageData(pixels, 0, 0);
    pen.imageSmoothingQuality = "high";
    // Where voxels were averaged, the last ones may reach beyond the part that is shown: rows from the other end if turned.
    const wide = width * merged[this.across] * page.spacing[this.across] * this.scale;
    const high = height * merged[this.down] * page.spacing[this.down] * this.scale;
    const beyond = this.turned ? high - this.heightMm * this.scale : 0;
    pen.save();
    pen.beginPath();
    pen.rect(this.left, this.top, this.widthMm * this.scale, this.heightMm * this.scale);
    pen.clip();
    pen.drawImage(this.picture, this.left, this.top - beyond, wide, high);
    pen.restore();
  }

  // A slice of a mask with a frame of zeros around it.
  sliceOf(isInside) {
    const columns = page.size[this.across];
    const rows = page.size[this.down];
    const slice = new Uint8Array((columns + 2) * (rows + 2));
    const at = [...state.at];
    for (let r = 0; r < rows; r++) {
      at[this.down] = this.turned ? rows - 1 - r : r;
      let to = (r + 1) * (columns + 2) + 1;
      for (let c = 0; c < columns; c++, to++) {
        at[this.across] = c;
        if (isInside(at[0], at[1], at[2])) slice[to] = 1;
      }
    }
    return slice;
  }

  drawContours(pen) {
    for (const structure of page.structures) {
      if (!state.shown.has(structure.name)) continue;
      // The outline of the kidney includes its tumour and cysts, as a reader of the scan sees it.
      const value = structure.name === "kidney" ? 0 : structure.value;
      this.outline(pen, this.sliceOf((x, y, z) => (value ? labelAt(x, y, z) === value : labelAt(x, y, z) > 0)), structure);
    }
    for (const ring of page.rings) {
      if (state.shown.has(ring.name) && volume.regions.has(ring.name)) {
        this.outline(pen, this.sliceOf(regionAt(ring.name)), ring);
      }
    }
  }

  // Marching squares between voxel centres.
  outline(pen, slice, { colour, dash }) {
    const wide = page.size[this.across] + 2;
    const high = page.size[this.down] + 2;
    const stepX = page.spacing[this.across] * this.scale;
    const stepY = page.spacing[this.down] * this.scale;
    pen.beginPath();
    for (let r = 0; r < high - 1; r++) {
      for (let c = 0; c < wide - 1; c++) {
        const k = r * wide + c;
        const corner = slice[k] | (slice[k + 1] << 1) | (slice[k + wide + 1] << 2) | (slice[k + wide] << 3);
        if (corner === 0 || corner === 15) continue;
        const x = this.left + (c - 0.5) * stepX;
        const y = this.top + (r - 0.5) * stepY;
        const top = [x + stepX / 2, y];
        const right = [x + stepX, y + stepY / 2];
        const bottom = [x + stepX / 2, y + stepY];
        const left = [x, y + stepY / 2];
        for (const [from, to] of SEGMENTS[corner].map((ends) => ends.map((end) => ({ top, right, bottom, left })[end]))) {
          pen.moveTo(...from);
          pen.lineTo(...to);
        }
      }
    }
    pen.strokeStyle = colour;
    pen.lineWidth = (dash ? 1 : 1.6) * this.ratio;
    pen.stroke();
  }

  fill(pen, slice) {
    const columns = page.size[this.across];
    pen.fillStyle = FEATURED;
    pen.globalAlpha = 0.5;
    for (let r = 0; r < page.size[this.down]; r++) {
      const row = (r + 1) * (columns + 2) + 1;
      for (let c = 0; c < columns; c++) {
        if (!slice[row + c]) continue;
        let end = c;
        while (end < columns && slice[row + end]) end++;
        const top = this.toY(r);
        pen.fillRect(this.toX(c), top, this.toX(end) - this.toX(c), this.toY(r + 1) - top);
        c = end;
      }
    }
    pen.globalAlpha = 1;
  }

  drawCrosshair(pen) {
    const x = this.toX(state.at[this.across] + 0.5);
    const y = this.toY(this.rowOf(state.at[this.down]) + 0.5);
    const gap = 9 * this.ratio;
    pen.beginPath();
    pen.moveTo(this.left, y);
    pen.lineTo(x - gap, y);
    pen.moveTo(x + gap, y);
    pen.lineTo(this.left + this.widthMm * this.scale, y);
    pen.moveTo(x, this.top);
    pen.lineTo(x, y - gap);
    pen.moveTo(x, y + gap);
    pen.lineTo(x, this.top + this.heightMm * this.scale);
    pen.strokeStyle = "rgba(190, 220, 255, 0.75)";
    pen.lineWidth = this.ratio;
    pen.stroke();
  }

  drawLetters(pen) {
    const [left, right, top, bottom] = this.letters;
    const { width, height } = this.canvas;
    const inset = 6 * this.ratio;
    pen.font = `600 ${13 * this.ratio}px system-ui, sans-serif`;
    pen.lineWidth = 3 * this.ratio;
    pen.strokeStyle = "#000";
    pen.fillStyle = "#fff";
    const write = (text, x, y, align, baseline) => {
      pen.textAlign = align;
      pen.textBaseline = baseline;
      pen.strokeText(text, x, y);
      pen.fillText(text, x, y);
    };
    write(left, inset, height / 2, "left", "middle");
    write(right, width - inset, height / 2, "right", "middle");
    write(top, width / 2, inset, "center", "top");
    write(bottom, width / 2, height - inset, "center", "bottom");
    const mm = [50, 20, 10, 5].find((long) => long * this.scale < width / 3) || 5;
    pen.strokeStyle = "#fff";
    pen.lineWidth = 2 * this.ratio;
    pen.beginPath();
    pen.moveTo(inset, height - inset);
    pen.lineTo(inset + mm * this.scale, height - inset);
    pen.stroke();
    pen.lineWidth = 3 * this.ratio;
    pen.strokeStyle = "#000";
    pen.font = `${11 * this.ratio}px system-ui, sans-serif`;
    write(`${mm} mm`, inset, height - 2 * inset, "left", "bottom");
  }
}

// Sides of a cell that a contour joins, by which of its corners are inside: 1 top left, 2 top right, 4 bottom right, 8 bottom left.
const SEGMENTS = {
  1: [["left", "top"]],
  2: [["top", "right"]],
  3: [["left", "right"]],
  4: [["right", "bottom"]],
  5: [["left", "top"], ["right", "bottom"]],
  6: [["top", "bottom"]],
  7: [["left", "bottom"]],
  8: [["bottom", "left"]],
  9: [["top", "bottom"]],
  10: [["top", "right"], ["bottom", "left"]],
  11: [["right", "bottom"]],
  12: [["left", "right"]],
  13: [["top", "right"]],
  14: [["left", "top"]],
};

const views = Object.keys(VIEWS).map((name) => new View(name));
let isDue = false;

// Draws once before the next frame, however much changed.
function redraw() {
  if (isDue || !volume.image) return;
  isDue = true;
  requestAnimationFrame(drawAll);
}

function drawAll() {
  isDue = false;
  if (!volume.image) return;
  for (const view of views) view.draw();
  describe();
}

function describe() {
  const [x, y, z] = state.at;
  const name = page.structures.find((structure) => structure.value === labelAt(x, y, z));
  const hu = Math.round(huOf(codeAt(x, y, z)));
  const places = state.at.map((index, axis) => `${"xyz"[axis]} ${index + page.first[axis] + 1}`).join(", ");
  document.getElementById("readout").textContent = `${hu} HU, ${name ? name.name : "unlabelled"}; voxel ${places}`;
}

function goTo(at) {
  state.at = at.map((index, axis) => clampedIndex(axis, index));
  redraw();
}
