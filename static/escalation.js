// The editor of an escalation policy: its buttons change the page in place, without leaving the scroll or losing the focus.
// Without script they are plain buttons of the form, and the server draws the page anew.
"use strict";

const editor = document.querySelector("[data-editor]");

async function press(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  const answer = await fetch(form.action, { method: "POST", body });
  if (!answer.ok) return form.submit();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["steps", "preview-card"]) {
    const [old, now] = [document.getElementById(id), fresh.getElementById(id)];
    if (old && now) old.replaceWith(document.adoptNode(now));
  }
  const count = fresh.querySelector("[name=steps]");
  if (count) form.elements.steps.value = count.value;
  const unsaved = document.querySelector("[data-unsaved]");
  if (unsaved) unsaved.textContent = "Not saved yet";
  focusAgain(button.value);
}

// The same button where it is now, or the nearest thing that is left.
function focusAgain(value) {
  const [verb, place] = value.split(":");
  const by = { up: `up:${Number(place) - 1}`, down: `down:${Number(place) + 1}` }[verb] || value;
  const steps = document.getElementById("steps");
  const target = steps.querySelector(`button[value="${CSS.escape(by)}"]:not(:disabled)`)
    || steps.querySelector(verb === "step" ? "li:last-child select" : `[name="add_${place}"]`)
    || steps.querySelector("input:not([type=hidden])");
  if (target) target.focus();
}

if (editor) {
  editor.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || button.name !== "press") return;
    event.preventDefault();
    press(event.target, button).catch(() => event.target.submit());
  });
  // Choosing somebody adds them.
  editor.addEventListener("change", (event) => {
    const add = event.target.name && event.target.name.startsWith("add_") && event.target.value;
    if (add) event.target.parentElement.querySelector("button").click();
  });
}
