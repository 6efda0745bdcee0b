// What pages gain from script: live updates, times that stay current, copying, keys, answers in place.
// Every page works without it; nothing here is the only way to do a thing.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const remember = (name, value) => {
  document.cookie = `${name}=${value};path=/;max-age=34560000;samesite=lax`;
};

// The zone, so that the server writes the viewer's times next time.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
if (document.body.dataset.zone && document.body.dataset.zone !== zone) remember("watchbell_zone", zone);

// Times. The words are those of src/web/pages/text.rs.
const short = (s) =>
  s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 86400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;

function span(s) {
  const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
  const join = (a, unit, b, smaller) => (b ? `${a} ${unit} ${b} ${smaller}` : `${a} ${unit}`);
  if (days) return join(days, days === 1 ? "day" : "days", hours, "h");
  if (hours) return join(hours, "h", minutes, "min");
  if (minutes) return join(minutes, "min", s % 60, "s");
  return `${s} s`;
}

function words(at, kind, now) {
  const past = Math.floor((now - at) / 1000);
  if (kind === "short") return short(Math.max(0, past));
  if (kind === "span") return span(Math.max(0, past));
  if (Math.abs(past) < 2) return "just now";
  if (Math.abs(past) >= 86400) return null;
  return past > 0 ? `${short(past)} ago` : `in ${short(-past)}`;
}

const wallTime = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", hourCycle: "h23" });
const fullTime = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

function tick() {
  const now = Date.now();
  for (const time of $$("time[data-rel]")) {
    const text = words(Date.parse(time.dateTime), time.dataset.rel, now);
    if (text !== null && text !== time.textContent) time.textContent = text;
  }
  for (const clock of $$("[data-clock]")) clock.textContent = wallTime.format(now);
}

document.addEventListener("pointerover", (event) => {
  const time = event.target.closest("time[datetime]");
  if (time && !time.dataset.titled) {
    time.title = `${fullTime.format(Date.parse(time.dateTime))} ${zone}`;
    time.dataset.titled = "1";
  }
});

// Copying: the button says that it worked for two seconds.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = $(`#${button.dataset.copy}`).textContent.trim();
  const label = $("[data-label]", button) || button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
  } catch {
    // Without a secure origin browsers refuse; the text is selected, so that a key does it.
    getSelection().selectAllChildren($(`#${button.dataset.copy}`));
    label.textContent = "Press Ctrl C";
  }
  setTimeout(() => (label.textContent = before), 2000);
});

// The theme, without loading the page anew.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || !button.hasAttribute("data-theme-button")) return;
  event.preventDefault();
  const order = ["auto", "dark", "light"];
  const now = button.value;
  document.documentElement.dataset.theme = now;
  remember("watchbell_theme", now);
  const next = order[(order.indexOf(now) + 1) % order.length];
  for (const each of $$("[data-theme-button]")) {
    each.value = next;
    each.title = `Theme: ${now}`;
    each.setAttribute("aria-label", `Theme is ${now}, switch to ${next}`);
  }
});

// Forms whose answer belongs beside their button: Send test, Run check now.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const inline = (event.submitter && event.submitter.dataset.inline) || form.dataset.inline;
  if (!inline) return;
  event.preventDefault();
  const button = event.submitter || $("button", form);
  const place = $(`#${inline}`);
  const label = $("[data-label]", button) || button;
  const before = label.textContent;
  button.disabled = true;
  label.textContent = button.dataset.busy || "Working…";
  try {
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(button.getAttribute("formaction") || form.action, { method: "POST", body, headers: { "x-part": "1" } });
    if (answer.redirected) return location.assign(answer.url);
    place.innerHTML = await answer.text();
  } catch {
    place.innerHTML = $("#no-answer") ? $("#no-answer").innerHTML : "The server did not answer. Try again.";
  } finally {
    button.disabled = false;
    label.textContent = before;
  }
  tick();
});

// The parts of a page that change are loaded anew and put in place.
let searching;
function swapResults(url) {
  if (searching) searching.abort();
  searching = new AbortController();
  return fetch(url, { signal: searching.signal })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
    .then((html) => {
      const fresh = new DOMParser().parseFromString(html, "text/html");
      for (const part of $$("[data-part]")) {
        const other = $(`[data-part="${part.dataset.part}"]`, fresh);
        if (other && !part.contains(document.activeElement)) part.replaceWith(document.adoptNode(other));
      }
      tick();
    })
    .catch(() => {});
}

// What a cron expression means, while one types it. Without script a button shows it.
const meaning = $("[data-meaning]");
if (meaning) {
  let wait, asked;
  const inputs = [...meaning.htmlFor].map((id) => document.getElementById(id));
  const ask = async () => {
    const query = new URLSearchParams(inputs.map((input) => [input.name, input.value]));
    if (asked) asked.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(`${meaning.dataset.meaning}?${query}`, { signal: asked.signal });
      if (answer.ok) meaning.innerHTML = await answer.text();
    } catch {
      // A newer question took its place, or the server is away: what was there stays.
    }
  };
  for (const input of inputs) {
    input.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(ask, 250);
    });
  }
  $("[data-preview]").hidden = true;
}

// Assertions of a monitor: a button adds a row, and each row has one that takes it away. Without script there are empty rows instead.
const assertions = $("#assertions");
if (assertions) {
  const add = $("[data-add-assertion]", assertions);
  const empty = $("[data-empty-assertion]", assertions).cloneNode(true);
  // A field that the choice has no use for goes away, and what was in it too, as it would be refused.
  const hide = (field, gone) => {
    field.classList.toggle("gone", gone);
    if (gone) field.value = "";
  };
  const fit = (row) => {
    const [source, op] = $$("select", row);
    const [path, value] = $$("input", row);
    hide(path, source.value !== "json" && source.value !== "header");
    hide(value, op.value === "exists" || op.value === "absent");
    path.placeholder = source.value === "header" ? "content-type" : "$.status";
    value.placeholder = source.value === "status" ? "200" : source.value === "response_ms" ? "500" : "ok";
    $("[data-remove-assertion]", row).hidden = false;
  };
  for (const row of $$("[data-empty-assertion]", assertions)) row.remove();
  $$(".assertion", assertions).forEach(fit);
  add.hidden = false;
  add.addEventListener("click", () => {
    const row = empty.cloneNode(true);
    const number = $$(".assertion", assertions).length + 1;
    for (const part of $$("[aria-label]", row)) part.setAttribute("aria-label", part.getAttribute("aria-label").replace(/\d+/, number));
    fit(row);
    add.parentElement.before(row);
    $("input", row).focus();
  });
  assertions.addEventListener("change", (event) => event.target.matches("select") && fit(event.target.closest(".assertion")));
  assertions.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove-assertion]");
    if (!button) return;
    button.closest(".assertion").remove();
    add.focus();
  });
}

// Live. One stream; it ends with the tab being hidden and begins again when it is seen.
const rows = $("[data-rows]");
const hasProbes = $("[data-probes]") !== null;
const watched = $("[data-monitor]") ? $("[data-monitor]").dataset.monitor : null;
let stream, lastSeen = Date.now(), refreshing;

function state(className, text, withReload) {
  for (const place of $$("[data-live-state]")) {
    const words = place.lastElementChild;
    if (place.className === `live ${className}` && words.firstChild && words.firstChild.textContent === text) continue;
    place.className = `live ${className}`;
    words.textContent = text;
    if (!withReload) continue;
    const reload = document.createElement("a");
    reload.href = location.href;
    reload.textContent = " Reload";
    words.append(reload);
  }
}

// How old what is shown may be. The stream beats every 15 s: one that is silent for much longer is dead, whatever it says. Where
// streams are blocked, the page asks now and then.
const DEAD_MS = 40_000, POLL_MS = 30_000;
let polled = Date.now();
function liveState() {
  if (!stream || document.hidden) return;
  const age = Date.now() - lastSeen;
  if (stream.readyState === EventSource.OPEN && age < DEAD_MS) return;
  const since = wallTime.format(lastSeen);
  if (age > 60_000) state("off", `Offline, showing ${since}.`, true);
  else state("off", age > 10_000 ? `Reconnecting, data from ${since}` : "Reconnecting");
  if (Date.now() - polled < POLL_MS) return;
  polled = Date.now();
  if ($("[data-part]")) refresh();
  if (stream.readyState !== EventSource.CONNECTING) {
    stream.close();
    open();
  }
}
setInterval(liveState, 1000);

// Loads the page's changing parts anew, at most once a second.
function refresh() {
  if (refreshing) return;
  refreshing = setTimeout(() => {
    refreshing = null;
    // A page may do it its own way.
    const goesOn = document.dispatchEvent(new CustomEvent("watchbell:refresh", { cancelable: true }));
    if (goesOn) swapResults(location.href);
  }, 300);
}

function applyCounts(counts) {
  const before = $("[data-count=all]") ? $("[data-count=all]").textContent.replaceAll(",", "") : null;
  const opened = $("[data-count=open]") ? $("[data-count=open]").textContent.replaceAll(",", "") : null;
  for (const place of $$("[data-count]")) {
    const n = counts[place.dataset.count];
    if (n === undefined) continue;
    place.textContent = n.toLocaleString("en");
    if (place.dataset.count === "open") place.hidden = n === 0;
  }
  document.title = document.title.replace(/^\(\d+ down\) /, "");
  if (counts.down) document.title = `(${counts.down} down) ${document.title}`;
  const icon = $("link[rel=icon]");
  icon.dataset.well = icon.dataset.well || icon.getAttribute("href");
  icon.href = counts.down ? icon.dataset.down : icon.dataset.well;
  // Something came or went: the rows themselves, or the box above them, are no longer right.
  const gone = (before !== null && Number(before) !== counts.all) || Number(opened) !== counts.open;
  if (gone && $("[data-part]")) refresh();
  if (gone && $("[data-empty]")) location.reload();
}

function open() {
  stream = new EventSource(rows ? "/events?rows=1" : hasProbes ? "/events?probes=1" : "/events");
  stream.onopen = () => {
    lastSeen = Date.now();
    state("on", "Live");
    // What changed between the page and its stream, such as a new monitor's first check.
    if (watched || hasProbes) refresh();
  };
  stream.onerror = () => {
    liveState();
    // A closed stream is one that the server refused: it is signed out, or the server stops. Try again slowly.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => !document.hidden && open(), 5000);
  };
  const on = (name, act) => stream.addEventListener(name, (event) => { lastSeen = Date.now(); act(event.data); });
  on("beat", () => {});
  on("row", (html) => document.dispatchEvent(new CustomEvent("watchbell:row", { detail: html })));
  on("counts", (data) => applyCounts(JSON.parse(data)));
  on("lost", refresh);
  on("probes", refresh);
  on("changed", (id) => { if (id === watched || $("[data-any-change]")) refresh(); });
}

if ($("[data-live-state]") && window.EventSource) {
  open();
  document.addEventListener("visibilitychange", () => {
    stream.close();
    if (document.hidden) return state("", "Paused");
    open();
    if ($("[data-part]")) refresh();
  });
}

// Passwords: a button to look at what was typed, and a hint that Caps Lock is on.
for (const button of $$("[data-reveal]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const field = $(`#${button.dataset.reveal}`);
    field.type = field.type === "password" ? "text" : "password";
    button.setAttribute("aria-pressed", String(field.type === "text"));
  });
}
document.addEventListener("keyup", (event) => {
  const hint = $("[data-caps]");
  if (hint && event.getModifierState) hint.hidden = !(event.target.type === "password" && event.getModifierState("CapsLock"));
});

// Copy buttons do nothing without script, so that they are shown by it.
for (const button of $$("[data-copy]")) button.hidden = false;

tick();
setInterval(tick, 1000);

// The list as it was filtered last is where the navigation leads back to.
try {
  const back = sessionStorage.getItem("watchbell_list");
  if (back && location.pathname !== "/monitors") for (const link of $$(".nav a[href='/monitors']")) link.href += back;
} catch {
  // Storage may be off; then one comes back to the whole list.
}
