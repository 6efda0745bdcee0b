// The pages in a real browser, in the order in which a person meets them. Each step builds on those before it.
import assert from "node:assert/strict";
import { complaints, EMAIL, finish, listenTo, PASSWORD, startBrowser, test } from "./harness.mjs";
import { startReceiver, startServer, startTarget } from "./server.mjs";
import { becomes } from "./wait.mjs";

const HOSTILE = `<img src=x onerror="document.title='owned'">`;

const target = await startTarget();
const receiver = await startReceiver();
const server = await startServer();
const { browser, context, page } = await startBrowser();
listenTo(page);

const open = (path) => page.goto(server.url + path);
const text = async (selector) => (await page.locator(selector).first().innerText()).trim();
const sees = (words, options) => page.getByText(words, options).first().waitFor();
const press = (name) => page.getByRole("button", { name }).first().click();

await test("nobody gets in without signing in", async () => {
  await open("/monitors");
  assert.match(page.url(), /\/login/);
});

await test("set-up: a short password is refused with its reason, the address kept", async () => {
  await page.goto(server.setupLink);
  await page.fill("#email", EMAIL);
  await page.evaluate(() => document.querySelector("#password").removeAttribute("minlength"));
  await page.fill("#password", "short");
  await press("Create account");
  await sees("at least 8 characters");
  assert.equal(await page.inputValue("#email"), EMAIL);
});

await test("set-up leads to one focused field", async () => {
  await page.fill("#password", PASSWORD);
  await press("Create account");
  await sees("What should we watch?");
  await becomes(() => page.evaluate(() => document.activeElement.name), "url");
});

await test("the set-up link works once", async () => {
  const stranger = await browser.newContext();
  const other = await stranger.newPage();
  await other.goto(server.setupLink);
  await other.getByText("no longer valid").first().waitFor();
  await stranger.close();
});

await test("a wrong URL is refused under the field, with its value", async () => {
  await page.fill("[name=url]", "ftp://example.com");
  await page.keyboard.press("Enter");
  await page.locator("#url-error").waitFor();
  await becomes(() => page.inputValue("[name=url]"), "ftp://example.com");
});

await test("one field and Enter make a monitor, which is checked at once", async () => {
  await page.fill("[name=url]", `${target.url}/health`);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/monitors\/\d+$/);
  await page.locator(".pill.up").waitFor();
});

await test("the monitor's form keeps what was typed and names each wrong field", async () => {
  await open("/monitors/1/edit");
  await page.fill("#name", "Shop");
  await page.fill("#tags", "payments, tier-1");
  await page.getByText("15 s", { exact: true }).click();
  await page.getByText("Confirmation").click();
  await page.fill("#retries", "many");
  await press("Save");
  await sees("1 field needs a fix");
  await becomes(() => page.inputValue("#retries"), "many");
  await becomes(() => page.inputValue("#name"), "Shop");
  await page.fill("#retries", "0");
  await press("Save");
  await page.waitForURL(/\/monitors\/1$/);
  assert.equal(await text("h1"), "Shop");
});

await test("assertions are added and taken away by buttons, a wrong one says so in its row, and they are kept", async () => {
  await open("/monitors/1/edit");
  await page.getByText("What counts as up").click();
  const rows = page.locator(".assertion");
  await becomes(() => rows.count(), 0, "the empty rows are for people without script");
  const fill = async (n, source, path, op, value) => {
    await press("Add assertion");
    const [select, input] = [rows.nth(n).locator("select"), rows.nth(n).locator("input")];
    await select.first().selectOption(source);
    await select.nth(1).selectOption(op);
    if (path) await input.first().fill(path);
    if (value) await input.nth(1).fill(value);
  };
  await fill(0, "json", "$.status", "eq", "ok");
  await fill(1, "json", "status", "eq", "ok");
  await fill(2, "header", "content-type", "contains", "json");
  await fill(3, "response_ms", "", "lt", "9000");
  await becomes(() => rows.nth(3).locator("input").first().isVisible(), false, "a time has no path");
  await press("Save");
  await sees("Path must start with $, as $.status.");
  await becomes(() => rows.count(), 4);
  await page.getByRole("button", { name: "Remove assertion 2" }).click();
  await press("Save");
  await page.waitForURL(/\/monitors\/1$/);
  await sees('$.status equals "ok", header content-type contains "json" and the response time in ms is less than 9000');
  await open("/monitors/1/edit");
  await sees("3 assertions");
  await becomes(() => rows.nth(1).locator("input").nth(1).inputValue(), "json");
});

await test("a heartbeat shows its URL, and its first ping appears by itself", async () => {
  await open("/monitors/new?type=heartbeat");
  await page.fill("#name", `Nightly ${HOSTILE}`);
  await press("Create heartbeat");
  await sees("Waiting for the first ping");
  const url = await text("#ping-url");
  assert.match(url, /\/api\/heartbeats\/[0-9a-f-]{36}\/ping$/);
  await page.locator(".side .live.on").waitFor();
  const answer = await fetch(url, { method: "POST", body: `done ${HOSTILE}` });
  assert.equal(await answer.text(), "OK");
  await sees("Current window");
  await page.locator("[data-part=log] td >> text=Success").waitFor();
});

await test("a heartbeat's cron expression is told in words while it is typed, and refused under its field", async () => {
  await open("/monitors/2/edit");
  await page.getByText("At fixed times").click();
  await page.fill("#cron", "61 * * * *");
  await page.locator("#meaning .error").waitFor();
  await page.fill("#timezone", "Europe/Riga");
  await page.fill("#cron", "30 4 * * *");
  await page.locator("#meaning >> text=Next:").waitFor();
  assert.match(await text("#meaning"), /04:30.*\(Europe\/Riga\)/s);
  await page.fill("#cron", "30 4 * *");
  await press("Save");
  await page.locator("#cron-help.error").waitFor();
  await becomes(() => page.inputValue("#cron"), "30 4 * *");
  await page.fill("#cron", "30 4 * * *");
  await page.getByText("Long runs").click();
  await page.fill("#max_runtime_seconds", "30");
  await page.getByText("Methods that count").click();
  await page.uncheck("[name=method_head]");
  await press("Save");
  await page.waitForURL(/\/monitors\/2$/);
  await sees("30 4 * * * Europe/Riga");
  await sees("or a run takes longer than 30 min");
  await open("/monitors/2/edit");
  await becomes(() => page.inputValue("#max_runtime_seconds"), "30");
  assert.equal(await page.isChecked("[name=method_head]"), false);
  await page.getByText("Long runs").click();
  await page.fill("#max_runtime_seconds", "");
  await press("Save");
  await page.waitForURL(/\/monitors\/2$/);
  await becomes(() => page.getByText("or a run takes longer").count(), 0, "an emptied field is taken away");
});

await test("a heartbeat shows its runs, a filtered log and both forms of its snippets", async () => {
  await open("/monitors/2");
  const url = await text("#ping-url");
  await page.locator(".side .live.on").waitFor();
  await fetch(`${url}/start`);
  await sees("Currently running since");
  await fetch(`${url}/7`, { method: "POST", body: "no space left" });
  await sees("Reported failure, exit status 7");
  await fetch(url);
  await page.locator(".pill.up").waitFor();
  await sees("Run duration");
  await page.getByText("Show as table").click();
  await page.locator(".as-table >> text=Failed").waitFor();
  await page.locator("[data-part=log]").getByRole("link", { name: "Fail", exact: true }).click();
  await page.waitForURL(/kind=fail/);
  await becomes(() => page.locator("[data-part=log] tbody tr").count(), 1);
  await page.getByText("With start & exit code").click();
  await page.getByText("cron", { exact: true }).click();
  assert.match(await text("#c-cron-full"), /^# crontab -e\n30 4 \* \* \* .*\/ping\/start; .*\/ping\/\$\?$/s);
  await page.setViewportSize({ width: 375, height: 800 });
  for (const path of ["/monitors/2", "/monitors/2/edit", "/monitors/2/rotate"]) {
    await open(path);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${path} is ${over} px too wide`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
});

await test("a ping URL is rotated after a question: the old one is unknown, the new one works", async () => {
  await open("/monitors/2");
  const old = await text("#ping-url");
  await page.getByRole("link", { name: /Rotate/ }).click();
  await sees("Make a new ping URL");
  await press("Rotate URL");
  await page.waitForURL(/\/monitors\/2#url$/);
  const fresh = await text("#ping-url");
  assert.notEqual(fresh, old);
  assert.equal((await fetch(old)).status, 404);
  assert.equal((await fetch(fresh)).status, 200);
});

await test("a channel is made, tested, and its answer stands beside the button", async () => {
  await open("/channels/new/webhook");
  await page.fill("#url", "not a url");
  await press("Save channel");
  await page.locator("#url-help.error").waitFor();
  await page.fill("#url", `${receiver.url}/hook`);
  await page.fill("#name", "Receiver");
  await press("Send test alert");
  await page.locator("#tried >> text=Test delivered in").waitFor();
  assert.match(receiver.bodies.at(-1), /"channel.test"/);
  await becomes(() => page.locator(".channel .name").count(), 0, "a test saves nothing");
  await press("Save channel");
  await page.waitForURL(/\/channels$/);
  await press(/Send test/);
  await sees("Test delivered in");
  assert.match(receiver.bodies.at(-1), /"channel.test"/);
  receiver.broken = true;
  await press(/Send test/);
  await sees("out of order");
  receiver.broken = false;
});

await test("the list shows an outage by itself, within seconds, with its reason", async () => {
  await open("/monitors");
  await page.locator("#m-1[data-state=up]").waitFor();
  await page.locator(".side .live.on").waitFor();
  target.broken = true;
  const other = await context.newPage();
  await other.goto(`${server.url}/monitors/1`);
  await other.getByRole("button", { name: "Run check now" }).click();
  await other.getByText("503").first().waitFor();
  await page.locator("#m-1[data-state=down]").waitFor();
  await page.locator("#m-1 .note >> text=/503 · checks\\.database/").waitFor();
  await page.waitForFunction(() => document.title.startsWith("(1 down)"));
  await sees("Open incidents");
  await other.close();
});

await test("an incident is acknowledged with a thumb, and noted", async () => {
  await page.setViewportSize({ width: 375, height: 800 });
  await open("/incidents?state=open");
  await page.getByRole("link", { name: "Shop" }).first().click();
  await page.waitForURL(/\/incidents\/\d+$/);
  const button = page.getByRole("button", { name: "Acknowledge" });
  const box = await button.boundingBox();
  assert.ok(box.height >= 44 && box.y > 400 && box.y + box.height <= 800, `within reach: ${JSON.stringify(box)}`);
  await button.click();
  await page.locator(".timeline >> text=Acknowledged").first().waitFor();
  await page.setViewportSize({ width: 1440, height: 900 });
  await open("/monitors");
  await sees(`Acknowledged by ${EMAIL.split("@")[0]}`);
  await open("/incidents");
  await page.getByRole("link", { name: "Shop" }).first().click();
  await page.fill("#text", `Looking ${HOSTILE}`);
  await press("Add note");
  await sees(`Looking ${HOSTILE}`);
  // Told twice: that the shop is down, and that somebody looks after it.
  await page.locator(".told >> text=Receiver").nth(1).waitFor();
  await becomes(() => page.locator(".told >> text=Receiver").count(), 2);
  await page.locator(".strip >> text=First alert in").waitFor();
  await sees("to 1 channel, none failed");
  await page.getByRole("link", { name: "Failed checks" }).click();
  await page.locator(".more-link").first().click();
  await page.locator("mark >> text=checks.database").waitFor();
});

await test("a delivery shows its request without secrets and its answer, and a failed one is sent again", async () => {
  await open("/channels");
  await page.locator(".log .more-link").first().click();
  await page.locator(".sent >> text=webhook-id").waitFor();
  await page.getByRole("link", { name: "A page of its own" }).click();
  await page.waitForURL(/\/deliveries\/\d+$/);
  assert.match(await text("h1"), /to Receiver$/);
});

await test("the bar of days is one stop of the Tab key, and arrows move along it", async () => {
  await page.setViewportSize({ width: 375, height: 800 });
  await open("/monitors/1");
  const days = page.locator("[data-days]");
  await days.focus();
  const now = async () => Number(await days.getAttribute("aria-valuenow"));
  await becomes(() => now(), 90);
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("PageUp");
  await becomes(() => now(), 82);
  await page.locator("[data-days] .tip").waitFor();
  assert.match(await days.getAttribute("aria-valuetext"), /no data|%/);
  await page.keyboard.press("End");
  await becomes(() => now(), 90);
  await page.setViewportSize({ width: 1440, height: 900 });
});

await test("recovery shows, and the receiver heard of all three, once each and in order", async () => {
  await open("/monitors/1");
  target.broken = false;
  await press("Run check now");
  await page.locator(".pill.up").waitFor();
  const events = () => receiver.bodies.map((body) => JSON.parse(body).event).filter((event) => event !== "channel.test");
  await becomes(events, ["monitor.down", "incident.acknowledged", "monitor.up"]);
});

await test("maintenance: planned by wall time, its meaning shown before saving, shown, made longer, ended", async () => {
  await open("/maintenance/new");
  await page.locator("[data-says-when]").click();
  await sees("covers nothing");
  await page.fill("#name", "Upgrade");
  await page.check(`[name=monitor_ids][value="1"]`);
  const wall = (ms) => new Date(ms).toLocaleString("sv-SE", { timeZone: "Europe/Berlin" }).slice(0, 16).replace(" ", "T");
  await page.fill("#starts_at", wall(Date.now() + 86_400_000));
  await page.fill("#ends_at", wall(Date.now() + 90_000_000));
  await page.locator("[data-says-when] >> text=/Schedule for \\w{3} \\d\\d:\\d\\d/").waitFor();
  await page.locator("#window-preview >> text=/UTC/").waitFor();
  await page.locator("#window-preview >> text=1 monitor now").waitFor();
  await page.getByText("Weekly", { exact: true }).click();
  await page.locator("#window-preview >> text=Next times").waitFor();
  await becomes(() => page.locator("#window-preview li").count(), 3);
  await page.fill("#timezone", "Mars/Olympus");
  await page.locator("#window-preview >> text=Europe/Riga").waitFor();
  await page.fill("#timezone", "Europe/Berlin");
  await page.getByText("Once", { exact: true }).click();
  await page.fill("#starts_at", wall(Date.now() - 60_000));
  await page.fill("#ends_at", wall(Date.now() + 3_600_000));
  await page.locator("[data-says-when] >> text=Start now").waitFor();
  await page.locator("[data-says-when]").click();
  await sees("Checks run, alerts are held");
  await page.locator(".plan-open").first().waitFor({ state: "attached" });
  await open("/monitors?status=maintenance");
  await page.locator("#m-1").waitFor();
  await open("/maintenance");
  await press(/Extend/);
  await sees("Checks run, alerts are held");
  await press(/End now/);
  await sees("Past");
});

await test("search answers while one types, and the address keeps it", async () => {
  await open("/monitors");
  await page.keyboard.press("/");
  await page.keyboard.type("shop");
  await page.waitForURL(/q=shop/);
  await sees("1 of 2 match");
  await becomes(() => page.locator("tr[id]").count(), 1);
  await page.fill("#q", "nothing like it");
  await sees("No monitor matches");
});

await test("pause, resume, and delete after a question", async () => {
  await open("/monitors/2");
  await press("Pause");
  await page.locator(".pill.paused").waitFor();
  await press("Resume");
  await page.locator(".pill.waiting").waitFor();
  await page.getByRole("link", { name: /Delete/ }).click();
  await sees("of history?");
  await page.fill("#name", "another");
  await press("Delete monitor");
  await sees("The name is another one");
  await page.fill("#name", await text("main b"));
  await press("Delete monitor");
  await page.waitForURL(/\/monitors$/);
  await becomes(() => page.locator("#m-2").count(), 0);
});

await test("a token is shown once, works, and is revoked", async () => {
  await open("/settings/tokens");
  await page.fill("#name", "Pipeline");
  await press("Create token");
  const secret = await text("#secret");
  const ask = () => fetch(`${server.url}/api/v1/monitors`, { headers: { authorization: `Bearer ${secret}` } });
  assert.equal((await ask()).status, 200);
  await open("/settings/tokens");
  await becomes(() => page.locator("#secret").count(), 0);
  await press(/Revoke/);
  await sees("No token yet");
  assert.equal((await ask()).status, 401);
});

await test("the theme changes at once and stays", async () => {
  await open("/monitors");
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.locator(".side [data-theme-button]").click();
  await becomes(() => theme(), "dark");
  await becomes(() => background(), "rgb(12, 14, 19)");
  await page.reload();
  await becomes(() => theme(), "dark");
});

await test("no page scrolls sideways at 375 px", async () => {
  await page.setViewportSize({ width: 375, height: 800 });
  for (const path of ["/monitors", "/monitors/1", "/monitors/new", "/monitors/new?type=heartbeat", "/monitors/new?type=dns", "/monitors/new?type=tls", "/channels", "/channels/new/slack", "/channels/new/telegram", "/channels/new/opsgenie", "/channels/new/webhook", "/incidents", "/incidents/1", "/monitors/1/checks", "/deliveries/1", "/channels?open=1", "/maintenance", "/maintenance/new", "/escalation", "/escalation/new", "/probes", "/settings/tokens", "/nowhere"]) {
    await open(path);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${path} is ${over} px too wide`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
});

await test("without script: a channel's form asks for what its kind needs, keeps what was typed, and masks what is secret", async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
  const view = await plain.newPage();
  await view.goto(`${server.url}/channels/new/slack`);
  await view.locator(".pick").getByRole("link", { name: "Gotify" }).click();
  await view.fill("#url", "gotify.example.com");
  await view.fill("#token", "A7kQ2mZx9Rt4wPe");
  await view.getByRole("button", { name: "Save channel" }).click();
  await view.getByText("write https://gotify.example.com").waitFor();
  await becomes(() => view.inputValue("#token"), "A7kQ2mZx9Rt4wPe");
  await view.fill("#url", receiver.url);
  await view.fill("#name", `Phone ${HOSTILE}`);
  await view.getByRole("button", { name: "Save channel" }).click();
  await view.getByRole("link", { name: "Phone" }).first().click();
  await becomes(() => view.inputValue("#token"), "***");
  await view.getByRole("button", { name: "Save" }).click();
  const row = view.locator(".channel").filter({ hasText: "Phone" });
  await becomes(() => row.locator(".tag").innerText(), "Gotify");
  await row.getByRole("button", { name: /Send test/ }).click();
  await view.getByText("Test delivered in").waitFor();
  assert.match(receiver.bodies.at(-1), /client::display/);
  await plain.close();
});

await test("without script: look, check, theme, pause, sign out, sign in", async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false });
  const view = await plain.newPage();
  await view.goto(`${server.url}/monitors/1`);
  await view.fill("#email", EMAIL);
  await view.fill("#password", "wrong");
  await view.getByRole("button", { name: "Sign in" }).click();
  await view.getByText("Email or password is wrong.").waitFor();
  await view.fill("#password", PASSWORD);
  await view.getByRole("button", { name: "Sign in" }).click();
  await view.waitForURL(/\/monitors\/1$/);
  await view.getByRole("button", { name: "Run check now" }).click();
  await view.waitForURL(/\/monitors\/1#checks$/);
  await view.locator(".side [data-theme-button]").click();
  await becomes(() => view.locator("html").getAttribute("data-theme"), "dark");
  await view.getByRole("button", { name: "Pause" }).click();
  await view.locator(".pill.paused").waitFor();
  await view.getByRole("button", { name: "Resume" }).click();
  await view.goto(`${server.url}/monitors?q=shop`);
  await view.locator("#m-1").waitFor();
  await view.goto(`${server.url}/monitors/new?type=heartbeat`);
  await view.fill("#name", "Without script");
  await view.getByText("At fixed times").click();
  await view.fill("#cron", "@hourly");
  await view.getByRole("button", { name: "Show next times" }).click();
  await view.getByText("Next:").waitFor();
  await becomes(() => view.inputValue("#name"), "Without script");
  await becomes(() => view.inputValue("#cron"), "@hourly");
  await view.locator(".side").getByRole("button", { name: "Sign out" }).click();
  await view.waitForURL(/\/login/);
  await view.goto(`${server.url}/monitors`);
  assert.match(view.url(), /\/login/);
  await plain.close();
});

await test("sign out ends the session", async () => {
  await open("/monitors");
  await page.locator(".side").getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/login/);
  await open("/monitors");
  assert.match(page.url(), /\/login/);
});

await test("no script failed, nothing broke the content policy, no markup ran", async () => {
  assert.deepEqual(complaints, []);
  assert.notEqual(await page.title(), "owned");
});

await browser.close();
const before = Date.now();
await server.stop();
await test("the server stopped at once, open streams or not", async () => assert.ok(Date.now() - before < 9_000));
target.close();
receiver.close();
finish();
