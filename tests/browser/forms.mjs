// The form of a monitor with its live test, settings, profile and sign-in, in a real browser: with script, and without.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { complaints, EMAIL, finish, listenTo, PASSWORD, startBrowser, test } from "./harness.mjs";
import { startReceiver, startServer, startTarget } from "./server.mjs";
import { becomes } from "./wait.mjs";

const target = await startTarget();
const receiver = await startReceiver();
const server = await startServer();
const { browser, context, page } = await startBrowser({ viewport: { width: 1440, height: 1000 } });
listenTo(page);

const open = (path, on = page) => on.goto(server.url + path);
const sees = (words, on = page) => on.getByText(words).first().waitFor();
const press = (name, on = page) => on.getByRole("button", { name, exact: true }).first().click();

/** The code that an authenticator shows (RFC 6238), `steps` of 30 s from now. */
function totp(secret, steps = 0) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replaceAll(" ", "")].map((c) => letters.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

await test("set-up shows what the server finds of itself, and takes its address", async () => {
  await page.goto(server.setupLink);
  for (const what of ["Database", "Network", "Ping", "Email", "Local checks"]) await sees(what);
  assert.equal(await page.inputValue("#base_url"), server.url);
  await page.fill("#email", EMAIL);
  await page.fill("#password", PASSWORD);
  await page.fill("#base_url", "https://example.com/below");
  await press("Create account");
  await sees("must have no path, and has /below");
  assert.equal(await page.inputValue("#email"), EMAIL);
  await page.fill("#base_url", server.url);
  await page.fill("#password", PASSWORD);
  await press("Create account");
  await sees("What should we watch?");
});

await test("a URL is tested as soon as the field is left, and the panel shows phases, rules and body", async () => {
  await open("/monitors/new");
  await page.fill("#url", `${target.url}/health`);
  await page.keyboard.press("Tab");
  await page.locator("#live-test .pill.up").waitFor();
  await sees("Would be Up");
  await sees("Status is 200, in 200-299");
  await sees("Reachable: 200 OK in");
  assert.ok((await page.locator(".phase-lines dt").allInnerTexts()).includes("Connect"));
  assert.match(await page.locator(".answered pre").innerText(), /"database": "ok"/);
});

await test("the plain words follow the fields", async () => {
  const words = page.locator("#plain-words");
  await words.getByText("GET /health").waitFor();
  await page.getByText("15 s", { exact: true }).click();
  await words.getByText("15 s", { exact: true }).first().waitFor();
  await page.getByText("Confirmation").click();
  await page.fill("#retries", "3");
  await page.keyboard.press("Tab");
  await words.getByText("4 times in a row").waitFor();
  await sees("Down after 3 failed re-checks, 5 s apart");
});

await test("a field that is left says what is wrong, offers the fix, and takes it", async () => {
  await page.getByText("Request", { exact: true }).click();
  await page.fill("#timeout_seconds", "20 s");
  await page.keyboard.press("Tab");
  await sees("The timeout in seconds must be a whole number");
  await becomes(() => page.getAttribute("#timeout_seconds", "aria-invalid"), "true");
  await press("20");
  await page.waitForFunction(() => !document.querySelector("#timeout_seconds").hasAttribute("aria-invalid"));
  await becomes(() => page.inputValue("#timeout_seconds"), "20");
});

await test("a rule that fails offers what was meant; pressed, it holds", async () => {
  await page.getByText("What counts as up").click();
  await press("Add assertion");
  const row = page.locator(".assertion").first();
  await row.locator("input").first().fill("$.checks.databse");
  await row.locator("input").nth(1).fill("ok");
  await page.keyboard.press("Tab");
  await press("Run again");
  await page.locator("#live-test .pill.down").waitFor();
  await sees("The response has no checks.databse.");
  await press("checks.database");
  await page.locator("#live-test .pill.up").waitFor();
  await becomes(() => row.locator("input").first().inputValue(), "$.checks.database");
  await becomes(() => row.locator(".error").count(), 0);
});

await test("a channel is added in place, ticked, and named in plain words", async () => {
  await page.getByText("New channel", { exact: true }).click();
  await page.locator(".new-channel").getByText("Webhook", { exact: true }).click();
  await page.fill("#new_webhook_url", "nonsense");
  await page.locator(".new-channel details[open] button").click();
  await page.locator("#new_webhook_url[aria-invalid]").waitFor();
  await page.fill("#new_webhook_url", `${receiver.url}/hook`);
  await page.keyboard.press("Enter");
  await page.locator("#channels .ticks input:checked").waitFor();
  await page.locator("#plain-words").getByText("tell").waitFor();
  await becomes(() => page.inputValue("#retries"), "3", "the rest of the form stays");
});

await test("the monitor is saved as it was tested", async () => {
  await page.fill("#name", "Shop");
  await press("Create monitor");
  await page.waitForURL(/\/monitors\/1$/);
  await page.locator(".pill.up").first().waitFor();
});

await test("a copy has its model's settings and a name of its own", async () => {
  await page.getByRole("link", { name: "Clone" }).click();
  await becomes(() => page.inputValue("#name"), "Copy of Shop");
  await becomes(() => page.inputValue("#url"), `${target.url}/health`);
  await becomes(() => page.inputValue("#retries"), "3");
});

await test("several lines pasted lead to several monitors, all or none", async () => {
  await open("/monitors/new");
  await page.evaluate((text) => {
    const data = new DataTransfer();
    data.setData("text", text);
    document.querySelector("#url").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, `${target.url}/a One\nftp://x\n127.0.0.1:1`);
  await page.waitForURL(/\/monitors\/many$/);
  assert.match(await page.inputValue("#urls"), /ftp:\/\/x/);
  await press("Create monitors");
  await sees("Line 2, ftp://x");
  await page.fill("#urls", `${target.url}/a One\n127.0.0.1:1`);
  await press("Create monitors");
  await page.waitForURL(/\/monitors$/);
  await sees("One");
});

await test("server settings take effect at once", async () => {
  await open("/settings");
  await page.fill("#retention_days", "0");
  await press("Save");
  await sees("The number of days must be a whole number from 1 to 36500");
  await page.fill("#retention_days", "14");
  await press("Save");
  await sees("It is in use from now on.");
  await becomes(() => page.inputValue("#retention_days"), "14");
});

await test("mail says where it fails", async () => {
  await page.getByRole("link", { name: "Mail" }).click();
  await page.fill("#smtp_url", "smtp://127.0.0.1:1");
  await page.fill("#smtp_from", "bell@example.com");
  await press("Save");
  await sees("It is in use from now on.");
  await press("Send test mail");
  await sees("The mail could not be sent.");
});

await test("a user is added, may edit, and is removed", async () => {
  await page.locator(".tabs").getByRole("link", { name: "Users" }).click();
  await page.fill("#email", "ann@example.com");
  await page.fill("#password", PASSWORD);
  await page.selectOption("#role", "editor");
  await press("Add user");
  await sees("The user was added.");
  await page.getByRole("link", { name: "Change ann@example.com" }).click();
  await press("Remove user");
  await sees("The user was removed");
  await page.getByRole("link", { name: `Change ${EMAIL}` }).click();
  await press("Remove user");
  await sees("This is the last admin");
});

await test("keyboard shortcuts can be turned off", async () => {
  await open("/settings/profile");
  await page.getByLabel("Keyboard shortcuts").uncheck();
  await page.locator("[aria-labelledby=taste]").getByRole("button", { name: "Save" }).click();
  await sees("Saved for this browser.");
  await open("/monitors");
  await page.keyboard.press("n");
  // Had the key led anywhere, the page would be gone before the server's answer.
  await page.evaluate(() => fetch("/monitors").then((answer) => answer.text()));
  assert.match(page.url(), /\/monitors$/);
});

let secret, recovery;
await test("two-factor sign-in is turned on with a code, and gives recovery codes once", async () => {
  await open("/settings/profile");
  const card = page.locator("[aria-labelledby=second-factor]");
  await card.locator("#confirm_password").fill(PASSWORD);
  await card.getByRole("button", { name: "Turn on" }).click();
  await page.locator(".qr svg").waitFor();
  secret = await page.locator("#totp-secret").innerText();
  await page.fill("#code", "000000");
  await press("Confirm");
  await sees("is not the code of this moment");
  await page.fill("#code", totp(secret));
  await press("Confirm");
  await sees("Keep these recovery codes now");
  recovery = (await page.locator("#recovery-codes").innerText()).trim().split("\n");
  assert.equal(recovery.length, 10);
});

await test("signing in says how many tries are left, and asks for the code", async () => {
  await page.locator(".side").getByRole("button", { name: "Sign out" }).click();
  await page.fill("#email", EMAIL);
  await page.fill("#password", "wrong");
  await press("Sign in");
  await sees("Email or password is wrong.");
  await sees("4 tries left, then a 15 min pause.");
  assert.equal(await page.inputValue("#email"), EMAIL);
  await page.fill("#password", PASSWORD);
  await press("Sign in");
  await sees("Enter your code");
  await page.fill("#code", "000000");
  await press("Continue");
  await sees("The code is wrong, or was used before.");
  // The code of this step was used to turn it on; that of the next one counts already.
  await page.fill("#code", totp(secret, 1));
  await press("Continue");
  await page.waitForURL(/\/monitors/);
});

await test("without script: test, fix, channel, settings and a recovery code", async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1440, height: 1000 } });
  const view = await plain.newPage();
  await open("/login", view);
  await view.fill("#email", EMAIL);
  await view.fill("#password", PASSWORD);
  await press("Sign in", view);
  await view.fill("#code", recovery[0]);
  await press("Continue", view);
  await view.waitForURL(/\/monitors/);
  await open("/monitors/new", view);
  await view.fill("#url", `${target.url}/health`);
  await view.fill("#name", "Plain");
  await view.getByText("What counts as up").click();
  await view.locator("[name=assertion_path]").first().fill("$.statsu");
  await view.locator("[name=assertion_value]").first().fill("ok");
  await press("Run test", view);
  await sees("Would be Down", view);
  await sees("The response has no statsu.", view);
  await press("status", view);
  await sees("Would be Up", view);
  await becomes(() => view.locator("[name=assertion_path]").first().inputValue(), "$.status");
  await becomes(() => view.inputValue("#name"), "Plain");
  await view.getByText("New channel", { exact: true }).click();
  await view.locator(".new-channel").getByText("ntfy", { exact: true }).click();
  await view.fill("#new_ntfy_topic", "watch");
  await view.locator(".new-channel details[open] button").click();
  await view.locator("#channels .ticks input:checked").nth(1).waitFor();
  await press("Create monitor", view);
  await view.waitForURL(/\/monitors\/\d+$/);
  await open("/settings/server", view);
  await view.fill("#canaries", "nonsense");
  await press("Save", view);
  await sees("must be resolver, gateway, an address, or host:port", view);
  await plain.close();
});

await test("the editor of an escalation policy works by keyboard, by dragging, and shows what would follow", async () => {
  await open("/escalation/new");
  await page.fill("#name", "Primary on-call");
  await press("Add a step");
  await becomes(() => page.evaluate(() => document.activeElement.name), "title_1");
  await page.keyboard.type("Wake somebody");
  const names = (step) => page.locator(`[data-places="${step}"] > [data-channel] b`).allInnerTexts();
  for (let has = (await names(0)).length; has < 2; has += 1) {
    await page.locator("[data-step='0'] .add summary").click();
    await page.locator("[data-step='0'] .options button[value^=add]").first().click();
    await becomes(async () => (await names(0)).length, has + 1);
  }
  const [one, two] = await names(0);
  await page.locator("[data-step='1'] .add summary").press("Enter");
  await page.locator("[data-step='1'] .options button").filter({ hasText: two }).press("Enter");
  await becomes(() => names(1), [two]);
  await page.locator("[data-step='0']").getByLabel(`Remove ${two} from step 1`).click();
  await becomes(() => names(0), [one]);
  await sees("step 2, Wake somebody");
  const handle = (step) => page.locator(`[data-places="${step}"] .grip`).first();
  await handle(0).press("ArrowDown");
  await becomes(() => names(1), [one, two]);
  assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), new RegExp(`Move ${one.replace(/[^\w ]/g, ".")}, in step 2`));
  await page.keyboard.press("ArrowUp");
  await becomes(() => names(0), [one]);
  await page.locator("[data-places='1'] > [data-channel]").dragTo(page.locator("[data-places='0'] > [data-channel]"), { targetPosition: { x: 40, y: 4 } });
  await becomes(() => names(0), [two, one]);
  await handle(0).press("Enter");
  await page.locator(".pop[open] button", { hasText: "Down" }).press("Enter");
  await becomes(() => names(0), [one, two]);
  await handle(0).press("Enter");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".pop[open]").count(), 0);
  await page.locator("[data-step='1'] .add summary").click();
  await page.locator("[data-step='1'] .options button").first().click();
  await becomes(async () => (await names(1)).length, 1);
  await page.fill("#wait_1", "7");
  await sees("03:17:05");
  await press("Weekend");
  await sees("If it went down on Saturday at 14:00");
  await sees("14:07:05");
  assert.equal(await page.locator("#unsaved").innerText(), "Not saved yet");
  await press("Save policy");
  await page.waitForURL(/\/escalation\/\d+$/);
  assert.equal(await page.locator("[name=title_1]").inputValue(), "Wake somebody");
  await page.fill("#wait_1", "8");
  await becomes(() => page.locator("#unsaved").innerText(), "Unsaved: step 2 changed");
});

await test("a policy is duplicated and its channels are moved without script", async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
  const view = await plain.newPage();
  await open(new URL(page.url()).pathname, view);
  await view.getByRole("link", { name: "Duplicate" }).click();
  assert.equal(await view.inputValue("#name"), "Copy of Primary on-call");
  const names = (step) => view.locator(`[data-places="${step}"] > [data-channel] b`).allInnerTexts();
  const [one, two] = await names(0);
  await view.locator(".grip").first().click();
  await view.locator(".pop[open] button", { hasText: "Down" }).click();
  assert.deepEqual(await names(0), [two, one]);
  await press("Now", view);
  await sees("If it went down now", view);
  assert.deepEqual(await names(0), [two, one]);
  await press("Save policy", view);
  await view.waitForURL(/\/escalation\/\d+$/);
  assert.deepEqual(await names(0), [two, one]);
  await plain.close();
});

await test("another session is seen and ended", async () => {
  await open("/settings/profile");
  await sees("this one");
  await press("End all others");
  await sees("All other sessions have ended.");
  await becomes(() => page.locator("[aria-labelledby=sessions] tbody tr").count(), 1);
});

await test("no page is wider than a phone", async () => {
  await page.setViewportSize({ width: 375, height: 800 });
  for (const path of ["/monitors/new", "/monitors/new?type=heartbeat", "/monitors/many", "/settings/server", "/settings/mail", "/settings/users", "/settings/tokens", "/settings/profile", "/escalation", "/escalation/new", "/escalation/1"]) {
    await open(path);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 375, `${path} is ${wide} px wide`);
  }
  await page.setViewportSize({ width: 1440, height: 1000 });
});

await test("no script failed and nothing broke the content policy", async () => assert.deepEqual(complaints, []));

if (process.env.SHOTS) {
  const { shoot } = await import("./shots.mjs");
  await shoot({ browser, server, target, context });
}

await browser.close();
await server.stop();
target.close();
receiver.close();
finish();
