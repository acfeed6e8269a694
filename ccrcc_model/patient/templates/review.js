// The reader's review, as a file that `ccrcc look --reviews` reads.

let isUnsaved = false;
const form = document.getElementById("review");

function reviewOf() {
  const structures = {};
  for (const part of form.querySelectorAll("[data-structure]")) {
    const chosen = part.querySelector("input[type=radio]:checked");
    if (chosen) structures[part.dataset.structure] = { verdict: chosen.value, comment: part.querySelector("textarea").value };
  }
  return structures;
}

function exportReviews(reviews, name) {
  const content = { format: "ccrcc-review", version: 1, reviews };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

form.addEventListener("input", () => { isUnsaved = true; });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const structures = reviewOf();
  const said = document.getElementById("review-said");
  if (Object.keys(structures).length === 0) {
    said.textContent = "Mark at least one structure first.";
    return;
  }
  const about = { case: page.case, mask_sha256: page.mask_sha256, reader: document.getElementById("reader").value };
  exportReviews([{ ...about, created: new Date().toISOString(), structures }], `${page.case}.review.json`);
  isUnsaved = false;
  said.textContent = "Exported. Collect the files of all cases in one folder.";
});
addEventListener("beforeunload", (event) => { if (isUnsaved) event.preventDefault(); });
