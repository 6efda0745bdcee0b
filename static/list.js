// The monitor list: search while one types, folding, selection, what is done with several, and rows that change by themselves.
// Every bit of it is a plain link or form too, for people without script.
"use strict";

(() => {
  const form = $("#bulk");
  if (!form) return;
  const tools = $("form[data-auto]");
  const result = $("#list-result");
  const row = (element) => element && element.closest("tr[id]");
  const rows = () => $$("tr[id]", form);
  const boxes = () => $$("input[name=id]", form);
  const link = (tr) => $("th a", tr);
  const idOf = (tr) => tr.id.slice(2);

  // The address of the list is where the navigation leads back to.
  const noteAddress = () => {
    try {
      sessionStorage.setItem("watchbell_list", location.search);
    } catch {
      // Storage may be off; then one comes back to the whole list.
    }
  };
  noteAddress();

  // -- putting another state of the list in place ------------------------------------------------

  // What had the focus, so that it has it again after the parts were replaced.
  function focused() {
    const active = document.activeElement;
    const tr = row(active);
    if (tr) return `#${tr.id} ${active.matches("input") ? "input" : active.matches("[data-menu]") ? "[data-menu]" : "th a"}`;
    const part = active.closest("[data-part]");
    if (!part) return null;
    const index = $$("a, button", part).indexOf(active);
    return () => $$("a, button", $(`[data-part="${part.dataset.part}"]`))[index];
  }

  function put(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    if (!$("[data-part=rows]", fresh)) return location.reload();
    const selected = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
    const focus = focused();
    for (const part of $$("[data-part]")) {
      const other = $(`[data-part="${part.dataset.part}"]`, fresh);
      // The offer to undo outlives the changes that it brought about: its own time ends it.
      const keepsUndo = $("[data-undo]", part) && other && !$("[data-undo]", other);
      if (other && !keepsUndo) part.replaceWith(document.adoptNode(other));
    }
    const query = $("[data-query]", fresh);
    if (query) $("[data-query]").value = query.value;
    for (const box of boxes()) box.checked = selected.has(box.value);
    const again = typeof focus === "string" ? $(focus) : focus && focus();
    if (again) again.focus({ preventScroll: true });
    ready();
    tick();
  }

  // What nobody asked for here is polite: it moves no row under somebody who came to the list meanwhile, and the next change tries it again.
  let asking;
  async function load(url, isPolite) {
    if (asking) asking.abort();
    const mine = (asking = new AbortController());
    try {
      const answer = await fetch(url, { signal: mine.signal });
      if (answer.redirected) return location.assign(url);
      if (!answer.ok) throw new Error(answer.status);
      lastSeen = Date.now();
      const html = await answer.text();
      if (isPolite && isBusy()) putAround(html);
      else put(html);
    } catch (error) {
      if (error.name !== "AbortError" && !isPolite) say("The list could not be loaded.", url);
    }
  }

  function go(url, replaces) {
    history[replaces ? "replaceState" : "pushState"](null, "", url);
    noteAddress();
    return load(url);
  }

  function say(words, url) {
    result.textContent = words;
    if (!url) return;
    const again = document.createElement("a");
    again.href = url;
    again.textContent = " Try again";
    result.append(again);
  }

  addEventListener("popstate", () => location.pathname === "/monitors" && load(location.href));

  // -- search and filters --------------------------------------------------------------------------

  let wait;
  const search = () => {
    clearTimeout(wait);
    const query = new URLSearchParams([...new FormData(tools)].filter(([, value]) => value.trim()));
    go(`/monitors${query.size ? "?" : ""}${query}`, true);
  };
  tools.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(search, 150);
  });
  tools.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });

  // What a link of the list leads to is fetched and put in place; a click with a modifier stays the browser's.
  document.addEventListener("click", (event) => {
    const to = event.target.closest(".chip, .filter, .views a, [data-clear], [data-toggle], [data-more], .c-name > a[title], .c-last > a[title]");
    if (!to || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const query = new URL(to.href).searchParams;
    if (!to.matches("[data-toggle], [data-more]")) {
      for (const field of $$("[name=q], [name=tag], [name=type], [name=region]", tools)) field.value = query.get(field.name) || "";
      hidden("status", query.get("status"));
      hidden("sort", query.get("sort"));
    }
    go(to.href);
  });

  function hidden(name, value) {
    const old = $(`input[type=hidden][name=${name}]`, tools);
    if (old) old.remove();
    if (!value) return;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    tools.append(field);
  }

  // Links that are buttons answer to the space bar too.
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || !event.target.matches("a[role=button]")) return;
    event.preventDefault();
    event.target.click();
  });

  // -- selection -----------------------------------------------------------------------------------

  let last;
  const all = $("[name=all]", form);
  function count() {
    const n = boxes().filter((box) => box.checked).length;
    const label = $("[data-selected]", form);
    if (label) label.textContent = all.checked ? "All selected" : `${n} selected`;
    const every = $("[data-every]", form);
    if (!every) return;
    every.checked = n > 0 && n === boxes().length;
    every.indeterminate = n > 0 && !every.checked;
  }

  function select(box, checked, isRange) {
    const list = boxes();
    const [from, to] = [list.indexOf(isRange && last ? last : box), list.indexOf(box)];
    const [low, high] = from < 0 ? [to, to] : [Math.min(from, to), Math.max(from, to)];
    for (const each of list.slice(low, high + 1)) each.checked = checked;
    last = box;
    count();
  }

  form.addEventListener("click", (event) => {
    const box = event.target.closest("input[name=id]");
    if (box) select(box, box.checked, event.shiftKey);
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-every]")) for (const box of boxes()) box.checked = event.target.checked;
    count();
  });

  function clear() {
    const had = boxes().some((box) => box.checked);
    for (const box of [...boxes(), all]) if (box) box.checked = false;
    count();
    return had;
  }

  // -- what is done with one or several ------------------------------------------------------------

  async function act(body) {
    result.textContent = "";
    try {
      const answer = await fetch("/monitors/bulk", { method: "POST", body });
      const html = await answer.text();
      if (!answer.ok) {
        const page = new DOMParser().parseFromString(html, "text/html");
        return say($("main .lead", page) ? $("main .lead", page).textContent : "That was refused.");
      }
      clear();
      put(html);
    } catch {
      say("The server did not answer. Try again.");
    }
  }

  form.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter.value === "delete") return;
    event.preventDefault();
    for (const open of $$("details.pop[open]", form)) open.open = false;
    act(new URLSearchParams(new FormData(form, event.submitter)));
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-undo]")) return;
    event.preventDefault();
    act(new URLSearchParams(new FormData(event.target, event.submitter)));
    event.target.remove();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-undo] [data-close]")) return;
    event.preventDefault();
    event.target.closest("[data-undo]").remove();
  });
  // In the bar's fields, Enter is what the button beside them does.
  form.addEventListener("keydown", (event) => {
    const field = event.target.closest("details.pop input");
    if (event.key !== "Enter" || !field) return;
    event.preventDefault();
    form.requestSubmit($("button", field.parentElement));
  });

  const one = (tr, action) => act(new URLSearchParams({ action, id: idOf(tr), query: $("[data-query]").value }));
  const isPaused = (tr) => tr.dataset.state === "paused";
  const isHeartbeat = (tr) => Boolean($(".hb", tr));

  async function check(tr) {
    result.textContent = `Checking ${link(tr).textContent}…`;
    try {
      const answer = await fetch(`/monitors/${idOf(tr)}/check`, { method: "POST", headers: { "x-part": "1" } });
      result.innerHTML = await answer.text();
    } catch {
      say("The server did not answer. Try again.");
    }
  }

  // -- the menu of a row ---------------------------------------------------------------------------

  const menu = document.createElement("div");
  menu.className = "row-menu";
  menu.setAttribute("role", "menu");
  menu.hidden = true;
  document.body.append(menu);
  let opener;

  function item(words, act) {
    const element = document.createElement(typeof act === "string" ? "a" : "button");
    element.setAttribute("role", "menuitem");
    element.tabIndex = -1;
    element.textContent = words;
    if (typeof act === "string") element.href = act;
    else {
      element.type = "button";
      element.addEventListener("click", () => {
        close(true);
        act();
      });
    }
    return element;
  }

  function close(refocus) {
    if (menu.hidden) return;
    menu.hidden = true;
    opener.removeAttribute("aria-expanded");
    if (refocus && opener.isConnected) opener.focus();
  }

  function openMenu(button) {
    const tr = row(button);
    const at = `/monitors/${idOf(tr)}`;
    opener = button;
    const items = [item("Open", at)];
    if ($("[data-bulk]")) {
      items.push(item(isHeartbeat(tr) ? "Send test ping" : "Run check now", () => check(tr)));
      items.push(item("Edit", `${at}/edit`));
      items.push(item(isPaused(tr) ? "Resume" : "Pause", () => one(tr, isPaused(tr) ? "resume" : "pause")));
      items.push(item("Delete…", `${at}/delete`));
    }
    menu.replaceChildren(...items);
    menu.setAttribute("aria-label", button.getAttribute("aria-label"));
    menu.hidden = false;
    button.setAttribute("aria-expanded", "true");
    const box = button.getBoundingClientRect();
    const below = box.bottom + menu.offsetHeight + 8 < innerHeight;
    menu.style.top = `${below ? box.bottom + 4 : box.top - menu.offsetHeight - 4}px`;
    menu.style.left = `${Math.max(8, box.right - menu.offsetWidth)}px`;
    items[0].focus();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-menu]");
    if (!button || event.ctrlKey || event.metaKey) return close(false);
    event.preventDefault();
    if (!menu.hidden && opener === button) return close(true);
    close(false);
    openMenu(button);
  });
  menu.addEventListener("keydown", (event) => {
    const items = [...menu.children];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    event.stopPropagation();
    if (event.key === "Escape" || event.key === "Tab") close(true);
    if (to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  });
  addEventListener("scroll", () => close(false), { passive: true });

  // -- keys ----------------------------------------------------------------------------------------

  const current = () => row(document.activeElement);
  // The help gives the focus back to where it was, unless that row was replaced meanwhile.
  let lastRow = "";
  form.addEventListener("focusin", (event) => row(event.target) && (lastRow = row(event.target).id));
  const help = $("#keys-help");
  if (help) help.addEventListener("close", () => {
    // The browser takes the focus out of a closed dialog only when it draws next.
    const isLost = document.activeElement === document.body || help.contains(document.activeElement);
    const tr = isLost && lastRow && document.getElementById(lastRow);
    if (tr) link(tr).focus();
  });
  function move(step) {
    const list = rows();
    if (!list.length) return;
    const at = list.indexOf(current());
    const to = at < 0 ? (step > 0 ? 0 : list.length - 1) : Math.min(list.length - 1, Math.max(0, at + step));
    link(list[to]).focus();
    list[to].scrollIntoView({ block: "nearest" });
  }

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    x: (tr, event) => tr && select($("input", tr), event.shiftKey || !$("input", tr).checked, event.shiftKey),
    e: (tr) => tr && location.assign(`/monitors/${idOf(tr)}/edit`),
    r: (tr) => tr && check(tr),
    p: (tr) => tr && one(tr, isPaused(tr) ? "resume" : "pause"),
    a: (tr) => {
      const own = tr && $(`[data-for="${idOf(tr)}"] button`);
      return own ? own.click() : undefined;
    },
    z: () => $("[data-undo] button") && $("[data-undo] button").click(),
    Escape: () => {
      const bar = $("[data-undo]");
      if (!clear() && bar) bar.remove();
    },
  };
  // Before the keys of every page: here they mean the row that has the focus.
  onKey((event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!keys[key] || (!$("[data-bulk]") && "xpr".includes(key))) return false;
    const tr = current();
    if ("xerpa".includes(key) && !tr) return false;
    if (key === "a" && !$(`[data-for="${idOf(tr)}"] button`)) return false;
    event.preventDefault();
    keys[key](tr, event);
    return true;
  });

  // -- rows that change by themselves --------------------------------------------------------------

  const moved = $("[data-moved]");
  const displaced = new Set();
  let hovered = false, isOpenOld = false, sorting;
  form.addEventListener("pointerenter", () => (hovered = true));
  form.addEventListener("pointerleave", () => {
    hovered = false;
    if (isOpenOld) load(location.href, true);
  });
  const isBusy = () => hovered || form.contains(document.activeElement) || boxes().some((box) => box.checked);

  // A row never moves under the pointer or the focus: that is offered. Else the list is put in order after a moment.
  function displace(id) {
    displaced.add(id);
    if (isBusy()) return offer();
    if (!sorting) sorting = setTimeout(() => {
      sorting = null;
      load(location.href, true);
    }, 1000);
  }
  function offer() {
    const n = displaced.size;
    moved.firstElementChild.textContent = n === 1 ? "1 row changed place." : `${n} rows changed place.`;
    moved.hidden = n === 0;
  }
  $("button", moved).addEventListener("click", () => load(location.href));

  // What is known to need attention, whether its row shows or not.
  let troubled = new Set();
  function ready() {
    displaced.clear();
    isOpenOld = false;
    offer();
    troubled = new Set($$("tr.problem", form).map((tr) => tr.id));
    const every = $("[data-every]", form);
    if (every) every.hidden = !$("[data-bulk]");
    for (const box of boxes()) box.hidden = !$("[data-bulk]");
    count();
    const bar = $("[data-undo]");
    if (!bar || bar.dataset.timed) return;
    bar.dataset.timed = "1";
    const url = new URL(location.href);
    url.searchParams.delete("undo");
    history.replaceState(null, "", url);
    setTimeout(() => bar.remove(), 10_000);
  }
  ready();

  document.addEventListener("watchbell:row", ({ detail }) => {
    const template = document.createElement("template");
    template.innerHTML = detail;
    const fresh = template.content.firstElementChild;
    if (!fresh) return;
    const isTroubled = fresh.classList.contains("problem");
    const changesPlace = isTroubled !== troubled.has(fresh.id);
    if (isTroubled) troubled.add(fresh.id);
    else troubled.delete(fresh.id);
    const old = document.getElementById(fresh.id);
    if (old) patch(old, fresh);
    if (changesPlace && (old || isTroubled)) displace(fresh.id);
  });

  function patch(old, fresh) {
    const box = $("input[name=id]", old);
    const focus = old.contains(document.activeElement) ? focused() : null;
    const changed = old.dataset.state !== fresh.dataset.state;
    $("input[name=id]", fresh).checked = box.checked;
    $("input[name=id]", fresh).hidden = box.hidden;
    const isMenu = !menu.hidden && row(opener) === old;
    // The stream knows nothing of the search, whose matches are marked, nor of the group, whose tag is left out.
    const tags = (tr) => $$(".tag", tr).map((tag) => tag.textContent);
    const known = tags(fresh);
    if (tags(old).every((tag) => known.includes(tag))) $(".c-tags", fresh).replaceWith($(".c-tags", old));
    for (const place of ["th a", ".note"]) {
      const [was, is] = [$(place, old), $(place, fresh)];
      if (was.textContent === is.textContent) is.innerHTML = was.innerHTML;
    }
    old.replaceWith(fresh);
    if (isMenu) opener = $("[data-menu]", fresh);
    if (focus) $(focus).focus({ preventScroll: true });
    if (changed) {
      fresh.classList.add("flash");
      announce(link(fresh).textContent, fresh.dataset.state);
    }
    tick();
  }

  // Says only what went down or recovered, at most every five seconds, and then all of it.
  const heard = { down: [], up: [] };
  let announcing;
  function announce(name, state) {
    if (!heard[state]) return;
    heard[state].push(name);
    if (!announcing) announcing = setTimeout(tell, announcing === undefined ? 0 : 5000);
  }
  function tell() {
    const several = (names, one, many) => {
      if (!names.length) return "";
      const rest = names.length - 1;
      return rest ? `${names[0]} and ${rest} more ${many}. ` : `${names[0]} ${one}. `;
    };
    const words = several(heard.down.splice(0), "is down", "are down") + several(heard.up.splice(0), "is up again", "are up again");
    $("[data-announce]").textContent = words;
    announcing = setTimeout(() => {
      announcing = null;
      if (heard.down.length + heard.up.length) tell();
    }, 5000);
  }

  // What came or went, or a stream that lost something: the list is loaded anew, or what is around it, if somebody is at it.
  document.addEventListener("watchbell:refresh", (event) => {
    event.preventDefault();
    load(location.href, true);
  });
  // The open incidents stand above the rows: while the pointer is on a row, one more of them would push it away.
  function putAround(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const name of hovered ? ["chips"] : ["open", "chips"]) {
      const [part, other] = [$(`[data-part=${name}]`), $(`[data-part=${name}]`, fresh)];
      if (part && other && !part.contains(document.activeElement)) part.replaceWith(document.adoptNode(other));
    }
    isOpenOld = hovered;
    for (const tr of $$("tr.problem", fresh)) if (!troubled.has(tr.id)) displaced.add(tr.id);
    offer();
    tick();
  }
})();
