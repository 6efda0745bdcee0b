// The monitor's form while one fills it in: a live test when the address is there, what is wrong as soon as a field is left, and
// what it all means in plain words. Each button does the same without script, by posting the form.
"use strict";

{
  const form = $("#monitor-form");
  const touched = new Set();
  let wait, asked, isTesting = false, tested = form && form.elements.url ? form.elements.url.value : "";

  // Posts the form for the button named `press` and gives the page that comes back.
  const ask = async (press, value) => {
    if (asked) asked.abort();
    const mine = (asked = new AbortController());
    const body = new URLSearchParams(new FormData(form));
    body.set(press, value);
    const answer = await fetch(form.action, { method: "POST", body, signal: mine.signal });
    const html = await answer.text();
    if (!answer.headers.get("content-type").startsWith("text/html") || answer.redirected) return null;
    return new DOMParser().parseFromString(html, "text/html");
  };

  const swap = (selector, fresh) => {
    const [old, other] = [$(selector), $(selector, fresh)];
    if (old && other) old.replaceWith(document.adoptNode(other));
  };

  // Says what is wrong with a field, or no longer is.
  const judge = (name, fresh) => {
    const [old, other] = [document.getElementById(`${name}-help`), fresh.getElementById(`${name}-help`)];
    const [field, judged] = [document.getElementById(name), fresh.getElementById(name)];
    if (old && other) old.replaceWith(document.adoptNode(other));
    if (!field || !judged) return;
    if (judged.getAttribute("aria-invalid")) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  };

  // Rows of assertions: those that are filled stand in the same order here and there.
  const judgeRows = (fresh, byTest) => {
    const filled = (row) => $$("input", row).some((input) => input.value) || $("select", row).value === "body";
    const rows = $$(".assertion").filter(filled);
    const judged = $$(".assertion:not([data-empty-assertion])", fresh);
    rows.forEach((row, n) => {
      const other = judged[n];
      // What a test found of a row stands until the row is changed.
      if (!other || (!byTest && row.dataset.tested)) return;
      if (byTest) row.dataset.tested = "1";
      $$(".error", row).forEach((error) => error.remove());
      const error = $(".error", other);
      $$("input", row).forEach((input, i) => {
        const wrong = $$("input", other)[i].getAttribute("aria-invalid");
        if (wrong) input.setAttribute("aria-invalid", "true");
        else input.removeAttribute("aria-invalid");
      });
      if (error) row.append(document.adoptNode(error));
    });
  };

  const take = (fresh, all) => {
    for (const fold of $$("[data-fold]")) swap(`[data-fold="${fold.dataset.fold}"]`, fresh);
    swap("#plain-words", fresh);
    const names = all ? new Set($$("[aria-describedby]", form).map((field) => field.name)) : touched;
    for (const name of names) judge(name, fresh);
    if (all || touched.has("assertion_path")) judgeRows(fresh, all);
    // What was summed up at the button goes once it is mended; a test sums up anew.
    if (all && !$(".form .end .error-line") && $(".form .end .error-line", fresh)) {
      $(".form .end").append(document.adoptNode($(".form .end .error-line", fresh)));
    } else if ($(".form .end .error-line")) {
      const line = $(".form .end .error-line", fresh);
      $(".form .end .error-line").remove();
      if (line) $(".form .end").append(document.adoptNode(line));
    }
  };

  const later = (ms) => {
    clearTimeout(wait);
    wait = setTimeout(review, ms);
  };

  const review = async () => {
    // A test says all that a review does.
    if (isTesting) return later(400);
    try {
      const fresh = await ask("review", "1");
      if (fresh) take(fresh, false);
    } catch {
      // A newer question took its place, or the server is away: what was there stays.
    }
  };

  const test = async (press = "test", value = "1") => {
    const panel = $("#live-test");
    if (!panel) return;
    clearTimeout(wait);
    isTesting = true;
    touched.clear();
    for (const row of $$(".assertion")) delete row.dataset.tested;
    panel.classList.add("busy");
    panel.setAttribute("aria-busy", "true");
    if (form.elements.url) tested = form.elements.url.value;
    try {
      const fresh = await ask(press, value);
      if (!fresh) return;
      swap("#live-test", fresh);
      swap("#reach", fresh);
      take(fresh, true);
    } catch (error) {
      if (error.name !== "AbortError") $("#live-test-result").textContent = "The server did not answer. Try again.";
    } finally {
      isTesting = false;
      const now = $("#live-test");
      now.classList.remove("busy");
      now.removeAttribute("aria-busy");
    }
  };

  if (form) {
    form.addEventListener("change", (event) => {
      const field = event.target;
      if (!field.name || field.name.startsWith("new_")) return;
      touched.add(field.name.startsWith("assertion_") ? "assertion_path" : field.name);
      if (field.closest(".assertion")) delete field.closest(".assertion").dataset.tested;
      // A new address is looked at at once; other changes are weighed once there is an end of them.
      if (field.name === "url" && field.value.trim() && field.value !== tested && $("#live-test")) test();
      else later(150);
    });
    // A field that was wrong is looked at while it is being mended.
    form.addEventListener("input", (event) => {
      if (event.target.getAttribute("aria-invalid") !== "true") return;
      const row = event.target.closest(".assertion");
      if (row) delete row.dataset.tested;
      touched.add(row ? "assertion_path" : event.target.name);
      later(400);
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || button.form !== form) return;
      if (button.name === "test") {
        event.preventDefault();
        test();
      } else if (button.name === "fix") {
        event.preventDefault();
        const row = button.closest(".assertion");
        const name = button.value.split("=")[0].split("#")[0];
        const field = row ? $(`[name="${name}"]`, row) : form.elements[name];
        if (!field) return;
        field.value = button.dataset.fix;
        field.focus();
        touched.add(row ? "assertion_path" : name);
        if ($("#live-test")) test();
        else review();
      } else if (button.name === "add_channel") {
        event.preventDefault();
        button.disabled = true;
        ask("add_channel", button.value)
          .then((fresh) => {
            if (!fresh) return;
            swap("#channels", fresh);
            swap("#plain-words", fresh);
            const wrong = $("#channels [aria-invalid]") || $("#channels .ticks input:last-of-type");
            if (wrong) wrong.focus();
          })
          .catch(() => {})
          .finally(() => (button.disabled = false));
      }
    });
    // Enter in a new channel adds the channel; anywhere else it saves.
    form.addEventListener("keydown", (event) => {
      const kind = event.key === "Enter" && event.target.closest(".new-channel details");
      if (!kind) return;
      event.preventDefault();
      $("[name=add_channel]", kind).click();
    });
    // Several lines make several monitors.
    if (form.elements.url) {
      form.elements.url.addEventListener("paste", (event) => {
        const text = event.clipboardData.getData("text").trim();
        if (!text.includes("\n") || !form.dataset.many) return;
        event.preventDefault();
        several(text);
      });
    }
    const wrong = $("[aria-invalid=true]", form);
    if (wrong) wrong.focus();
  }

  const several = (text) => {
    const other = document.createElement("form");
    other.method = "post";
    other.action = "/monitors/many";
    for (const [name, value] of [["urls", text], ["preview", "1"]]) {
      const field = document.createElement("textarea");
      field.name = name;
      field.value = value;
      other.append(field);
    }
    other.hidden = true;
    document.body.append(other);
    other.submit();
  };
  const one = $("form.one [name=url]");
  if (one) {
    one.addEventListener("paste", (event) => {
      const text = event.clipboardData.getData("text").trim();
      if (!text.includes("\n")) return;
      event.preventDefault();
      several(text);
    });
  }
}
