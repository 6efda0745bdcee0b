// Walks every page of a server whose every text is an attack, and looks at each page as people do who see or use it otherwise:
//  - a script in any text field shows as text, on every page and in mail;
//  - no page breaks its content security policy;
//  - no page has a serious or critical finding of axe-core, in light or dark;
//  - no page is wider than a phone.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { EMAIL, PASSWORD, startBrowser } from "./harness.mjs";
import { startMail, startReceiver, startServer } from "./server.mjs";
import { becomes } from "./wait.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ATTACK = `<script>window.owned=1</script>"'><img src=x onerror="window.owned=1">{{name}}`;
const PAGES_MAX = 150;

// A target whose health body, status and header are attacks too.
const target = http.createServer((_, response) => {
  response.writeHead(503, { "content-type": "application/json", "x-note": "<script>" });
  response.end(JSON.stringify({ status: "fail", checks: { [`db${ATTACK}`]: `error: ${ATTACK}`, cache: "ok" } }));
}).listen(0, "127.0.0.1");
await once(target, "listening");
const targetUrl = `http://127.0.0.1:${target.address().port}`;

const receiver = await startReceiver();
const mail = await startMail();
const server = await startServer({ WATCHBELL_SMTP_URL: mail.url, WATCHBELL_SMTP_FROM: "watchbell@example.com" });
const { browser, page } = await startBrowser({ reducedMotion: "reduce" });
const problems = [];
let where = "";
page.on("pageerror", (error) => problems.push(`${where}: script: ${error.message}`));
page.on("dialog", (dialog) => { problems.push(`${where}: a dialog opened`); dialog.dismiss(); });
await page.exposeFunction("reportViolation", (text) => problems.push(`${where}: ${text}`));
await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) =>
  window.reportViolation(`content policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)));

// Somebody signs in, and makes a token for what follows.
await page.goto(server.setupLink);
await page.fill("#email", EMAIL);
await page.fill("#password", PASSWORD);
await page.getByRole("button", { name: "Create account" }).click();
await page.waitForURL(/\/monitors/);
await page.goto(`${server.url}/settings/tokens`);
await page.fill("#name", `Token ${ATTACK}`);
if (await page.locator("select[name=role]").count()) await page.selectOption("select[name=role]", "admin");
await page.getByRole("button", { name: "Create token" }).click();
const token = (await page.locator("#secret").innerText()).trim();

async function api(method, path, body, optional = false) {
  const answer = await fetch(`${server.url}/api/v1${path}`, {
    method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) {
    assert.ok(optional, `${method} ${path}: ${answer.status} ${text}`);
    return null;
  }
  return text ? JSON.parse(text).data : null;
}

const hook = await api("POST", "/channels", { type: "webhook", name: `Hook ${ATTACK}`, url: `${receiver.url}/hook`, is_default: true, template: `{"t":"{{text}}"}`, headers: { "x-note": "<script>" } });
await api("POST", "/channels", { type: "email", name: `Mail ${ATTACK}`, to: ["ops@example.com"], is_default: true });
const gone = http.createServer((_, response) => response.writeHead(410).end(ATTACK)).listen(0, "127.0.0.1");
await once(gone, "listening");
await api("POST", "/channels", { type: "mattermost", name: `Gone ${ATTACK}`, url: `http://127.0.0.1:${gone.address().port}/hooks/x`, is_default: true });
const web = await api("POST", "/monitors", {
  name: `Shop ${ATTACK}`, url: `${targetUrl}/?q=<script>window.owned=1</script>`, method: "POST", body: ATTACK, keyword: ATTACK, retries: 0,
  headers: { "x-note": `"'><img src=x onerror=window.owned=1>` }, tags: [`tag ${ATTACK}`.slice(0, 40), "payments"],
  assertions: [{ source: "header", path: "x-note", op: "eq", value: ATTACK }],
});
const job = await api("POST", "/monitors", { type: "heartbeat", name: `Job ${ATTACK}`, period_seconds: 3600, tags: ["payments"] });
await fetch(job.ping_url, { method: "POST", body: `log ${ATTACK}`, headers: { "user-agent": `agent ${ATTACK}` } });
await fetch(`${job.ping_url}/fail?rid=${encodeURIComponent(ATTACK)}`, { method: "POST", body: ATTACK, headers: { "user-agent": ATTACK } });
await api("POST", "/maintenance-windows", { name: `Window ${ATTACK}`, tags: ["payments"], monitor_ids: [web.id], cron: "0 4 * * 0", timezone: "Europe/Berlin", duration_minutes: 60 });
await api("POST", "/maintenance-windows", { name: `Later ${ATTACK}`, tags: [`tag ${ATTACK}`.slice(0, 40)], starts_at: new Date(Date.now() + 86_400_000).toISOString(), duration_minutes: 60 });
await api("POST", "/escalation-policies", { name: `Policy ${ATTACK}`, steps: [{ after_minutes: 0, channel_ids: [hook.id] }] }, true);
await api("POST", "/status-pages", { name: `Page ${ATTACK}`, slug: "walk", title: ATTACK, description: ATTACK }, true);
await api("POST", "/probes", { name: `Probe ${ATTACK}`, region: "elsewhere" }, true);
await api("POST", `/monitors/${web.id}/check`);
let open = [];
await becomes(async () => (open = await api("GET", "/incidents?state=open")).length, 2, "both incidents");
for (const incident of open) await api("POST", `/incidents/${incident.id}/comments`, { text: `Note ${ATTACK}` });
await becomes(() => mail.messages.length >= 2, true, "mail of both");
await becomes(async () => (await api("GET", "/deliveries?state=failed")).length > 0, true, "the failed channel");

// Forms that are refused show what was typed.
where = "a refused form";
const refused = [];
for (const [path, form] of [
  ["/monitors", { name: ATTACK, url: ATTACK, tags: ATTACK, retries: ATTACK, type: "http" }],
  ["/maintenance", { name: ATTACK, tags: ATTACK, starts_at: ATTACK, ends_at: ATTACK, timezone: ATTACK, repeats: "once" }],
  ["/maintenance", { name: ATTACK, tags: ATTACK, cron: ATTACK, timezone: ATTACK, duration_minutes: ATTACK, repeats: "cron" }],
  ["/channels/new/webhook", { name: ATTACK, url: ATTACK, headers: ATTACK, template: ATTACK, secret: ATTACK }],
  ["/settings/tokens", { name: ATTACK, role: ATTACK }],
]) {
  await page.goto(`${server.url}/channels`);
  await Promise.all([page.waitForEvent("load"), page.evaluate(([path, values]) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action: path });
    for (const [name, value] of Object.entries(values)) form.append(Object.assign(document.createElement("textarea"), { name, value }));
    document.body.append(form);
    form.submit();
  }, [path, form])]);
  await look(path);
  refused.push(path);
}

async function look(path) {
  const found = await page.evaluate(() => ({
    owned: window.owned, image: !!document.querySelector('img[src="x"]'), script: !!document.querySelector("script:not([src])"),
    handler: [...document.querySelectorAll("*")].some((each) => each.getAttributeNames().some((name) => name.startsWith("on"))),
  }));
  if (found.owned || found.image || found.script || found.handler) problems.push(`${path}: a text became markup: ${JSON.stringify(found)}`);
}

async function audit(path, theme) {
  await page.evaluate(axe);
  // The themes differ in their colours only, so what is no matter of colour is asked once.
  const rules = theme === "dark" ? { runOnly: ["color-contrast", "link-in-text-block"] } : {};
  const { violations } = await page.evaluate((rules) => window.axe.run(document, { resultTypes: ["violations"], ...rules }), rules);
  for (const { id, impact, help, nodes } of violations.filter(({ impact }) => impact === "serious" || impact === "critical")) {
    problems.push(`${path} (${theme}): axe ${impact} ${id}: ${help}\n      ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0] ? node.any[0].message : ""}`).join("\n      ")}`);
  }
}

// Every page that a link leads to, each kind of page audited once in light and once in dark, and seen at a phone's width.
const kind = (path) => path.replace(/=.*/, "=").replace(/\d+/g, "N");
const queue = ["/monitors", "/login", "/nowhere", `/incidents/${open[0].id}`, `/monitors/${web.id}/checks?state=failed`, "/maintenance/new", "/monitors/new?type=heartbeat"];
const seen = new Set(queue);
const audited = new Set();
let attacks = 0;
for (let n = 0; n < queue.length && n < PAGES_MAX; n += 1) {
  const path = queue[n];
  where = path;
  const answer = await page.goto(server.url + path).catch((error) => {
    // What is sent as a file is no page.
    if (!/download|ERR_ABORTED/i.test(error.message)) problems.push(`${path}: ${error.message.split("\n")[0]}`);
  });
  if (!answer || !(answer.headers()["content-type"] || "").includes("html")) continue;
  if (answer.status() >= 500) problems.push(`${path}: answered ${answer.status()}`);
  await look(path);
  if ((await page.content()).includes("&lt;script&gt;window.owned")) attacks += 1;
  const links = await page.$$eval("a[href]", (all) => all.map((a) => a.href));
  for (const link of links.filter((link) => link.startsWith(server.url))) {
    const next = link.slice(server.url.length).split("#")[0] || "/";
    if (seen.has(next) || /^\/(static|api)\//.test(next) || /\.csv$|\/logout/.test(next)) continue;
    // Of pages that differ in their numbers, or in what is asked of them only, three say as much as all.
    if ([...seen].filter((each) => kind(each) === kind(next)).length >= 3) continue;
    seen.add(next);
    queue.push(next);
  }
  if (audited.has(kind(path))) continue;
  audited.add(kind(path));
  for (const theme of ["light", "dark"]) {
    await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme);
    await audit(path, theme);
  }
  await page.setViewportSize({ width: 375, height: 800 });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) problems.push(`${path}: ${over} px too wide at 375 px`);
  await page.setViewportSize({ width: 1440, height: 900 });
}

// Mail: the HTML part has the attack as text only. Quoted-printable and base64 are undone first.
const decoded = (message) => message
  .replace(/=\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
  .replace(/\n\n((?:[A-Za-z0-9+/=]{20,76}\n?)+)/g, (_, text) => `\n\n${Buffer.from(text, "base64").toString("utf8")}`);
for (const message of mail.messages) {
  const text = decoded(message);
  const html = text.slice(text.search(/content-type: text\/html/i));
  if (/<script|<img/i.test(html)) problems.push(`mail: a text became markup:\n${html.slice(0, 600)}`);
  if (!/(&lt;|&#60;)(script|img)/.test(html)) problems.push(`mail: the attack is not in it:\n${html.slice(0, 600)}`);
}

await browser.close();
await server.stop();
for (const each of [target, gone, receiver, mail]) each.close();
if (queue.length > PAGES_MAX) problems.push(`${queue.length - PAGES_MAX} pages were left out`);
if (attacks < 10) problems.push(`only ${attacks} pages showed an attack: the walk saw too little`);
console.log(`${problems.length ? "FAIL " : "ok   "} walked ${Math.min(queue.length, PAGES_MAX)} pages (${audited.size} kinds, ${attacks} with an attack in them, ${refused.length} refused forms) and ${mail.messages.length} mails`);
for (const problem of problems) console.log(`      ${problem}`);
process.exit(problems.length ? 1 : 0);
