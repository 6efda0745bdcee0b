// The form of a maintenance window: what it means is shown while it is filled in. Without script a button shows it.
"use strict";

const windowForm = document.querySelector("[data-preview-to]");
if (windowForm) {
  const place = windowForm.querySelector("#window-preview");
  const button = windowForm.querySelector("[data-says-when]");
  const ticked = windowForm.querySelector(".folds .val");
  let wait, asked;
  const ask = async () => {
    if (asked) asked.abort();
    asked = new AbortController();
    const body = new URLSearchParams(new FormData(windowForm));
    try {
      const answer = await fetch(windowForm.dataset.previewTo, { method: "POST", body, headers: { "x-part": "1" }, signal: asked.signal });
      if (!answer.ok) return;
      place.innerHTML = await answer.text();
      button.textContent = place.querySelector("[data-button]").textContent;
    } catch {
      // A newer question took its place, or the server is away: what was there stays.
    }
  };
  windowForm.addEventListener("input", () => {
    ticked.textContent = `${windowForm.querySelectorAll("[name=monitor_ids]:checked").length} chosen`;
    clearTimeout(wait);
    wait = setTimeout(ask, 250);
  });
  windowForm.querySelector("[data-show-preview]").hidden = true;
}
