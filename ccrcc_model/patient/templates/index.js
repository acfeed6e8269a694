"use strict";
// Sorts, filters and marks the cases; exports the marks as `ccrcc look --reviews` reads them.

const cases = JSON.parse(document.getElementById("index-data").textContent);
const byId = (id) => document.getElementById(id);
const rows = [...document.querySelectorAll("#cases tbody tr")];
const made = new Set();

// Thumbnails are decoded when they come near the part that is seen.
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    const row = entry.target.closest("tr");
    entry.target.src = `data:image/jpeg;base64,${cases[row.dataset.row].thumbnail}`;
    watcher.unobserve(entry.target);
  }
}, { rootMargin: "300px" });
for (const row of rows) watcher.observe(row.querySelector("img"));

function isShown(row) {
  const { codes, state, patient, centre } = row.dataset;
  const words = `${row.dataset.case} ${patient} ${centre} ${codes}`.toLowerCase();
  if (!words.includes(byId("search").value.trim().toLowerCase())) return false;
  const flag = byId("flag").value;
  const flagged = codes.split(" ").filter(Boolean);
  if (flag === "any" ? !flagged.length : flag === "none" ? flagged.length : flag && !flagged.includes(flag)) return false;
  const wanted = byId("state").value;
  return !wanted || (wanted === "open" ? !state : state === wanted);
}

function filter() {
  let shown = 0;
  for (const row of rows) {
    row.hidden = !isShown(row);
    if (!row.hidden) shown += 1;
  }
  byId("shown").textContent = `${shown} of ${rows.length} cases are shown.`;
}

function sort(head) {
  const key = head.dataset.sort;
  const isUp = head.getAttribute("aria-sort") !== "ascending";
  for (const other of document.querySelectorAll("[data-sort]")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
  const isNumber = !["case", "centre", "state"].includes(key);
  const order = new Intl.Collator("en", { numeric: true }).compare;
  const compare = (a, b) => (isNumber ? a.dataset[key] - b.dataset[key] : order(a.dataset[key], b.dataset[key]));
  rows.sort((a, b) => (isUp ? compare(a, b) : compare(b, a)));
  document.querySelector("#cases tbody").append(...rows);
}

function showState(row) {
  for (const button of row.querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-pressed", button.dataset.verdict === row.dataset.state);
  }
}

for (const head of document.querySelectorAll("[data-sort]")) {
  head.querySelector("button").addEventListener("click", () => sort(head));
}
for (const row of rows) {
  showState(row);
  for (const button of row.querySelectorAll("[data-verdict]")) {
    button.addEventListener("click", () => {
      row.dataset.state = row.dataset.state === button.dataset.verdict ? "" : button.dataset.verdict;
      if (row.dataset.state) made.add(row);
      else made.delete(row);
      showState(row);
      byId("said").textContent = `${made.size} marked`;
    });
  }
}
byId("search").addEventListener("input", filter);
for (const id of ["flag", "state"]) byId(id).addEventListener("change", filter);

function reviewOf(row) {
  const { mask_sha256, structures } = cases[row.dataset.row];
  const verdict = { verdict: row.dataset.state, comment: row.querySelector(".mark input").value };
  const marked = Object.fromEntries(structures.map((name) => [name, verdict]));
  const about = { case: row.dataset.case, mask_sha256, reader: byId("reader").value, created: new Date().toISOString() };
  return { ...about, structures: marked };
}

byId("bench").addEventListener("submit", (event) => {
  event.preventDefault();
  const reviews = [...made].map(reviewOf);
  if (!reviews.length) {
    byId("said").textContent = "Mark at least one case first.";
    return;
  }
  const link = document.createElement("a");
  const content = JSON.stringify({ format: "ccrcc-review", version: 1, reviews }, null, 2);
  link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  link.download = "marks.review.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  made.clear();
  byId("said").textContent = `${reviews.length} exported`;
});
addEventListener("beforeunload", (event) => { if (made.size) event.preventDefault(); });
filter();
