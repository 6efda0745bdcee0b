// Screenshots of the forms and settings for docs/screenshots/: SHOTS=folder tests/browser/run
import { mkdir } from "node:fs/promises";
import http from "node:http";
import { once } from "node:events";
import path from "node:path";
import { startServer } from "./server.mjs";

const HEALTH = {
  status: "pass",
  checks: {
    database: { status: "pass", ms: 4 },
    redis: { status: "pass", ms: 1 },
    search: { status: "pass", ms: 22 },
    cdn: { status: "pass" },
  },
};

export async function shoot({ browser, server, context }) {
  const folder = process.env.SHOTS;
  await mkdir(folder, { recursive: true });
  const target = http.createServer((_, response) => {
    setTimeout(() => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(HEALTH)), 40);
  });
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const url = `http://127.0.0.1:${target.address().port}/catalog/health`;
  const looks = [
    ["-light", { colorScheme: "light", viewport: { width: 1440, height: 900 } }],
    ["-dark", { colorScheme: "dark", viewport: { width: 1440, height: 900 } }],
    ["-375", { colorScheme: "light", viewport: { width: 375, height: 800 } }],
  ];
  const state = await context.storageState();
  const fresh = await startServer();
  for (const [suffix, options] of looks) {
    const look = await browser.newContext({ ...options, storageState: state, timezoneId: "Europe/Berlin" });
    const page = await look.newPage();
    const save = async (name) => {
      await page.evaluate(() => scrollTo(0, 0));
      return page.screenshot({ path: path.join(folder, `${name}${suffix}.png`), fullPage: true });
    };
    await page.goto(`${server.url}/monitors/new`);
    await page.fill("#url", url);
    await page.keyboard.press("Tab");
    await page.locator("#live-test .pill.up").waitFor();
    await page.fill("#name", "Catalog API");
    await page.fill("#tags", "storefront, tier-1");
    await page.getByText("30 s", { exact: true }).click();
    await page.getByText("What counts as up").click();
    await page.fill("#degraded_after_ms", "800");
    for (const [n, where] of ["$.status", "$.checks.databse.status"].entries()) {
      await page.getByRole("button", { name: "Add assertion" }).click();
      await page.locator(".assertion").nth(n).locator("input").first().fill(where);
      await page.locator(".assertion").nth(n).locator("input").nth(1).fill("pass");
    }
    await page.getByRole("button", { name: "Run again" }).click();
    await page.locator("#live-test .pill.down").waitFor();
    await page.locator(".assertion .error").waitFor();
    await page.mouse.move(0, 0);
    await page.waitForTimeout(400);
    await save("monitor-form");
    for (const [name, where] of [["settings-server", "/settings/server"], ["settings-mail", "/settings/mail"], ["settings-users", "/settings/users"], ["profile", "/settings/profile"]]) {
      await page.goto(server.url + where);
      await save(name);
    }
    await look.close();
    const stranger = await browser.newContext({ ...options, timezoneId: "Europe/Berlin" });
    const door = await stranger.newPage();
    await door.goto(`${server.url}/login`);
    await door.fill("#email", "oncall@kestrel.example");
    await door.fill("#password", "wrong password");
    await door.getByRole("button", { name: "Sign in" }).click();
    await door.getByText("Email or password is wrong.").waitFor();
    await door.screenshot({ path: path.join(folder, `login${suffix}.png`) });
    await door.goto(fresh.setupLink);
    await door.screenshot({ path: path.join(folder, `setup${suffix}.png`), fullPage: true });
    await stranger.close();
  }
  const first = await browser.newContext({ timezoneId: "Europe/Berlin" });
  const account = await first.newPage();
  await account.goto(fresh.setupLink);
  await account.fill("#email", "oncall@kestrel.example");
  await account.fill("#password", "correct horse battery");
  await account.getByRole("button", { name: "Create account" }).click();
  await account.getByText("What should we watch?").first().waitFor();
  for (const [suffix, options] of looks) {
    const look = await browser.newContext({ ...options, storageState: await first.storageState(), timezoneId: "Europe/Berlin" });
    const page = await look.newPage();
    await page.goto(`${fresh.url}/monitors`);
    await page.screenshot({ path: path.join(folder, `empty${suffix}.png`), fullPage: true });
    await look.close();
  }
  await first.close();
  await fresh.stop();
  target.close();
}
