// Pictures of the pages: node demo-shots.mjs URL TIME FOLDER [NAME...]. See scripts/screenshots.
import path from "node:path";
import { chromium } from "playwright-core";

const [url, at, folder, ...wanted] = process.argv.slice(2);

// Name of a screen, its address, and what to do before: each is taken light, dark and on a phone.
const SCREENS = [
  ["dashboard", "/monitors"],
  ["monitor", "/monitors/1"],
  ["checks", "/monitors/1/checks", { act: openFirst, tall: 1100 }],
  ["heartbeat", "/monitors/2"],
  ["channels", "/channels"],
  ["delivery", "/deliveries/3"],
  ["escalation", "/escalation/1"],
  ["incident", "/incidents/1842"],
  ["maintenance", "/maintenance"],
  ["probes", "/probes"],
  ["probe", "/probes/3"],
];
const LOOKS = [["light", {}], ["dark", { theme: "dark" }], ["375", { wide: 375 }]];
const SHOTS = [
  ...SCREENS.flatMap(([name, address, more]) => LOOKS.map(([look, how]) => [`${name}-${look}`, address, { ...how, ...more }])),
  ["dashboard-search", "/monitors?q=pay", { act: select, tall: 900 }],
];

async function select(page) {
  for (const n of [3, 4, 5]) await page.locator("input[name=id]").nth(n).check();
}
async function openFirst(page) {
  await page.locator(".more-link").first().click();
  await page.locator("details.raw").waitFor();
}

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
  // A list that goes on and on is cut off after `tall` px.
  const tall = more.tall ?? (wide < 500 ? await page.evaluate(() => document.documentElement.scrollHeight) : 900);
  await page.setViewportSize({ width: wide, height: tall });
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: !more.tall });
  await context.close();
  console.log(name);
}
await browser.close();
