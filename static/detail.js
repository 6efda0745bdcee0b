// What the pages of a monitor gain from script: a chart with a crosshair and zoom, and a bar of days that keys move along.
// The server has drawn both already; here they are only made to answer.
"use strict";

(() => {
  const main = document.querySelector("main");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const millis = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : ms < 60000 ? `${Math.floor(ms / 100) / 10} s` : `${Math.floor(ms / 60000)} min`);
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const seconds = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", hourCycle: "h23" });
  const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
  const full = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

  function tipIn(box) {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    box.append(tip);
    return tip;
  }

  // Keeps a tip within its box: `x` in pixels from the left of it.
  function place(tip, box, x) {
    tip.hidden = false;
    const room = box.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, x - tip.offsetWidth / 2))}px`;
  }

  // The chart. Its numbers are those of the table below it. A zoom outlives the live update of the page.
  let zoomed = null;
  function draw(figure) {
    const rows = [...figure.closest("[data-part]").querySelectorAll("[data-series] tr[data-t]")];
    if (!window.uPlot || rows.length < 2) return;
    const number = (text) => (text === "" ? null : Number(text));
    const at = rows.map((row) => Number(row.dataset.t) / 1000);
    const median = rows.map((row) => number(row.dataset.ms));
    const slowest = rows.map((row) => number(row.dataset.max));
    const failed = rows.map((row) => Number(row.dataset.failed));
    // The curves of several regions, if there are.
    const curves = [...figure.closest("[data-part]").querySelectorAll("[data-name]")].map((curve) => curve.dataset);
    const names = curves.map((curve) => curve.name);
    const each = names.map((_, n) => rows.map((row) => number(row.dataset.each.split(",")[n])));
    const sorted = (names.length ? each.flat() : median).filter((ms) => ms !== null).sort((a, b) => a - b);
    const top = Math.max(20, sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.995))] || 0) * 1.15;
    const bands = (plot) => {
      plot.ctx.save();
      plot.ctx.fillStyle = css("--down-tint");
      failed.forEach((n, i) => {
        if (!n) return;
        const from = plot.valToPos(at[i], "x", true);
        const to = i + 1 < at.length ? plot.valToPos(at[i + 1], "x", true) : from + 6;
        plot.ctx.fillRect(from, plot.bbox.top, Math.max(2, to - from), plot.bbox.height);
      });
      plot.ctx.restore();
    };
    // Where a value is cut off: an arrow and the true one; of neighbours the longest.
    const cut = (plot) => {
      const marks = [];
      // Of phases the table has no longest one.
      if (names.length && curves[0].ink.startsWith("phase")) return;
      slowest.forEach((ms, i) => {
        if (ms === null || ms <= top || at[i] < plot.scales.x.min || at[i] > plot.scales.x.max) return;
        const x = plot.valToPos(at[i], "x", true);
        const last = marks[marks.length - 1];
        if (!last || x - last.x > 70 * devicePixelRatio) marks.push({ x, ms });
        else if (ms > last.ms) Object.assign(last, { x, ms });
      });
      plot.ctx.save();
      plot.ctx.font = `${11.5 * devicePixelRatio}px Inter, system-ui, sans-serif`;
      plot.ctx.fillStyle = css("--text2");
      for (const { x, ms } of marks) {
        plot.ctx.textAlign = x > plot.bbox.left + plot.bbox.width * 0.85 ? "right" : "left";
        plot.ctx.fillText(` ↑ ${millis(ms)} `, x, plot.bbox.top + 11 * devicePixelRatio);
      }
      plot.ctx.restore();
    };
    // At the right end of each curve its name and its last value, none over another, as the server has drawn it.
    const room = names.length && names.length * 15 <= 190 && figure.clientWidth > 520 ? 118 : 0;
    const ends = (plot) => {
      const { left, top: above, width, height } = plot.bbox;
      const line = 15 * devicePixelRatio;
      const last = (n) => each[n].findLast((ms) => ms !== null);
      const height_of = (n) => ("failed" in curves[n] || last(n) === undefined ? above : Math.max(above, plot.valToPos(last(n), "y", true)));
      const places = names.map((_, n) => ({ n, y: height_of(n) })).sort((a, b) => a.y - b.y);
      plot.ctx.save();
      plot.ctx.font = `${11.5 * devicePixelRatio}px Inter, system-ui, sans-serif`;
      plot.ctx.textAlign = "left";
      plot.ctx.textBaseline = "middle";
      let before = -Infinity;
      places.forEach(({ n, y }, i) => {
        before = Math.min(Math.max(y, before + line), above + height - (places.length - i - 1) * line);
        const { name, ink, end } = curves[n];
        const chars = [...name];
        const words = `${chars.length > 12 ? `${chars.slice(0, 11).join("")}…` : name} `;
        const x = left + width + 8 * devicePixelRatio;
        // The palest colours of phases are no text.
        plot.ctx.fillStyle = css(ink.startsWith("phase") ? "--text2" : `--${ink}`);
        plot.ctx.fillText(words, x, before);
        const wide = plot.ctx.measureText(words).width;
        if ("failed" in curves[n]) plot.ctx.fillStyle = css("--down-text");
        plot.ctx.fillText(end, x + wide, before);
      });
      plot.ctx.restore();
    };
    const axis = { stroke: css("--text3"), font: "11.5px Inter, system-ui, sans-serif", grid: { stroke: css("--border"), width: 1 }, ticks: { show: false } };
    const label = (plot, splits) => {
      const length = plot.scales.x.max - plot.scales.x.min;
      const words = length > 2 * 86400 ? date : length < 600 ? seconds : clock;
      return splits.map((s) => words.format(s * 1000));
    };
    figure.querySelectorAll(".uplot, .tip").forEach((old) => old.remove());
    figure.classList.add("drawn");
    const tip = tipIn(figure);
    const plot = new uPlot({
      width: figure.clientWidth, height: 212, legend: { show: false }, cursor: { y: false, points: { size: 7 } },
      padding: [null, room || null, null, null],
      scales: { x: {}, y: { range: [0, top] } },
      axes: [{ ...axis, size: 26, values: label, grid: { show: false } }, { ...axis, size: 62, values: (_, splits) => splits.map(millis) }],
      series: [{}, ...(names.length
        // A short span may have no check of a region: that is no break.
        ? curves.map((curve) => ({ stroke: css(`--${curve.ink}-line`) || css(`--${curve.ink}`), width: 1.5, spanGaps: true, dash: "dashed" in curve ? [4, 3] : [] }))
        : [{ stroke: css("--accent"), width: 1.5, spanGaps: false }, { stroke: css("--phase-2"), width: 1, spanGaps: false, dash: [3, 3] }])],
      hooks: {
        drawClear: [bands],
        draw: room ? [cut, ends] : [cut],
        setCursor: [(it) => {
          const i = it.cursor.idx;
          if (i === null || i === undefined || it.cursor.left < 0) return void (tip.hidden = true);
          tip.replaceChildren();
          const bold = document.createElement("b");
          bold.textContent = full.format(at[i] * 1000);
          const of = (name, n) => (each[n][i] === null ? "" : ` · ${name} ${millis(each[n][i])}`);
          const said = names.length ? names.map(of).join("") : median[i] === null ? "" : ` · median ${millis(median[i])} · slowest ${millis(slowest[i])}`;
          tip.append(bold, `${said}${failed[i] ? ` · ${failed[i]} failed` : ""}`);
          place(tip, figure, it.cursor.left + 62);
          tip.style.top = "4px";
        }],
        setScale: [(it, key) => {
          if (key !== "x") return;
          const { min, max } = it.scales.x;
          zoomed = min > at[0] || max < at[at.length - 1] ? { min, max } : null;
        }],
      },
    }, [at, ...(names.length ? each : [median, slowest])], figure);
    if (zoomed && zoomed.max > at[0]) plot.setScale("x", zoomed);
    new ResizeObserver(() => plot.setSize({ width: figure.clientWidth, height: 212 })).observe(figure);
  }

  // The bar of days: one stop of the Tab key; arrows move by a day, Page keys by a week, Home and End to the ends.
  function upgradeDays(box) {
    const svg = box.querySelector("svg");
    const days = [...svg.querySelectorAll("g")].map((day) => {
      const title = day.querySelector("title");
      const words = title.textContent;
      title.remove();
      return { day, words };
    });
    if (!days.length) return;
    box.dataset.ready = "1";
    const tip = tipIn(box);
    let now = days.length - 1;
    const show = (n, seen) => {
      days[now].day.classList.remove("on");
      now = Math.max(0, Math.min(days.length - 1, n));
      box.setAttribute("aria-valuenow", now + 1);
      box.setAttribute("aria-valuetext", days[now].words);
      tip.hidden = !seen;
      if (!seen) return;
      days[now].day.classList.add("on");
      tip.textContent = days[now].words;
      place(tip, box, ((now + 0.5) / days.length) * box.clientWidth);
    };
    box.tabIndex = 0;
    for (const [name, value] of Object.entries({ role: "slider", "aria-label": svg.getAttribute("aria-label"), "aria-valuemin": 1, "aria-valuemax": days.length })) box.setAttribute(name, value);
    svg.setAttribute("aria-hidden", "true");
    svg.removeAttribute("role");
    show(now, false);
    box.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: now - 1, ArrowRight: now + 1, ArrowDown: now - 1, ArrowUp: now + 1, PageUp: now - 7, PageDown: now + 7, Home: 0, End: days.length - 1 }[event.key];
      if (event.key === "Escape") show(now, false);
      if (to === undefined) return;
      event.preventDefault();
      show(to, true);
    });
    const point = (event) => {
      const { left, width } = box.getBoundingClientRect();
      show(Math.floor(((event.clientX - left) / width) * days.length), true);
    };
    box.addEventListener("pointermove", point);
    box.addEventListener("pointerdown", point);
    box.addEventListener("pointerleave", () => document.activeElement !== box && show(now, false));
    box.addEventListener("focus", () => show(now, true));
    box.addEventListener("blur", () => show(now, false));
  }

  const upgrade = () => {
    main.querySelectorAll("[data-chart]:not(.drawn)").forEach(draw);
    main.querySelectorAll("[data-days]:not([data-ready])").forEach(upgradeDays);
  };
  upgrade();
  // Live updates put fresh parts into the page; a switch of the theme asks for other colours.
  new MutationObserver(upgrade).observe(main, { childList: true, subtree: true });
  new MutationObserver(() => main.querySelectorAll("[data-chart]").forEach(draw)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
