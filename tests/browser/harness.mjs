// What the scripts here have in common: the browser, tests that count, and what pages complain of.
import { chromium } from "playwright-core";
import { PATIENCE } from "./wait.mjs";

/** Who signs in. */
export const EMAIL = "oncall@example.com";
export const PASSWORD = "correct horse battery";

/** What went wrong within the pages: scripts that failed, and what broke a content policy. */
export const complaints = [];

/** Keeps the complaints of a page. */
export function listenTo(page) {
  page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
  page.on("console", (message) => {
    if (/content security policy/i.test(message.text())) complaints.push(message.text());
  });
}

let shown;

/** Starts the browser with one page; `options` are those of its context. */
export async function startBrowser(options = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  shown = page;
  return { browser, context, page };
}

let passed = 0;
let failed = 0;

/** Runs one test; one that fails is told and counted, and the next one runs. */
export async function test(name, act) {
  try {
    await act();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    const words = String(error.stack || error).split("\n").slice(0, 8).join("\n      ");
    console.log(`FAIL  ${name}\n      ${words}\n      at ${shown?.url()}`);
  }
}

/** Tells the counts and ends the script. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
