// The editor of an escalation policy: its buttons change the page in place, without leaving the scroll or losing the focus, and
// what would follow is drawn anew as people type. Without script they are plain buttons of the form, and the server draws the page.
"use strict";

const editor = document.querySelector("[data-editor]");
const policy = document.getElementById("policy");
// What the server says of the policy as it stands, beside the steps themselves.
const SAID = ["preview-card", "near", "words", "deaf", "unsaved"];

// Asks the server what the page is like once `value` is pressed, and takes over the parts that are named.
async function ask(value, parts) {
  const body = new URLSearchParams(new FormData(policy));
  body.append("press", value);
  const answer = await fetch(policy.action, { method: "POST", body });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of parts) {
    const [old, now] = [document.getElementById(id), fresh.getElementById(id)];
    if (old && now) old.replaceWith(document.adoptNode(now));
  }
  for (const name of ["steps", "when"]) policy.elements[name].value = fresh.querySelector(`input[name=${name}]`).value;
}

async function press(value) {
  await ask(value, value.startsWith("when:") ? SAID : ["steps", ...SAID]);
  makeDraggable();
  focusAgain(value);
}

// When the server cannot be asked, the browser's own way says why.
function pressWithout(value) {
  const input = document.createElement("input");
  Object.assign(input, { type: "hidden", name: "press", value });
  policy.append(input);
  policy.submit();
}

// One after the other: each is asked with what the one before it left.
let queue = Promise.resolve();

function run(value) {
  queue = queue.then(() => press(value)).catch(() => pressWithout(value));
}

// The same control where it is now, or the nearest thing that is left.
function focusAgain(value) {
  const [verb, place, channel, to] = value.split(":");
  const steps = document.getElementById("steps");
  if (verb === "when") return editor.querySelector(`button[value="${CSS.escape(value)}"]`)?.focus();
  if (["raise", "lower", "put"].includes(verb)) return focusMoved(Number(to ?? place), channel, verb);
  const by = { up: `up:${Number(place) - 1}`, down: `down:${Number(place) + 1}` }[verb] || value;
  const target = steps.querySelector(`button[value="${CSS.escape(by)}"]:not(:disabled)`)
    || steps.querySelector(verb === "step" ? "li:last-child .title" : `[data-step="${place}"] .add summary`)
    || steps.querySelector("input:not([type=hidden])");
  target?.focus();
}

// The handle of a channel that was moved; where it is now is said, too.
function focusMoved(place, channel, verb) {
  const near = { raise: [place, place - 1], lower: [place, place + 1], put: [place] }[verb];
  const item = near.map((n) => document.querySelector(`[data-places="${n}"] > [data-channel="${channel}"]`)).find(Boolean);
  if (!item) return;
  item.querySelector(".grip").focus();
  const all = [...item.parentElement.querySelectorAll("[data-channel]")];
  const step = Number(item.parentElement.dataset.places) + 1;
  document.getElementById("said").textContent =
    `${item.querySelector("b").textContent}: step ${step}, place ${all.indexOf(item) + 1} of ${all.length}`;
}

// -- dragging a channel to another place; the handle's menu and its arrow keys do the same ------------

let dragged;

function makeDraggable() {
  for (const item of document.querySelectorAll("[data-channel]")) item.draggable = Boolean(item.querySelector(".grip"));
}

function unmark() {
  for (const item of document.querySelectorAll(".drop-before, .drop-after")) item.classList.remove("drop-before", "drop-after");
}

// Where it would land: a step, a place in it, and the row that shows it.
function landing(event) {
  const list = event.target.closest?.("[data-step]")?.querySelector("[data-places]");
  if (!list) return null;
  const items = [...list.querySelectorAll("[data-channel]:not(.dragged)")];
  const after = items.find((item) => {
    const box = item.getBoundingClientRect();
    return event.clientY < box.top + box.height / 2;
  });
  return { place: list.dataset.places, at: after ? items.indexOf(after) : items.length, before: after, last: items.at(-1) };
}

function listenToDragging() {
  editor.addEventListener("dragstart", (event) => {
    const item = event.target.closest?.("[data-channel]");
    if (!item) return;
    dragged = item;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", item.querySelector("b").textContent);
    item.classList.add("dragged");
  });
  editor.addEventListener("dragover", (event) => {
    const there = dragged && landing(event);
    if (!there) return;
    event.preventDefault();
    unmark();
    (there.before || there.last)?.classList.add(there.before ? "drop-before" : "drop-after");
  });
  editor.addEventListener("drop", (event) => {
    const there = dragged && landing(event);
    if (!there) return;
    event.preventDefault();
    run(`put:${dragged.parentElement.dataset.places}:${dragged.dataset.channel}:${there.place}:${there.at}`);
  });
  editor.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    dragged = undefined;
    unmark();
  });
}

// -- menus: one at a time, closed by Esc and by a press elsewhere -------------------------------------

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.pop[open]")) if (menu !== except) menu.open = false;
}

function listenToMenus() {
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details.pop")));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest("details.pop[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  editor.addEventListener("keydown", (event) => {
    const verb = { ArrowUp: "raise", ArrowDown: "lower" }[event.key];
    const item = verb && event.target.matches(".grip") && event.target.closest("[data-channel]");
    if (!item) return;
    event.preventDefault();
    run(`${verb}:${item.parentElement.dataset.places}:${item.dataset.channel}`);
  });
}

if (editor && policy) {
  listenToMenus();
  listenToDragging();
  makeDraggable();
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.target !== policy || !button || button.name !== "press") return;
    event.preventDefault();
    run(button.value);
  });
  let typed;
  policy.addEventListener("input", () => {
    clearTimeout(typed);
    // What is typed is kept whatever comes of this; the next key asks again.
    typed = setTimeout(() => { queue = queue.then(() => ask("look", SAID)).catch(() => {}); }, 250);
  });
}
