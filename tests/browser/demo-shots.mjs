// Pictures of the pages: node demo-shots.mjs URL TIME FOLDER [NAME...]. See scripts/screenshots.
import path from "node:path";
import { chromium } from "playwright-core";

const [url, at, folder, ...wanted] = process.argv.slice(2);

const select = async (page) => {
  for (const n of [3, 4, 5]) await page.locator("input[name=id]").nth(n).check();
};
// Name, address, and what else: `wide` in px (1440), the theme (light), what to do before.
const SHOTS = [
  ["01-dashboard", "/monitors"],
  ["01-dashboard-dark", "/monitors", { theme: "dark" }],
  ["01-dashboard-375", "/monitors", { wide: 375 }],
  ["01-dashboard-search", "/monitors?q=pay", { act: select, fullPage: false }],
  ["06-escalation", "/escalation/1"],
  ["06-escalation-dark", "/escalation/1", { theme: "dark" }],
  ["06-escalation-375", "/escalation/1", { wide: 375 }],
  ["probes-light", "/probes"],
  ["probes-dark", "/probes", { theme: "dark" }],
  ["probes-375", "/probes", { wide: 375 }],
];

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
let session;
async function open({ wide = 1440, theme = "light" }) {
  const context = await browser.newContext({
    viewport: { width: wide, height: wide < 500 ? 800 : 900 }, deviceScaleFactor: wide < 500 ? 2 : 1, timezoneId: "Europe/Berlin", storageState: session,
  });
  const page = await context.newPage();
  // The clock of the story stands still.
  await page.clock.setFixedTime(new Date(at));
  if (!session) {
    await page.goto(`${url}/login`);
    await page.fill("#email", "on-call.lead@kestrel.example");
    await page.fill("#password", "kestrel-demo");
    await page.keyboard.press("Enter");
    await page.waitForURL(/monitors/);
    session = await context.storageState();
  }
  await context.addCookies([
    { name: "watchbell_theme", value: theme, url },
    { name: "watchbell_zone", value: "Europe/Berlin", url },
  ]);
  return [context, page];
}

for (const [name, address, more = {}] of SHOTS) {
  if (wanted.length && !wanted.some((start) => name.startsWith(start))) continue;
  const [context, page] = await open(more);
  await page.goto(url + address);
  await page.evaluate(() => document.fonts.ready);
  if (more.act) await more.act(page);
  await page.mouse.move(0, 0);
  // What sticks to the bottom of a phone belongs below the page, not into its middle.
  const wide = more.wide ?? 1440;
  if (wide < 500) await page.setViewportSize({ width: wide, height: await page.evaluate(() => document.documentElement.scrollHeight) });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: more.fullPage !== false });
  await context.close();
  console.log(name);
}
await browser.close();
