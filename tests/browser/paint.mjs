// First paint of the monitor list: node paint.mjs URL [TIMES]. Of the demonstration (scripts/demo serve); see docs/benchmarks.md.
import { chromium } from "playwright-core";

const [url, times = "30"] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const page = await context.newPage();
await page.goto(`${url}/login`);
await page.fill("#email", "on-call.lead@kestrel.example");
await page.fill("#password", "kestrel-demo");
await page.keyboard.press("Enter");
await page.waitForURL(/monitors/);

/** What the browser noted of one load, in ms from its start. */
const noted = () => page.evaluate(() => {
  const [load] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return paint && { answer: load.responseStart, whole: load.responseEnd, paint: paint.startTime };
});
const taken = [];
for (let n = 0; n < Number(times); n += 1) {
  await page.goto(`${url}/monitors`);
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length);
  taken.push(await noted());
}
await browser.close();
const at = (name, share) => taken.map((one) => one[name]).sort((a, b) => a - b)[Math.floor((taken.length - 1) * share)].toFixed(0);
for (const name of ["answer", "whole", "paint"]) console.log(`${name.padEnd(8)} p50 ${at(name, 0.5)} ms, p95 ${at(name, 0.95)} ms`);
