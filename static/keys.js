// Keys of every page, the help that lists them, and the jump to a monitor.
"use strict";

// A page may take keys before the ones here: a handler that gives true has used it up.
const keyHandlers = [];
const onKey = (handler) => keyHandlers.push(handler);

(() => {
  // Somebody may have turned them off on the page of their account.
  const areOff = document.body.dataset.keys === "off";
  const help = $("#keys-help");
  const places = { m: "/monitors", i: "/incidents", c: "/channels" };
  let prefix = "";

  const press = (event, selector) => {
    const target = $(selector);
    if (!target) return;
    event.preventDefault();
    if (target.matches("input")) target.focus();
    else target.click();
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    const field = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      const jump = $(".jump input");
      if (!jump || !jump.offsetParent) return press(event, "#q");
      event.preventDefault();
      return jump.select();
    }
    if (field && event.key === "Escape" && field.type === "search") field.blur();
    if (field && event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.form) field.form.requestSubmit();
    if (field || event.ctrlKey || event.metaKey || event.altKey || event.repeat && !"jk".includes(event.key)) return;
    if (help && help.open) return;
    if (event.key === "?" && help) {
      event.preventDefault();
      return help.showModal();
    }
    if (areOff) return;
    if (prefix === "g" && places[event.key]) return location.assign(places[event.key]);
    prefix = event.key === "g" ? "g" : "";
    if (keyHandlers.some((handler) => handler(event))) return;
    if (event.key === "/") press(event, $("#q") ? "#q" : ".jump input");
    if (event.key === "n") press(event, "a[href='/monitors/new']");
    if ("erpa".includes(event.key)) press(event, `[data-key=${event.key}]`);
    if (event.key === "[") press(event, "[rel=prev]");
    if (event.key === "]") press(event, "[rel=next]");
  });

  // Jump: what fits is listed while one types; arrows choose, Enter goes there.
  const jump = $(".jump");
  if (!jump) return;
  const input = $("input", jump);
  const list = document.createElement("div");
  Object.assign(list, { id: "jump-list", className: "jump-list", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Monitors");
  jump.append(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-controls": "jump-list", "aria-expanded": "false", "aria-autocomplete": "list" })) input.setAttribute(name, value);
  // `listed` is what was typed when the list was made.
  let wait, asked, listed = "";

  const chosen = () => $("[aria-selected=true]", list);
  function show(isShown) {
    list.hidden = !isShown;
    input.setAttribute("aria-expanded", String(isShown));
    if (!isShown) input.removeAttribute("aria-activedescendant");
  }
  function choose(option) {
    if (chosen()) chosen().setAttribute("aria-selected", "false");
    if (!option) return;
    option.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", option.id);
  }
  async function ask() {
    if (asked) asked.abort();
    if (!input.value.trim()) return show(false);
    asked = new AbortController();
    const typed = input.value;
    try {
      const answer = await fetch(`/monitors/jump?q=${encodeURIComponent(typed)}`, { signal: asked.signal });
      if (!answer.ok) return show(false);
      list.innerHTML = await answer.text();
      listed = typed;
      show(list.childElementCount > 0);
      choose($("[role=option]", list));
    } catch {
      // A newer question took its place, or the server is away: what was there stays.
    }
  }
  input.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(ask, 150);
  });
  input.addEventListener("keydown", (event) => {
    const options = $$("[role=option]", list);
    const at = options.indexOf(chosen());
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(false);
    if (step && options.length) {
      event.preventDefault();
      show(true);
      choose(options[(at + step + options.length) % options.length]);
    }
    if (event.key === "Enter" && !list.hidden && at >= 0) {
      event.preventDefault();
      if (listed === input.value) return options[at].click();
      // Who types faster than the list follows means what was typed.
      clearTimeout(wait);
      ask().then(() => listed === input.value && chosen() && chosen().click());
    }
  });
  input.addEventListener("blur", () => setTimeout(() => show(false), 150));
})();
